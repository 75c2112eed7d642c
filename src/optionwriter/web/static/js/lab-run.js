// A run's page: its curve, the switch between USD and coin, and tables that sort.
import { startChart } from "./chart.js";
import { startLine } from "./line.js";
import { startPlaces } from "./places.js";
import { startTables } from "./tables.js";

startTables();
startPlaces();

document.addEventListener("unit", (event) => {
  const blocks = [...document.querySelectorAll("[data-unit]")].filter((one) => !one.closest("#equity-switch"));
  for (const one of blocks) one.hidden = one.dataset.unit !== event.detail;
});
const box = document.getElementById("equity-chart");
if (box) startChart(box.dataset.address);

// A run that is under way is asked after with each piece of news; when it is over its page is another.
if (document.getElementById("stream")) {
  startLine();
  document.addEventListener("htmx:after:request", (event) => {
    if (event.detail.ctx.response?.status !== 200) location.reload();
  });
}
