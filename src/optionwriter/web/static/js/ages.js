// Ages that grow between two answers of the server.
import { span } from "./format.js";

const seen = new WeakMap(); // element -> its age as the server told it, and when

function grow() {
  for (const element of document.querySelectorAll("[data-age-s]")) {
    const told = element.dataset.ageS;
    let kept = seen.get(element);
    if (!kept || kept.told !== told) {
      kept = { told, at: performance.now() };
      seen.set(element, kept);
    }
    const text = span(Number(told) + (performance.now() - kept.at) / 1000);
    if (element.textContent !== text) element.textContent = text;
  }
}

export function startAges() {
  grow();
  setInterval(grow, 1000);
}
