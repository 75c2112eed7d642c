// A decision's reasons are read when it is opened. The listener is the document's, so that one opened in the instant
// after it came in is read too, and one whose reading failed is read when it is opened again.
export function startReasons() {
  document.addEventListener("toggle", (event) => {
    const body = event.target.matches?.("details.decision[open]") && event.target.querySelector("[data-reasons]");
    if (!body || !body.querySelector(".skeleton")) return;
    htmx.ajax("GET", body.dataset.reasons, { source: body, target: body, swap: "innerHTML" });
  }, true); // a toggle does not bubble
}
