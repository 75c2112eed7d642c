// Tables that sort: buttons in the head, the order kept over every refresh and for the tab's life.
// A new part is sorted before it is laid over the old one, so that nothing jumps.
const KEY = "sorts";
const sorts = new Map(Object.entries(JSON.parse(sessionStorage.getItem(KEY) ?? "{}")));

function compare(a, b) {
  const x = Number(a), y = Number(b);
  const numbers = a !== "" && b !== "" && Number.isFinite(x) && Number.isFinite(y);
  return numbers ? x - y : a.localeCompare(b, "en", { numeric: true });
}

// What is not known stands last, whichever way the rest is sorted.
function valueOf(row, index) {
  const value = row.cells[index]?.dataset.v ?? "";
  return value === "None" || value === "—" ? "" : value;
}

function apply(table) {
  const sort = sorts.get(table.id);
  const heads = [...table.tHead.rows[0].cells];
  for (const head of heads) {
    const mine = sort && head.firstElementChild?.dataset.sort === sort.key;
    head.setAttribute("aria-sort", mine ? sort.way : "none");
  }
  if (!sort) return;
  const index = heads.findIndex((head) => head.firstElementChild?.dataset.sort === sort.key);
  if (index < 0) return;
  const sign = sort.way === "descending" ? -1 : 1;
  const rows = [...table.tBodies[0].rows].map((row) => ({ row, value: valueOf(row, index) }));
  rows.sort((a, b) => {
    if (a.value === "" || b.value === "") return Number(a.value === "") - Number(b.value === "");
    return sign * compare(a.value, b.value);
  });
  table.tBodies[0].append(...rows.map((one) => one.row));
}

export function startTables() {
  for (const table of document.querySelectorAll("table[data-sortable]")) apply(table);
  document.addEventListener("htmx:before:swap", (event) => {
    for (const task of event.detail.tasks ?? []) {
      for (const table of task.fragment?.querySelectorAll("table[data-sortable]") ?? []) apply(table);
    }
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button.sort");
    if (!button) return;
    const table = button.closest("table");
    const before = sorts.get(table.id);
    const same = before?.key === button.dataset.sort;
    if (same && before.way === "descending") sorts.delete(table.id);
    else sorts.set(table.id, { key: button.dataset.sort, way: same ? "descending" : "ascending" });
    sessionStorage.setItem(KEY, JSON.stringify(Object.fromEntries(sorts)));
    if (sorts.has(table.id)) apply(table);
    else document.body.dispatchEvent(new CustomEvent("filter")); // the server's own order again
    if (!sorts.has(table.id)) apply(table);
  });
}
