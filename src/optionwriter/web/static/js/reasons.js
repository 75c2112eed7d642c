// A decision's reasons are read when it is opened, and one that is open stays, however many come in above it.
const OPEN = "details.decision[open]";

// The list ends after some; what somebody reads is put behind its end. Another filter is another list.
function keep(now, next) {
  if (now?.dataset.filter !== next?.dataset.filter) return;
  for (const open of now?.querySelectorAll(OPEN) ?? []) {
    if (!next.querySelector(`#${CSS.escape(open.id)}`)) next.append(open.closest("li").cloneNode(true));
  }
}

// The listener is the document's, so that one opened in the instant after it came in is read too, and one whose
// reading failed is read when it is opened again.
export function startReasons() {
  document.addEventListener("toggle", (event) => {
    const body = event.target.matches?.(OPEN) && event.target.querySelector("[data-reasons]");
    if (!body || !body.querySelector(".skeleton")) return;
    htmx.ajax("GET", body.dataset.reasons, { source: body, target: body });
  }, true); // a toggle does not bubble
  document.addEventListener("htmx:before:swap", (event) => {
    for (const task of event.detail.tasks ?? []) {
      if (task.target?.id === "part-decisions") keep(document.getElementById("decisions"), task.fragment.querySelector("#decisions"));
    }
  });
}
