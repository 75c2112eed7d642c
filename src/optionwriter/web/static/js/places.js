// Tables that the server sends once: their own order comes back from each row's place.
export function startPlaces() {
  document.body.addEventListener("filter", () => {
    for (const table of document.querySelectorAll("table[data-sortable]")) {
      if (table.querySelector("th[aria-sort=ascending], th[aria-sort=descending]") && sorted(table)) continue;
      const rows = [...table.tBodies[0].rows].filter((one) => one.dataset.place);
      rows.sort((a, b) => a.dataset.place - b.dataset.place);
      table.tBodies[0].append(...rows);
    }
  });
}

const sorted = (table) => table.id in JSON.parse(sessionStorage.getItem("sorts") ?? "{}");
