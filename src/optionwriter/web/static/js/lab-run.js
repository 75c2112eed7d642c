// A run's page: its curve, the switch between USD and coin, and tables that sort.
import { startChart } from "./chart.js";
import { startPlaces } from "./places.js";
import { startTables } from "./tables.js";

const POLL_MS = 2_000;

startTables();
startPlaces();

document.addEventListener("unit", (event) => {
  const blocks = [...document.querySelectorAll("[data-unit]")].filter((one) => !one.closest("#equity-switch"));
  for (const one of blocks) one.hidden = one.dataset.unit !== event.detail;
});
const box = document.getElementById("equity-chart");
if (box) startChart(box.dataset.address);

// A run that is under way is asked after until it is over.
const run = document.querySelector("[data-run]");
if (["queued", "running"].includes(run.dataset.status)) {
  setInterval(async () => {
    if (document.hidden) return;
    try {
      const reply = await fetch(`/api/backtests/${run.dataset.run}`);
      if (!reply.ok || !["queued", "running"].includes((await reply.json()).run.status)) location.reload();
    } catch { /* the server does not answer: later */ }
  }, POLL_MS);
}
