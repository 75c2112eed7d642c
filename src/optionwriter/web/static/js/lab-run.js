// A run's page: its curve, the switch between USD and coin, and tables that sort.
import { startChart } from "./chart.js";
import { startPlaces } from "./places.js";
import { startTables } from "./tables.js";

const POLL_MS = 15_000;

startTables();
startPlaces();

document.addEventListener("unit", (event) => {
  const blocks = [...document.querySelectorAll("[data-unit]")].filter((one) => !one.closest("#equity-switch"));
  for (const one of blocks) one.hidden = one.dataset.unit !== event.detail;
});
const box = document.getElementById("equity-chart");
if (box) startChart(box.dataset.address);

// A run that is under way is asked after whenever the stream says that something is new, and now and then without it.
const run = document.querySelector("[data-run]"), UNDER_WAY = ["queued", "running"];
if (UNDER_WAY.includes(run.dataset.status)) {
  const box = document.getElementById("run-progress");
  const look = async () => {
    if (document.hidden) return;
    try {
      const reply = await fetch(`/lab/runs/${run.dataset.run}/progress`);
      if (reply.status === 204 || !reply.ok) location.reload(); // over, gone, or signed out: the page says which
      else box.innerHTML = await reply.text(); // our own template, escaped
    } catch { /* the server does not answer: later */ }
  };
  new EventSource("/api/backtests/events").addEventListener("version", look); // it connects again by itself
  setInterval(look, POLL_MS);
}
