// What every page has: the switch of colours, which goes round system, light, dark.
const ROUND = { "": "light", light: "dark", dark: "" };
const NAMES = { "": "as the system", light: "light", dark: "dark" };

const button = document.getElementById("theme-toggle");

function show() {
  const now = document.documentElement.dataset.theme ?? "";
  const text = `Colours: ${NAMES[now]}`;
  button.setAttribute("aria-label", text);
  button.title = text;
}

button?.addEventListener("click", () => {
  const next = ROUND[document.documentElement.dataset.theme ?? ""];
  if (next) document.documentElement.dataset.theme = next;
  else delete document.documentElement.dataset.theme;
  try {
    if (next) localStorage.setItem("theme", next);
    else localStorage.removeItem("theme");
  } catch { /* it is then not remembered */ }
  show();
  document.dispatchEvent(new CustomEvent("theme"));
});
if (button) show();
