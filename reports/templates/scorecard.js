{
  const rows = makeSortable(document.getElementById("table")).rows.map((row) => ({ row, text: row.textContent.toLowerCase() }));
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
}
