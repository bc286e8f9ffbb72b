{
  for (const table of document.querySelectorAll("table.sortable")) makeSortable(table);

  // One metric at a time; without a script all of them are there to read.
  const metric = document.getElementById("metric");
  if (metric) {
    const details = [...document.querySelectorAll(".detail")];
    const show = () => details.forEach((detail, at) => { detail.hidden = at !== Number(metric.value); });
    metric.addEventListener("change", show);
    metric.value = "0";
    show();
    document.getElementById("controls").hidden = false;
  }
}
