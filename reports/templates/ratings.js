for (const table of document.querySelectorAll("table.sortable")) makeSortable(table);
{
  const open = () => {
    const target = document.getElementById(location.hash.slice(1));
    if (target && target.tagName === "DETAILS") target.open = true;
  };
  addEventListener("hashchange", open);
  open();
}
