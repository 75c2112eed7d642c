// A position's panel: opened by the address (#position/ID), so that it can be linked to and closed with "back".
import { drawPayoffs } from "./payoff.js";

const HEAD = "#position/";

export function startPanel() {
  const panel = document.getElementById("position-panel");
  const body = document.getElementById("position-body");
  let shown = "";
  let opener = "";
  let asked = 0, drawn = 0; // numbers of the latest request, and of the one whose answer is shown
  let isNew = false; // nothing of it was shown yet

  async function load(id) {
    const number = ++asked;
    const reply = await fetch(`/live/position/${encodeURIComponent(id)}`);
    if (reply.status === 401) return location.reload();
    const text = await reply.text();
    if (shown !== id || number < drawn) return; // answers may come in another order
    drawn = number;
    const first = isNew;
    isNew = false;
    if (first) body.replaceChildren();
    await htmx.swap({ text, target: body, sourceElement: body, swap: "innerMorph" });
    drawPayoffs(body);
    if (first) body.querySelector("h2")?.focus({ preventScroll: true });
  }
  function waiting() {
    const text = document.createElement("p");
    text.className = "skeleton";
    text.textContent = "Reading the position…";
    body.replaceChildren(text);
  }
  function follow() {
    const id = location.hash.startsWith(HEAD) ? decodeURIComponent(location.hash.slice(HEAD.length)) : "";
    if (id === shown) return;
    shown = id;
    isNew = true;
    if (!id) {
      if (panel.open) panel.close();
      return;
    }
    opener = `position-row-${id}`;
    waiting();
    if (!panel.open) panel.showModal();
    panel.scrollTop = 0;
    load(id).catch(() => { body.firstElementChild.textContent = "The page’s server does not answer."; });
  }
  function leave() {
    if (!shown || panel.open) return; // open again: the address named another one meanwhile
    shown = "";
    history.pushState(null, "", location.pathname + location.search);
    document.getElementById(opener)?.querySelector("a")?.focus({ preventScroll: true });
  }

  window.addEventListener("hashchange", follow);
  window.addEventListener("popstate", follow);
  panel.addEventListener("close", leave);
  document.addEventListener("click", (event) => {
    if (event.target.closest("#position-close") || event.target === panel) panel.close();
    const row = event.target.closest("tr[data-position]");
    if (row && !event.target.closest("a, button") && !getSelection().toString()) {
      location.hash = HEAD.slice(1) + encodeURIComponent(row.dataset.position);
    }
  });
  document.getElementById("stream").addEventListener("version", () => {
    if (shown) load(shown).catch(() => {});
  });
  follow();
}
