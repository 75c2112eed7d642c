// The slider's number moves with it; what is asked for stays in the address, so that it can be kept and sent.
const form = document.getElementById("asked");
const slider = document.getElementById("ask-multiplier");
const source = document.getElementById("ask-source");
const output = document.getElementById("multiplier");

form.addEventListener("input", () => {
  for (const one of form.querySelectorAll("[data-recorded]")) one.disabled = source.value === "live"; // live is now
  output.textContent = Number(slider.value).toFixed(2);
  const wanted = new URLSearchParams();
  for (const [name, value] of new FormData(form)) if (value) wanted.set(name, value);
  history.replaceState(history.state, "", `${location.pathname}?${wanted}`);
});
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-use]");
  if (!button) return;
  slider.value = button.dataset.use;
  slider.dispatchEvent(new Event("input", { bubbles: true }));
  slider.focus();
});
