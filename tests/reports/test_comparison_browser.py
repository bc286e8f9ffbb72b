"""The comparison page in a browser: sorting, themes, small screens, and that nothing leaves the page."""

from __future__ import annotations

import pytest
from scorecards import HOSTILE, make_scorecard, strips_for

from evalkit.reports.comparison.inputs import ComparedEntry, UnscoredSubmission
from evalkit.reports.comparison.model import make_comparison
from evalkit.reports.comparison.page import render_comparison
from evalkit.reports.page import write_page

pytestmark = pytest.mark.browser
ENTRIES = "#entries tbody tr"


def write(path, entries, n_metrics, hostile=False):
    """A page of scorecards whose FIDs differ; the first entry has none."""
    cards = []
    for at in range(entries):
        card = make_scorecard(20, at + 1, hostile, n_metrics)
        fid = next(name for name in card.metrics if "fid.pytorch" in name)
        value = float((at * 7) % entries)
        score = {"value": value, "ci95": (value - 1, value + 1)}
        if at == 0:
            score = {"value": None, "ci95": None, "reason": "too_few_frames", "n": 0, "coverage": 0.0}
        card = card.model_copy(
            update={"metrics": {**card.metrics, fid: card.metrics[fid].model_copy(update=score)}, "backbones": "mine"}
        )
        name = f"{HOSTILE[at % len(HOSTILE)]} {at}" if hostile else f"team {at}"
        cards.append(ComparedEntry(name, card, HOSTILE[at % len(HOSTILE)] if hostile else ""))
    text = HOSTILE[1] if hostile else "words"
    finding = dict.fromkeys(("rule", "severity", "message", "found", "expected", "fix", "place"), text)
    comparison = make_comparison(cards, [UnscoredSubmission(text, "refused", None, 0, (finding,))])
    frames = {entry.name: strips_for(entry.card) for entry in cards}
    write_page(render_comparison(comparison, frames), path)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    write(folder / "few.html", 3, 5)
    write(folder / "many.html", 12, 30)
    write(folder / "hostile.html", 12, 10, hostile=True)
    return folder


