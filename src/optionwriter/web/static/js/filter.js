// The decisions' filter: in the address, so that it can be kept and sent.
export function startFilter() {
  const form = document.getElementById("decision-filter");
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("change", () => {
    const wanted = new URLSearchParams();
    for (const [name, value] of new FormData(form)) if (value && value !== "all") wanted.set(name, value);
    const query = wanted.toString();
    history.replaceState(history.state, "", `${location.pathname}${query ? `?${query}` : ""}${location.hash}`);
    document.body.dispatchEvent(new CustomEvent("filter"));
  });
}
