"use strict";

// Heads become buttons only here: without a script nothing looks clickable that is not.
function makeSortable(table) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
  const rows = [...body.rows].map((row, at) => ({ row, at }));
  const words = new Intl.Collator("en", { numeric: true });

  function sortBy(column) {
    const head = heads[column];
    const now = head.getAttribute("aria-sort") ?? (head.dataset.first === "descending" ? "ascending" : "descending");
    const descending = now === "ascending";
    const numeric = head.dataset.sort === "number";
    const keyed = rows.map((item) => {
      const key = item.row.cells[column].dataset.v;
      return { item, missing: key === undefined, key: numeric ? Number(key) : key };
    });
    keyed.sort((a, b) => {
      if (a.missing || b.missing) return a.missing - b.missing || a.item.at - b.item.at;
      const order = numeric ? a.key - b.key : words.compare(a.key, b.key);
      return (descending ? -order : order) || a.item.at - b.item.at;
    });
    for (const other of heads) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", descending ? "descending" : "ascending");
    body.append(...keyed.map(({ item }) => item.row));
  }

  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    const label = document.createElement("span");
    label.append(...head.childNodes);
    button.append(label);
    head.append(button);
    button.addEventListener("click", () => sortBy(column));
  });
  return rows.map(({ row }) => row);
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
