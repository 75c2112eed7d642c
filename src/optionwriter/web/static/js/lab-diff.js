// Two runs compared: the table sorts.
import { startPlaces } from "./places.js";
import { startTables } from "./tables.js";

startTables();
startPlaces();
