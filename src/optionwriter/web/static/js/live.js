// The Live page's script: starts its parts. Each part owns one thing; none computes money.
import { startAges } from "./ages.js";
import { startChart } from "./chart.js";
import { startCommands } from "./commands.js";
import { startFilter } from "./filter.js";
import { startLine } from "./line.js";
import { startPanel } from "./panel.js";
import { startReasons } from "./reasons.js";
import { startTables } from "./tables.js";

startTables();
startLine();
startAges();
startFilter();
startCommands();
startPanel();
startReasons();
startChart();
