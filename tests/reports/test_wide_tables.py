"""Tables that are wider than the page: the first column stays, and it shows that there is more."""

from __future__ import annotations

import pytest
from builders.realistic_board import realistic, realistic_leaderboard
from scorecards import make_scorecard

from evalkit.reports.leaderboard.page import render_leaderboard
from evalkit.reports.page import write_page
from evalkit.reports.scorecard_page import render_scorecard

SCROLLED = """() => {
  for (const one of document.querySelectorAll("details")) one.open = true;
  return [...document.querySelectorAll(".scroll")].filter((box) => box.scrollWidth > box.clientWidth + 1).map((box) => {
    box.scrollLeft = box.scrollWidth;
    const heads = [...box.querySelectorAll('tbody th[scope="row"], thead tr:last-child th:first-child')];
    const shown = heads.filter((head) => head.offsetParent);
    const left = box.getBoundingClientRect().left;
    return {
      label: box.getAttribute("aria-label"),
      moved: Math.min(...shown.map((head) => head.getBoundingClientRect().left - left)),
      share: Math.max(...shown.map((head) => head.getBoundingClientRect().right - left)) / box.clientWidth,
      see_through: shown.some((head) => getComputedStyle(head).backgroundColor === "rgba(0, 0, 0, 0)"),
      shades: getComputedStyle(box).backgroundImage.split("linear-gradient").length - 1,
    };
  });
}"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("wide")
    write_page(render_leaderboard(realistic(), realistic_leaderboard()), made / "board.html")
    write_page(render_scorecard(make_scorecard(20, 1), lambda _: None), made / "card.html")
    return made


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("name", "width"), [("board", 390), ("board", 1440), ("card", 390), ("card", 800)])
def test_the_first_column_stays_and_more_is_marked(browser, folder, name, width, scheme):
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.goto((folder / f"{name}.html").as_uri())
    found = page.evaluate(SCROLLED)
    page.close()
    assert found
    for table in found:
        assert table["moved"] >= -1, table
        assert table["share"] < 0.65, table
        assert not table["see_through"], table
        assert table["shades"] == 2, table
