// Two ticked runs are compared; fewer or more are not.
export function startCompare() {
  document.addEventListener("submit", (event) => {
    if (event.target.id !== "compare") return;
    if (event.target.querySelectorAll('input[name="run"]:checked').length === 2) return;
    event.preventDefault();
    const said = document.getElementById("said");
    said.textContent = "Choose exactly two finished runs to compare.";
    said.classList.add("bad");
    said.hidden = false;
  });
}
