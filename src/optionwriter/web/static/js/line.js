// The line to the server: says when it broke, asks by itself while it is broken, and shows when nobody is signed in.
const SILENT_MS = 25_000; // the server says something every 10 s
const POLL_MS = 5_000;
const ASKING = "Reconnecting… Meanwhile the page asks every few seconds.";

export function startLine() {
  const stream = document.getElementById("stream");
  const notice = document.getElementById("line");
  let heard = performance.now();
  let isBroken = false;

  function hear() {
    heard = performance.now();
    if (isBroken) {
      isBroken = false;
      notice.hidden = true;
    }
  }
  function breaks(text) {
    if (document.hidden) return; // a page that nobody sees lets its line go
    isBroken = true;
    if (notice.textContent !== text) notice.textContent = text;
    notice.hidden = false;
  }

  // A line that never came about is not tried again by itself; the page then goes on asking.
  for (const name of ["htmx:error", "htmx:response:error"]) stream.addEventListener(name, () => breaks(ASKING));
  stream.addEventListener("htmx:sse:after:connection", hear);
  stream.addEventListener("htmx:sse:before:message", hear);
  stream.addEventListener("htmx:sse:before:connection", (event) => {
    if (event.detail.connection.attempt > 0) breaks("Reconnecting… The figures are the last that came.");
  });
  document.addEventListener("htmx:response:error", (event) => {
    if (event.detail.ctx.response?.status === 401) location.reload(); // to the sign-in page
  });
  document.addEventListener("visibilitychange", () => { heard = performance.now(); });

  setInterval(() => {
    if (document.hidden) return;
    if (performance.now() - heard > SILENT_MS) breaks(ASKING);
    if (isBroken) stream.dispatchEvent(new CustomEvent("version", { detail: {} }));
  }, POLL_MS);
}
