// The chosen colours, before anything is painted. Loaded in the head, as a plain script, so that nothing flashes.
const chosen = (() => {
  try { return localStorage.getItem("theme"); } catch { return null; }
})();
if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
