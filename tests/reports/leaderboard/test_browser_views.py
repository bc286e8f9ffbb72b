"""The leaderboard in a browser: sorting, filtering, links that hold a view."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from builders.realistic_board import realistic_leaderboard
from leaderboard_pages import hash_of, head, shown, sort, values
from pages import wait_until

pytestmark = pytest.mark.browser
SORT_BOUND_MS = 200  # the longest that a sort of 200 teams may take


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


def test_compare_selected_teams_everywhere_on_the_page(visit):
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