@pytest.fixture
def visit(browser, files):
    """Open a page; afterwards nothing may have gone wrong on it or left it."""
    pages, troubles = [], []

    def go(name, width=1440, **options):
        page = browser.new_page(viewport={"width": width, "height": 900}, **options)
        pages.append(page)
        url = (files / f"{name}.html").as_uri()
        page.on("console", lambda message: troubles.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: troubles.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (troubles.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on(
            "request",
            lambda request: (
                None if request.url == url or request.url.startswith("data:") else troubles.append(request.url)
            ),
        )
        page.goto(url)
        return page

    yield go
    for page in pages:
        page.close()
    assert troubles == []


def names(page):
    return page.eval_on_selector_all(f"{ENTRIES} th", "cells => cells.map(cell => cell.dataset.v)")


def head(page, number):
    return page.locator("#entries thead tr:last-child th").nth(number)


def test_sort_by_click_best_side_first(visit):
    page = visit("few")
    fid, sync = head(page, 1), head(page, 3)
    assert "FID" in fid.inner_text()
    fid.locator("button").click()
    assert fid.get_attribute("aria-sort") == "ascending"  # lower is better
    assert names(page) == ["team 1", "team 2", "team 0"]
    fid.locator("button").click()
    assert fid.get_attribute("aria-sort") == "descending"
    assert names(page) == ["team 2", "team 1", "team 0"]  # the missing one stands last, whichever way
    sync.locator("button").click()
    assert sync.get_attribute("aria-sort") == "descending"  # higher is better
    assert fid.get_attribute("aria-sort") is None
    values = page.eval_on_selector_all(f"{ENTRIES} > :nth-child(4)", "cells => cells.map(cell => +cell.dataset.v)")
    assert values == sorted(values, reverse=True)
    assert len(set(values)) == 3


@pytest.mark.parametrize("key", ["Enter", "Space"])
def test_sort_by_keyboard(visit, key):
    page = visit("few")
    head(page, 0).locator("button").focus()
    page.keyboard.press("Tab")
    page.keyboard.press(key)
    assert head(page, 1).get_attribute("aria-sort") == "ascending"


def test_every_table_of_samples_and_groups_sorts(visit):
    page = visit("few")
    table = page.locator(".detail:not([hidden]) table.heat")
    button = table.locator("thead button").first
    first = table.locator("tbody tr th").first
    button.click()
    button.click()
    assert first.inner_text() == "s20"
    page.locator(".detail:not([hidden]) .breakdowns thead button").nth(1).click()
    assert page.locator(".detail:not([hidden]) .breakdowns th[aria-sort]").count() == 1


def test_one_metric_at_a_time(visit):
    page = visit("few")
    titles = page.locator("#metric option").all_inner_texts()
    assert len(titles) == 3
    assert page.locator(".detail:visible h3").all_inner_texts() == ["LSE-C"]
    page.select_option("#metric", "1")
    assert page.locator(".detail:visible h3").all_inner_texts() == ["LSE-D"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_theme_toggle(visit, scheme):
    page = visit("few", color_scheme=scheme)
    ground = "getComputedStyle(document.querySelector('.h5')).backgroundColor"
    before = page.evaluate(ground)
    page.click("#theme")
    after = page.evaluate(ground)
    assert before != after
    other = visit("few", color_scheme="light" if scheme == "dark" else "dark")
    assert other.evaluate(ground) == after


@pytest.mark.parametrize("name", ["few", "many", "hostile"])
def test_paper_is_wide_enough(visit, name):
    page = visit(name, width=1017, color_scheme="dark")  # A4 landscape less its margins
    page.emulate_media(media="print")
    assert page.evaluate("document.documentElement.scrollWidth") <= 1017
    assert page.locator("#entries .mark").first.is_visible()


@pytest.mark.parametrize("name", ["few", "many", "hostile"])
@pytest.mark.parametrize("width", [390, 1440])
def test_only_tables_scroll_sideways(visit, name, width):
    page = visit(name, width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_names_and_heads_stay_while_the_numbers_move(visit):
    page = visit("many")

    def places():
        part = "document.querySelector('#entries {}').getBoundingClientRect().{}".format
        return (
            page.evaluate(part("tbody th", "left")),
            page.evaluate(part("thead tr:last-child th:nth-child(2)", "top")),
            page.evaluate(part("thead .roles th", "top")),
        )

    scroll = "document.querySelector('.tall').scrollTo({}, {})".format
    page.evaluate(scroll(100, 60))  # past the caption
    before = places()
    moving = page.evaluate("document.querySelector('#entries tbody td').getBoundingClientRect().left")
    page.evaluate(scroll(900, 200))
    assert places() == before
    after = page.evaluate("document.querySelector('#entries tbody td').getBoundingClientRect().left")
    assert after == moving - 800
    # The two rows of heads touch and don't hide each other.
    edges = page.evaluate(
        """() => ['.roles th', 'tr:last-child th:nth-child(2)'].map(
            (part) => document.querySelector('#entries thead ' + part).getBoundingClientRect())
            .map((box) => [box.top, box.bottom])"""
    )
    assert abs(edges[0][1] - edges[1][0]) <= 1.5


def test_hostile_names_do_nothing(visit):
    page = visit("hostile")
    for button in page.locator("#entries thead button").all()[:5]:
        button.click()
    page.select_option("#metric", "2")
    assert page.locator(f"{ENTRIES}").count() == 12
    assert page.locator("img").count() == 0


def test_printed_in_full(visit):
    page = visit("many")
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.querySelector('.tall')).overflow") == "visible"
    assert page.locator("#theme").is_hidden()
    assert page.locator("#controls").is_hidden()


def test_readable_without_a_script(visit):
    page = visit("few", java_script_enabled=False)
    assert page.locator(".detail:visible").count() == 3
    assert page.locator("button:visible").count() == 0
    assert page.locator("select:visible").count() == 0


def test_every_frame_is_drawn(visit):
    page = visit("few")
    assert page.locator("svg.strip").count() == 12
    assert page.locator("svg.strip").first.bounding_box()["width"] > 200
    assert page.locator("svg.strip use").first.get_attribute("href").startswith("#strip-")
    missing = page.evaluate(
        "[...document.querySelectorAll('use')].filter(use => !document.querySelector(use.getAttribute('href'))).length"
    )
    assert missing == 0
