"""The leaderboard in a browser: sorting, filtering, permalinks, themes, paper, keyboard, screen readers."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import quote, urlencode

import pytest
from builders.boards import make_snapshot
from builders.leaderboards import (
    NASTY,
    empty,
    hostile,
    make_row,
    many,
    plain,
    realistic,
    realistic_leaderboard,
)
from pages import wait_until

from evalkit.leaderboard.compute import compute_leaderboard
from evalkit.leaderboard.table import CodedReason
from evalkit.reports.leaderboard.page import render_leaderboard
from evalkit.reports.page import write_page

pytestmark = pytest.mark.browser
SORT_BOUND_MS = 200  # the longest that a sort of 200 teams may take


def phases():
    """Two finalists, one behind them, and one that is not ranked."""
    rows = (
        *(make_row(name, at, 3, finalist=at < 2, shortlist_rank=at + 1) for at, name in enumerate(("a", "b", "c"))),
        replace(
            make_row("d", 3, 4),
            rank=None,
            score=None,
            interval=None,
            probability=(),
            reasons=(CodedReason("x", "Why."),),
        ),
    )
    return plain(("a", "b", "c", "d"), rows=rows, rule="two-phase")


def long_names():
    """Columns with names that have no space to break at."""
    names = {"a.b": "identity_consistency", "c.d": "text_video_alignment", "e.f": "subject_consistency_people"}
    columns = [
        f"  - {{id: {id_}, published_as: {name}, direction: higher, range: [0, 1]}}" for id_, name in names.items()
    ]
    rules = "\n".join(["schema: 1", "id: c", "title: Names", "ranking: weighted-sum", "metrics:", *columns])
    teams = {f"t{at}": {metric: [0.5 + 0.1 * at, 0.6, 0.7] for metric in names} for at in range(3)}
    snapshot = make_snapshot(rules, teams)
    return snapshot, compute_leaderboard(snapshot, draws=50)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    boards = {"hostile": hostile, "many": many, "empty": empty, "phases": phases, "small": lambda: hostile(3)}
    boards["names"] = long_names
    boards["real"] = lambda: (realistic(), realistic_leaderboard())
    for name, board in boards.items():
        write_page(render_leaderboard(*board()), folder / f"{name}.html")
    return folder


@pytest.fixture
def visit(browser, files):
    """Open a page; afterwards nothing may have gone wrong on it or left it."""
    pages, troubles = [], []

    def go(name, width=1440, view="", **options):
        page = browser.new_page(viewport={"width": width, "height": 900}, **options)
        pages.append(page)
        url = (files / f"{name}.html").as_uri()
        page.on("console", lambda message: troubles.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: troubles.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (troubles.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on(
            "request",
            lambda request: (
                None
                if request.url.partition("#")[0] == url or request.url.startswith("data:")
                else troubles.append(request.url)
            ),
        )
        page.goto(url + view)
        return page

    yield go
    for page in pages:
        page.close()
    assert troubles == []


def shown(page, what="team"):
    return page.eval_on_selector_all(
        "#board tbody tr", f"rows => rows.filter(row => row.offsetParent).map(row => row.dataset.{what})"
    )


def head(page, key):
    return page.locator(f'#board thead th[data-key="{key}"]')


def sort(page, key):
    head(page, key).locator("button").click()


def values(page, key):
    """The values of the shown rows in the column, ``None`` where there is none."""
    return page.evaluate(
        """(key) => {
            const heads = [...document.querySelectorAll('#board thead tr:last-child th')];
            const at = heads.findIndex((head) => head.dataset.key === key);
            return [...document.querySelectorAll('#board tbody tr:not([hidden])')]
                .map((row) => row.cells[at].dataset.v ?? null);
        }""",
        key,
    )


def hash_of(page):
    return page.evaluate("location.hash")


# --- sorting ----------------------------------------------------------------------------------------------------------


def test_sorts_by_any_column_best_side_first_and_the_unranked_stay_below(visit):
    page = visit("real")
    ranked = shown(page)
    assert head(page, "rank").get_attribute("aria-sort") == "ascending"
    assert ranked[-1] == "theta"
    sort(page, "c:sync.lse_d")  # lower is better
    assert head(page, "c:sync.lse_d").get_attribute("aria-sort") == "ascending"
    numbers = [float(value) for value in values(page, "c:sync.lse_d")]
    assert numbers[:-1] == sorted(numbers[:-1])
    assert numbers[-1] < numbers[-2]  # theta is better than the last, and stands below all the same
    assert shown(page)[-1] == "theta"
    sort(page, "c:identity.strict.arc")
    assert head(page, "c:identity.strict.arc").get_attribute("aria-sort") == "descending"
    assert head(page, "c:sync.lse_d").get_attribute("aria-sort") is None
    sort(page, "team")
    assert shown(page)[:3] == ["alpha", "beta", "delta"]
    sort(page, "rank")
    assert shown(page) == ranked


@pytest.mark.parametrize("key", ["Enter", "Space"])
def test_sorts_by_keyboard(visit, key):
    page = visit("real")
    head(page, "team").locator("button").focus()
    page.keyboard.press("Tab")
    page.keyboard.press(key)
    assert head(page, "score").get_attribute("aria-sort") == "descending"


def test_brackets_are_shown_in_the_order_of_ranks_only(visit):
    page = visit("real")
    brackets = page.locator(".brackets").first
    assert brackets.is_visible()
    sort(page, "team")
    assert not brackets.is_visible()
    sort(page, "rank")
    assert brackets.is_visible()
    page.fill("#search", "alpha")
    assert not brackets.is_visible()


def test_a_bracket_reaches_from_its_first_team_to_its_last(visit):
    page = visit("real")
    groups = realistic_leaderboard().uncertainty.groups
    (wide,) = [group for group in groups if len(group) == max(map(len, groups))][:1]
    boxes = page.eval_on_selector_all(
        "#board .brackets", "all => all.map(brackets => [...brackets.children].map(mark => mark.className))"
    )
    ranked = [row.team for row in realistic_leaderboard().rows if row.rank is not None]
    first, last = ranked.index(wide[0]), ranked.index(wide[-1])
    lane = boxes[first].index("top")
    assert [boxes[at][lane] for at in range(first, last + 1)] == ["top", *["mid"] * (last - first - 1), "end"]


def test_two_hundred_teams_sort_quickly(visit):
    """A 200-team board stays under 200 ms per sort, layout included.

    Counted is the time of the page's own thread (script, style, layout), the best of three for each column: a busy
    machine slows a sort down, but makes none quicker.
    """
    page = visit("many")
    assert len(shown(page)) == 200
    tool = page.context.new_cdp_session(page)
    tool.send("Performance.enable", {"timeDomain": "threadTicks"})
    parts = ("ScriptDuration", "RecalcStyleDuration", "LayoutDuration")
    keys = ("team", "score", "c:m.id", "c:m.err", "c:m.speed", "interval", "rank")

    def spent():
        found = {item["name"]: item["value"] for item in tool.send("Performance.getMetrics")["metrics"]}
        return 1000 * sum(found[part] for part in parts)

    def timed_sort(key):
        """Milliseconds of the thread, and by the clock."""
        before = spent()
        clock = page.evaluate(
            """(key) => {
                const table = document.getElementById('board');
                const button = document.querySelector(`#board th[data-key="${key}"] button`);
                const start = performance.now();
                button.click();
                table.getBoundingClientRect();
                return performance.now() - start;
            }""",
            key,
        )
        return spent() - before, clock

    rounds = [[timed_sort(key) for key in keys] for _ in range(3)]
    best = [tuple(min(times) for times in zip(*column, strict=True)) for column in zip(*rounds, strict=True)]
    thread, clock = (sorted(times)[len(keys) // 2] for times in zip(*best, strict=True))
    print(f"a sort of 200 teams: {thread:.0f} ms of the thread, {clock:.0f} ms by the clock")
    assert thread < SORT_BOUND_MS
    sort(page, "c:m.speed")
    numbers = [float(value) for value in values(page, "c:m.speed")]
    assert numbers == sorted(numbers, reverse=True)


# --- filters and columns ----------------------------------------------------------------------------------------------


def test_search_and_ranked_only(visit):
    page = visit("real")
    assert page.inner_text("#count") == "showing 8 of 10"
    page.fill("#search", "ETA")
    assert shown(page) == ["beta", "zeta", "eta", "theta"]
    page.select_option("#show", "ranked")
    assert shown(page) == ["beta", "zeta", "eta"]
    assert page.inner_text("#count") == "showing 3 of 10"
    page.fill("#search", "no such team")
    assert shown(page) == []
    page.click("#reset")
    assert len(shown(page)) == 8
    assert page.input_value("#search") == ""


def test_finalists(visit):
    page = visit("phases")
    page.select_option("#show", "finalists")
    assert shown(page) == ["a", "b"]


def test_other_runs_on_demand(visit):
    page = visit("real")
    assert "sharp" not in shown(page, "run")
    page.check("#others")
    assert shown(page, "run")[-2:] == ["fast", "sharp"]
    page.uncheck("#others")
    assert len(shown(page)) == 8


def test_groups_of_columns(visit):
    page = visit("real")
    assert head(page, "c:iqa.brisque").is_hidden()
    page.check("input.group[value=diagnostic]")
    assert head(page, "c:iqa.brisque").is_visible()
    assert page.locator("#board td.g-diagnostic").first.is_visible()
    page.uncheck("input.group[value=objective]")
    assert head(page, "c:psnr.rgb").is_hidden()
    assert page.locator("#board .roles .g-objective").is_hidden()
    assert head(page, "c:video_quality").is_visible()


def test_compare_chosen_teams_everywhere_on_the_page(visit):
    page = visit("real")
    assert page.locator("#only").is_disabled()
    page.check("input[aria-label='Select alpha']")
    page.check("input[aria-label='Select gamma']")
    page.click("#only")
    assert page.get_attribute("#only", "aria-pressed") == "true"
    assert shown(page) == ["alpha", "gamma"]
    assert page.locator("details.one:visible").count() == 2
    assert page.locator(".dist tr[data-team]:visible").count() == 2 * page.locator(".dist:visible").count()
    page.click("#only")
    assert len(shown(page)) == 8
    page.click("#only")
    page.uncheck("input[aria-label='Select alpha']")
    assert shown(page) == ["gamma"]
    page.uncheck("input[aria-label='Select gamma']")
    assert len(shown(page)) == 8
    assert page.locator("#only").is_disabled()


# --- permalinks -------------------------------------------------------------------------------------------------------


def state(page):
    return {
        "rows": [*zip(shown(page), shown(page, "run"), strict=True)],
        "columns": page.eval_on_selector_all(
            "#board th[data-key]", "heads => heads.filter(h => h.offsetParent).map(h => h.dataset.key)"
        ),
        "search": page.input_value("#search"),
        "show": page.input_value("#show"),
        "others": page.is_checked("#others"),
        "only": page.get_attribute("#only", "aria-pressed"),
        "sort": page.eval_on_selector_all("#board th[aria-sort]", "h => h.map(x => [x.dataset.key, x.ariaSort])"),
        "chosen": page.eval_on_selector_all(".pick:checked", "boxes => boxes.map(box => box.ariaLabel)"),
        "brackets": page.locator(".brackets").first.is_visible(),
    }


def test_the_address_holds_the_view(visit):
    page = visit("real")
    assert hash_of(page) == ""
    fresh = state(page)
    page.check("#others")
    page.uncheck("input.group[value=speed]")
    page.check("input.group[value=diagnostic]")
    for team in ("beta", "eta", "theta"):
        page.check(f"#board tbody tr[data-team={team}] .pick")
    page.click("#only")
    page.fill("#search", "eta")
    sort(page, "c:psnr.rgb")
    sort(page, "c:psnr.rgb")
    view = hash_of(page)
    seen = state(page)
    assert seen["rows"] != fresh["rows"]
    assert seen["sort"] == [["c:psnr.rgb", "ascending"]]
    assert state(visit("real", view=view)) == seen
    page.reload()
    assert state(page) == seen
    page.click("#reset")
    assert hash_of(page) == ""
    assert state(page) == fresh
    assert page.evaluate("history.length") <= 2  # a change of the view is no new page


def test_a_link_to_a_section_keeps_the_view(visit):
    page = visit("real")
    page.fill("#search", "eta")
    page.click("nav a[href='#provenance']")
    wait_until(page, "location.hash.includes('search=eta')")
    assert "at=provenance" in hash_of(page)
    again = visit("real", view=hash_of(page))
    assert again.input_value("#search") == "eta"
    assert again.evaluate("scrollY") > 1000


def test_a_link_to_a_team_opens_its_section(visit):
    page = visit("real")
    page.click("#board tbody tr:first-child th a")
    wait_until(page, "document.querySelector('details.one[open]') !== null")
    assert page.locator("details.one[open] h3").inner_text() == "beta"
    again = visit("real", view=hash_of(page))
    assert again.locator("details.one[open] h3").inner_text() == "beta"


def test_back_restores_the_view_before(visit):
    page = visit("real")
    page.evaluate("location.hash = 'search=alpha'")
    wait_until(page, "document.getElementById('search').value === 'alpha'")
    page.evaluate("location.hash = 'search=beta&sort=team'")
    wait_until(page, "document.getElementById('search').value === 'beta'")
    page.go_back()
    wait_until(page, "document.getElementById('search').value === 'alpha'")
    assert shown(page) == ["alpha"]
    assert head(page, "rank").get_attribute("aria-sort") == "ascending"


@pytest.mark.parametrize(
    "view",
    [
        "sort=__proto__&columns=constructor&show=<img src=x onerror=alert(1)>&only=chosen",
        "team=<script>alert(1)</script>&only=chosen",
        "search=" + "<script>alert(1)</script>" * 40,
        "sort=c%3Anothing&order=sideways&runs=1&at=%3Cscript%3E&at=__proto__",
        "=&=&&&%&%zz=%",
        "%00=%F0%28%8C%28",
        'team="]*{}&only=chosen',
        "at=board",
    ],
)
def test_a_hostile_address_is_harmless(visit, view):
    page = visit("real", view="#" + quote(view, safe="=&%"))
    assert page.locator("#board tbody tr").count() == 10
    assert page.locator("main script, main img").count() == 0
    assert len(page.input_value("#search")) <= 200
    page.click("#reset")
    assert len(shown(page)) == 8


# --- people who read otherwise ----------------------------------------------------------------------------------------


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


def test_chosen_by_keyboard(visit):
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


def style(page, place, key):
    return page.evaluate("([place, key]) => getComputedStyle(document.querySelector(place))[key]", [place, key])


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


def test_every_picture_and_mark_is_drawn(visit):
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
