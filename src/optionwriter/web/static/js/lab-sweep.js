// A sweep's page: follows its runs, sorts, and compares two of them.
import { startCompare } from "./compare.js";
import { startLine } from "./line.js";
import { startTables } from "./tables.js";

startTables();
startLine();
startCompare();
const filter = document.getElementById("sweep-filter");
filter.addEventListener("change", () => filter.requestSubmit());
