// The form for a backtest: shows what matters for what is chosen, sends it, and says what is wrong where it is wrong.
const CUSTOM = "CUSTOM";

class Wrong extends Error {
  constructor(field, text) {
    super(text);
    this.fields = { [field]: text };
  }
}

const boxOf = (form, name) => form.querySelector(`[data-ask="${CSS.escape(name)}"]`);
const ticked = (form, name) => [...form.querySelectorAll(`input[name="${name}"]:checked`)].map((one) => one.value);
const isShown = (one) => !one.closest("[hidden]");

// What does not matter for the chosen source and preset is not shown, and not sent.
function fit(form) {
  const source = form.querySelector('[data-run="source"]').value;
  for (const group of form.querySelectorAll("[data-sources]")) group.hidden = !group.dataset.sources.split(" ").includes(source);
  boxOf(form, "changes").hidden = form.querySelector('[data-config="preset"]').value !== CUSTOM;
}

// What the form says, as the API takes it; what stands at its default is left out.
function asked(form) {
  const body = { underlyings: ticked(form, "underlyings"), config: {} };
  for (const one of form.querySelectorAll("[data-run]")) body[one.dataset.run] = one.value.trim();
  if (body.seed === "") delete body.seed;
  for (const one of form.querySelectorAll("[data-day]")) {
    const at = Date.parse(one.value);
    if (Number.isNaN(at)) throw new Wrong(one.dataset.day, "Give a day.");
    body[one.dataset.day] = at;
  }
  if (!body.underlyings.length) throw new Wrong("underlyings", "Choose at least one coin.");
  for (const one of form.querySelectorAll("[data-config]:not([type=checkbox])")) {
    const value = one.value.trim();
    if (isShown(one) && value !== "" && value !== one.dataset.default) body.config[one.dataset.config] = value;
  }
  const styles = ticked(form, "exit_styles");
  if (!styles.length) throw new Wrong("exit_styles", "Choose at least one exit style.");
  body.config.exit_styles = styles;
  return body;
}

function clear(form) {
  for (const one of form.querySelectorAll(".wrong")) one.remove();
  for (const one of form.querySelectorAll("[aria-invalid]")) {
    one.removeAttribute("aria-invalid");
    one.setAttribute("aria-describedby", one.dataset.told ?? "");
    if (!one.dataset.told) one.removeAttribute("aria-describedby");
  }
}

// Says it at the field, which is opened and shown; whether there is such a field.
function point(form, name, text) {
  const box = boxOf(form, name), input = box?.querySelector("input, select, textarea");
  if (!input) return false;
  const told = document.createElement("p");
  told.className = "error wrong";
  told.id = `wrong-${name}`;
  told.textContent = text;
  box.append(told);
  input.dataset.told = input.getAttribute("aria-describedby") ?? "";
  input.setAttribute("aria-describedby", `${told.id} ${input.dataset.told}`.trim());
  input.setAttribute("aria-invalid", "true");
  for (let one = box; one && one !== form; one = one.parentElement) {
    if (one.tagName === "DETAILS") one.open = true;
    one.hidden = false;
  }
  return true;
}

// `ask` asks the server; `done` hears what was queued.
export function startForm(ask, done) {
  const form = document.getElementById("run-form"), error = document.getElementById("form-error");
  const send = document.getElementById("run-send");
  fit(form);
  form.addEventListener("change", () => fit(form));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    clear(form);
    error.hidden = true;
    send.disabled = true;
    try {
      const { id } = await ask("POST", "/api/backtests", asked(form));
      done(`Run ${id} is queued.`);
    } catch (problem) {
      const names = Object.entries(problem.fields ?? {}).filter(([name, text]) => point(form, name, text));
      error.textContent = names.length ? "Nothing is queued: see what is marked above." : problem.message;
      error.hidden = false;
      if (names.length) form.querySelector("[aria-invalid]").focus();
    } finally {
      send.disabled = false;
    }
  });
}
