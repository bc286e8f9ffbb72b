"use strict";
(() => {
  const root = document.documentElement;
  const theme = document.getElementById("theme");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);
  const nameTheme = () => { theme.textContent = isDark() ? "Light theme" : "Dark theme"; };
  theme.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; nameTheme(); });
  dark.addEventListener("change", nameTheme);
  nameTheme();
  theme.hidden = false;

  const table = document.getElementById("table");
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const rows = [...body.rows].map((row, at) => ({ row, at, text: row.textContent.toLowerCase() }));
  const words = new Intl.Collator("en", { numeric: true });

  function sortBy(column) {
    const head = heads[column];
    const descending = head.getAttribute("aria-sort") === "ascending";
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

  // Heads become buttons only here: without a script nothing looks clickable that is not.
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    const label = document.createElement("span");
    label.append(...head.childNodes);
    button.append(label);
    head.append(button);
    button.addEventListener("click", () => sortBy(column));
  });

  const filter = document.getElementById("filter");
  const problems = document.getElementById("problems");
  const count = document.getElementById("count");
  function show() {
    const wanted = filter.value.trim().toLowerCase();
    let shown = 0;
    for (const { row, text } of rows) {
      row.hidden = !text.includes(wanted) || (problems.checked && !("problem" in row.dataset));
      shown += !row.hidden;
    }
    count.textContent = `showing ${shown} of ${rows.length}`;
  }
  filter.addEventListener("input", show);
  problems.addEventListener("change", show);
  show();
  document.getElementById("controls").hidden = false;

  // A link to a video that the filter hides has to bring it back.
  addEventListener("hashchange", () => {
    const target = document.getElementById(location.hash.slice(1));
    if (target && target.hidden) {
      filter.value = "";
      problems.checked = false;
      show();
      target.scrollIntoView();
    }
    if (target && target.tagName === "DETAILS") target.open = true;
  });
})();
