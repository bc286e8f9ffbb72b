"""The leaderboard in a browser: accessibility, themes, paper, small screens, no script."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from builders.leaderboards import (
    NASTY,
)
from leaderboard_pages import shown, sort, style

pytestmark = pytest.mark.browser
# --- accessibility ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "opened", "width", "scheme"),
    [
        ("small", True, 390, "light"),
        ("small", True, 390, "dark"),
        ("small", True, 1440, "light"),
        ("small", True, 1440, "dark"),
        ("real", False, 390, "dark"),
        ("real", False, 1440, "light"),
    ],
)
def test_axe_finds_nothing(visit, name, opened, width, scheme):
    """A small board with every section open, each of them filled; and a realistic one as it is first seen."""
    check_axe(visit(name, width=width, color_scheme=scheme), opened)


@pytest.mark.parametrize("name", ["phases", "empty"])
def test_axe_finds_nothing_on_other_boards(visit, name):
    check_axe(visit(name), True)


def check_axe(page, opened):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    if opened:
        page.evaluate("document.querySelectorAll('details').forEach((item) => { item.open = true; })")
        page.evaluate("document.querySelectorAll('input.group:not(:checked), #others').forEach((box) => box.click())")
    found = axe.run(page)
    assert found.violations_count == 0, found.generate_report()


def test_every_control_is_reached_by_keyboard_and_its_focus_is_seen(visit):
    page = visit("real")
    page.keyboard.press("Tab")
    reached = []
    for _ in range(60):
        found = page.evaluate(
            """() => {
                const item = document.activeElement;
                const style = getComputedStyle(item);
                return [item.id || item.className || item.textContent.trim(), style.outlineStyle, style.outlineWidth];
            }"""
        )
        reached.append(found[0])
        assert found[1] != "none", found
        assert found[2] != "0px", found
        page.keyboard.press("Tab")
    for control in ("theme", "search", "show", "group", "others", "reset", "pick"):
        assert control in reached, reached
    assert len([item for item in reached if item.startswith("Face-Arc")]) == 1


def test_select_by_keyboard(visit):
    page = visit("real")
    page.focus("input[aria-label='Select delta']")
    page.keyboard.press("Space")
    page.focus("#only")
    page.keyboard.press("Enter")
    assert shown(page) == ["delta"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_theme_toggle(visit, scheme):
    page = visit("real", color_scheme=scheme)
    ground = "getComputedStyle(document.querySelector('.p5')).fill"
    before = page.evaluate(ground)
    page.click("#theme")
    after = page.evaluate(ground)
    assert before != after
    other = visit("real", color_scheme="light" if scheme == "dark" else "dark")
    assert other.evaluate(ground) == after


# --- paper, small screens, no script ----------------------------------------------------------------------------------


def test_on_paper_the_first_rank_is_not_under_the_heads(visit):
    page = visit("phases", width=1017)
    page.emulate_media(media="print")
    heads = page.locator("#board thead tr:last-child th")
    ranks = heads.first.bounding_box()
    teams = heads.nth(1).bounding_box()
    first = page.locator("#board tbody td.rank").first.bounding_box()
    assert ranks["y"] == pytest.approx(teams["y"], abs=1)
    assert ranks["y"] + ranks["height"] <= first["y"] + 1
    assert style(page, "#board tbody td:not(.rank)", "fontSize") == style(page, "#board", "fontSize")


def test_on_paper_a_wide_board_keeps_its_form_whatever_was_hidden(visit):
    page = visit("real", width=1017, view="#search=beta")
    page.emulate_media(media="print")
    assert page.locator("#board.wide").count() == 1
    forms = page.eval_on_selector_all("#board tbody tr", "rows => rows.map(row => getComputedStyle(row).display)")
    assert set(forms) == {"block"}
    cells = "cells => cells.map(cell => getComputedStyle(cell).display)"
    assert set(page.eval_on_selector_all('#board tbody td[class*="g-"]', cells)) == {"inline-block"}


def test_on_paper_another_order_has_no_brackets(visit):
    page = visit("real", width=1017)
    sort(page, "team")
    page.emulate_media(media="print")
    assert page.locator("#board .brackets").count() > 0
    assert style(page, "#board .brackets", "visibility") == "hidden"


def test_names_of_columns_stay_in_their_cells(visit):
    page = visit("names")
    over = """() => [...document.querySelectorAll('#board thead tr:last-child th')].filter((head) => {
        const cell = head.getBoundingClientRect();
        const word = (head.querySelector('bdi') ?? head.querySelector('span')).getBoundingClientRect();
        return word.left < cell.left - 1 || word.right > cell.right + 1;
    }).map((head) => head.textContent)"""
    assert page.evaluate(over) == []


def test_the_ends_of_an_axis_are_not_cut(visit):
    page = visit("real")
    assert style(page, ".dist .ticks svg", "overflow") == "visible"


@pytest.mark.parametrize("name", ["real", "phases", "hostile", "many"])
def test_paper_shows_everything_and_is_wide_enough(visit, name):
    page = visit(name, width=1017, view="#search=zzz", color_scheme="dark")  # A4 landscape less its margins
    assert shown(page) == []
    page.emulate_media(media="print")
    rows = page.locator("#board tbody tr").count()
    assert len(page.eval_on_selector_all("#board tbody tr", "rows => rows.filter(row => row.offsetHeight > 0)")) == rows
    assert page.locator("#board td.g-diagnostic").first.is_visible()
    assert page.locator("#controls").is_hidden()
    assert page.evaluate("getComputedStyle(document.querySelector('.tall')).overflow") == "visible"
    inside = page.evaluate("document.querySelector('details.one table').getBoundingClientRect().height")
    assert inside > 20
    assert page.evaluate("document.documentElement.scrollWidth") <= 1017


@pytest.mark.parametrize("name", ["real", "phases", "hostile", "empty", "many"])
@pytest.mark.parametrize("width", [390, 1440])
def test_only_tables_scroll_sideways(visit, name, width):
    page = visit(name, width=width)
    page.evaluate("document.querySelectorAll('details').forEach((item) => { item.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_rank_and_team_stay_while_the_numbers_move(visit):
    page = visit("real", width=390)

    def left(part):
        return page.evaluate(f"document.querySelector('#board tbody {part}').getBoundingClientRect().left")

    before = left("td.rank"), left("th.team"), left("td.g-objective")
    page.evaluate("document.querySelector('.tall').scrollTo(300, 0)")
    assert (left("td.rank"), left("th.team")) == before[:2]
    assert left("td.g-objective") == before[2] - 300
    rank = page.evaluate("document.querySelector('#board tbody td.rank').getBoundingClientRect().right")
    assert abs(rank - left("th.team")) <= 1


def test_readable_without_a_script(visit):
    page = visit("real", java_script_enabled=False)
    assert page.locator("#board tbody tr:visible").count() == 10
    assert page.locator("#board td.g-diagnostic").first.is_visible()
    assert page.locator("button:visible, select:visible, input:visible").count() == 0


def test_hostile_names_do_nothing(visit):
    team = f"{NASTY[0]} 0"
    page = visit("hostile", view="#" + urlencode({"team": team, "only": "chosen"}))
    assert shown(page) == [team]
    page.click("#reset")
    for button in page.locator("#board thead button").all()[:6]:
        button.click()
    page.fill("#search", team)
    assert shown(page) == [team]
    page.locator("#board tbody tr:visible th a").first.click()
    assert page.locator("img").count() == 0
    assert page.locator("script").count() == 1


def test_every_frame_and_mark_is_drawn(visit):
    page = visit("real")
    assert page.locator("svg.strip").count() == 27
    missing = page.evaluate(
        "[...document.querySelectorAll('use')].filter(use => !document.querySelector(use.getAttribute('href'))).length"
    )
    assert missing == 0
    assert page.locator("svg.strip").first.bounding_box()["width"] > 150
    boxes = page.eval_on_selector_all(
        "details[open] .cloud",
        "clouds => clouds.map(c => c.getBBox()).map(b => [b.x, b.y, b.x + b.width, b.y + b.height])",
    )
    assert boxes
    for left, top, right, bottom in boxes:
        assert left >= 40 and top >= 0 and right <= 300 and bottom <= 182
