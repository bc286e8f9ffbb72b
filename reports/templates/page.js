"use strict";

// Heads become buttons only here: without a script nothing looks clickable that is not. Rows with a higher data-part stay
// below, whatever is sorted. Returns the rows, and a function that sorts.
function makeSortable(table, sorted = () => {}) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
  const rows = [...body.rows].map((row, at) => ({ row, at, part: Number(row.dataset.part ?? 0) }));
  const words = new Intl.Collator("en", { numeric: true });

  function sortBy(column, descending) {
    const head = heads[column];
    const numeric = head.dataset.sort === "number";
    const keyed = rows.map((item) => {
      const key = item.row.cells[column].dataset.v;
      return { item, missing: key === undefined, key: numeric ? Number(key) : key };
    });
    keyed.sort((a, b) => {
      if (a.item.part !== b.item.part) return a.item.part - b.item.part;
      if (a.missing || b.missing) return a.missing - b.missing || a.item.at - b.item.at;
      const order = numeric ? a.key - b.key : words.compare(a.key, b.key);
      return (descending ? -order : order) || a.item.at - b.item.at;
    });
    for (const other of heads) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", descending ? "descending" : "ascending");
    body.replaceChildren(...keyed.map(({ item }) => item.row));
    sorted(column, descending);
  }
  function turn(column) {
    const head = heads[column];
    const now = head.getAttribute("aria-sort") ?? (head.dataset.first === "descending" ? "ascending" : "descending");
    sortBy(column, now === "ascending");
  }

  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    const label = document.createElement("span");
    label.append(...head.childNodes);
    button.append(label);
    head.append(button);
    button.addEventListener("click", () => turn(column));
  });
  return { rows: rows.map(({ row }) => row), heads, sortBy };
}

{
  const root = document.documentElement;
  const theme = document.getElementById("theme");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);
  const nameTheme = () => { theme.textContent = isDark() ? "Light theme" : "Dark theme"; };
  theme.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; nameTheme(); });
  dark.addEventListener("change", nameTheme);
  nameTheme();
  theme.hidden = false;
}
