{
  for (const table of document.querySelectorAll("table.sortable")) makeSortable(table);

  const table = document.getElementById("board");
  if (table) {
    const byId = (id) => document.getElementById(id);
    const [search, show, others, only, count] = ["search", "show", "others", "only", "count"].map(byId);
    const boxes = [...document.querySelectorAll("input.group")];
    const elsewhere = [...document.querySelectorAll("main [data-team]")].filter((item) => !table.contains(item));
    const { rows, heads, sortBy } = makeSortable(table, sorted);
    const entries = rows.map((row) => ({
      row,
      team: row.dataset.team,
      part: Number(row.dataset.part),
      text: `${row.dataset.team} ${row.dataset.run}`.toLowerCase(),
      pick: row.querySelector(".pick"),
    }));
    const teams = new Set(entries.map((entry) => entry.team));
    const keys = heads.map((head) => head.dataset.key);
    const groups = boxes.map((box) => box.value);
    const shows = [...show.options].map((option) => option.value);
    const fresh = () => ({
      sort: "rank", descending: false, groups: new Set(groups.filter((group) => group !== "diagnostic")),
      search: "", show: "all", others: false, chosen: new Set(), only: false,
    });
    let view = fresh();
    let quiet = true;
    let hidden = 0;  // ranked rows that the view leaves out

    // The address is untrusted: its values are compared with those that the page knows. Only the text of the search is
    // written into the page, and only as the value of its field.
    function read(hash) {
      const words = new URLSearchParams(hash);
      const found = fresh();
      if (keys.includes(words.get("sort"))) found.sort = words.get("sort");
      found.descending = words.get("order") === "descending";
      if (words.has("columns")) found.groups = new Set(words.get("columns").split(" ").filter((name) => groups.includes(name)));
      found.search = (words.get("search") ?? "").slice(0, 200);
      if (shows.includes(words.get("show"))) found.show = words.get("show");
      found.others = others !== null && words.get("runs") === "all";
      found.chosen = new Set(words.getAll("team").filter((team) => teams.has(team)));
      found.only = words.get("only") === "chosen" && found.chosen.size > 0;
      return found;
    }

    function written() {
      const start = fresh();
      const words = new URLSearchParams();
      if (view.sort !== start.sort || view.descending) words.set("sort", view.sort);
      if (view.descending) words.set("order", "descending");
      const names = (set) => groups.filter((group) => set.has(group)).join(" ");
      if (names(view.groups) !== names(start.groups)) words.set("columns", names(view.groups));
      if (view.search) words.set("search", view.search);
      if (view.show !== start.show) words.set("show", view.show);
      if (view.others) words.set("runs", "all");
      for (const team of view.chosen) words.append("team", team);
      if (view.only) words.set("only", "chosen");
      return words;
    }

    function remember(at) {
      if (quiet) return;
      const words = written();
      if (at && words.size) words.set("at", at);
      const hash = words.size ? `#${words}` : at ? `#${at}` : "";
      try {
        history.replaceState(null, "", hash || location.pathname + location.search);
      } catch {
        // Some frames forbid it; the page works without.
      }
    }

    function sorted(column, descending) {
      view.sort = keys[column];
      view.descending = descending;
      showBrackets();
      remember();
    }

    // Brackets join neighbours of the ranking: in another order, or with a row hidden between them, they are wrong.
    function showBrackets() {
      table.classList.toggle("unordered", view.sort !== "rank" || view.descending || hidden > 0);
    }

    function filter() {
      const wanted = view.search.trim().toLowerCase();
      let shown = 0;
      hidden = 0;
      for (const entry of entries) {
        const kept =
          entry.text.includes(wanted) &&
          (entry.part !== 2 || view.others) &&
          (view.show === "all" || (view.show === "ranked" ? entry.part === 0 : "finalist" in entry.row.dataset)) &&
          (!view.only || view.chosen.has(entry.team));
        entry.row.hidden = !kept;
        shown += kept;
        hidden += !kept && entry.part === 0;
        if (entry.pick) entry.pick.checked = view.chosen.has(entry.team);
      }
      for (const item of elsewhere) item.hidden = view.only && !view.chosen.has(item.dataset.team);
      for (const group of groups) table.classList.toggle(`no-${group}`, !view.groups.has(group));
      showBrackets();
      for (const box of boxes) box.checked = view.groups.has(box.value);
      if (search.value !== view.search) search.value = view.search;
      show.value = view.show;
      if (others) others.checked = view.others;
      only.disabled = view.chosen.size === 0;
      only.setAttribute("aria-pressed", String(view.only));
      count.textContent = `showing ${shown} of ${entries.length}`;
      remember();
    }

    function apply(next) {
      const order = next.sort !== view.sort || next.descending !== view.descending;
      view = next;
      if (order) sortBy(keys.indexOf(view.sort), view.descending);
      filter();
    }

    function open(anchor) {
      const target = anchor && byId(anchor);
      if (!target) return;
      target.hidden = false;
      for (let item = target; item; item = item.parentElement) if (item.tagName === "DETAILS") item.open = true;
      target.scrollIntoView();
    }

    // A view is "name=value&..."; anything else is the id of a part of the page.
    function arrive() {
      const hash = location.hash.slice(1);
      quiet = true;
      if (hash.includes("=")) {
        apply(read(hash));
        open(new URLSearchParams(hash).get("at"));
        quiet = false;
      } else {
        open(hash);
        quiet = false;
        if (hash && written().size) remember(hash);
      }
    }

    const change = (name, value) => { view[name] = value; filter(); };
    search.addEventListener("input", () => change("search", search.value.slice(0, 200)));
    show.addEventListener("change", () => change("show", show.value));
    if (others) others.addEventListener("change", () => change("others", others.checked));
    for (const box of boxes) {
      box.addEventListener("change", () => change("groups", new Set(boxes.filter((one) => one.checked).map((one) => one.value))));
    }
    for (const { pick, team } of entries) {
      if (!pick) continue;
      pick.hidden = false;
      pick.addEventListener("change", () => {
        if (pick.checked) view.chosen.add(team);
        else view.chosen.delete(team);
        if (!view.chosen.size) view.only = false;
        filter();
      });
    }
    only.addEventListener("click", () => change("only", !view.only));
    byId("reset").addEventListener("click", () => apply(fresh()));
    addEventListener("hashchange", arrive);
    byId("controls").hidden = false;
    byId("link-tip").hidden = false;
    heads[0].setAttribute("aria-sort", "ascending");
    filter();
    arrive();
  } else {
    const show = () => {
      const target = document.getElementById(location.hash.slice(1));
      if (target && target.tagName === "DETAILS") target.open = true;
    };
    addEventListener("hashchange", show);
    show();
  }
}
