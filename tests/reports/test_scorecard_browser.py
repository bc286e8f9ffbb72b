from __future__ import annotations

import pytest
from pages import wait_until
from scorecards import make_scorecard, strips_for

from evalkit.reports.page import write_page
from evalkit.reports.scorecard_page import render_scorecard

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    for name, hostile in (("plain", False), ("hostile", True)):
        card = make_scorecard(20, 1, hostile=hostile)
        write_page(render_scorecard(card, strips_for(card).get), folder / f"{name}.html")
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


def column(page, number):
    return page.eval_on_selector_all(
        f"#table tbody tr:not([hidden]) > :nth-child({number})",
        "cells => cells.map(cell => cell.dataset.v ?? null)",
    )


def visible_samples(page):
    return page.eval_on_selector_all("#table tbody tr:not([hidden]) th", "cells => cells.map(cell => cell.dataset.v)")


def check_order(values, descending):
    numbers = [float(value) for value in values if value is not None]
    assert numbers == sorted(numbers, reverse=descending)
    assert None in values
    assert None not in values[: len(numbers)]  # missing ones stand last, whichever way


def test_sort_by_click(visit):
    page = visit("plain")
    head = page.locator("#table thead th").nth(2)
    assert head.get_attribute("aria-sort") is None
    for side in ("ascending", "descending"):
        head.locator("button").click()
        assert head.get_attribute("aria-sort") == side
        check_order(column(page, 3), side == "descending")
    page.locator("#table thead th").nth(3).locator("button").click()
    assert head.get_attribute("aria-sort") is None


@pytest.mark.parametrize("key", ["Enter", "Space"])
def test_sort_by_keyboard(visit, key):
    page = visit("plain")
    page.locator("#table thead th button").nth(2).focus()
    page.keyboard.press("Tab")
    page.keyboard.press(key)
    assert page.locator("#table thead th").nth(3).get_attribute("aria-sort") == "ascending"
    check_order(column(page, 4), False)


def test_text_columns_sort_with_numbers_in_mind(visit):
    page = visit("plain")
    button = page.locator("#table thead th button").first
    button.click()
    button.click()
    assert visible_samples(page) == [f"s{at:02d}" for at in range(20, 0, -1)]


def test_filter_and_only_problems(visit):
    page = visit("plain")
    page.fill("#filter", "NO_FACE")
    assert visible_samples(page) == ["s07", "s17"]
    assert page.inner_text("#count") == "showing 2 of 20"
    page.fill("#filter", "")
    page.check("#problems")
    assert visible_samples(page) == ["s03", "s05", "s07", "s10", "s13", "s15", "s17", "s20"]
    page.locator("#table thead th button").nth(2).click()
    assert len(visible_samples(page)) == 8
    page.uncheck("#problems")
    assert len(visible_samples(page)) == 20


def test_a_link_to_a_hidden_video_brings_it_back(visit):
    page = visit("plain")
    page.fill("#filter", "no such video")
    assert visible_samples(page) == []
    page.locator("figcaption a").first.click()
    wait_until(page, "!document.querySelector('#table tbody tr:target').hidden")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_theme_toggle(visit, scheme):
    page = visit("plain", color_scheme=scheme)
    ground = "getComputedStyle(document.body).backgroundColor"
    before = page.evaluate(ground)
    page.click("#theme")
    after = page.evaluate(ground)
    assert before != after
    page.click("#theme")
    assert page.evaluate(ground) == before
    other = visit("plain", color_scheme="light" if scheme == "dark" else "dark")
    assert other.evaluate(ground) == after


@pytest.mark.parametrize("name", ["plain", "hostile"])
def test_a_telephone_does_not_scroll_sideways(visit, name):
    page = visit(name, width=390)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate("document.querySelector('.tall').scrollWidth > document.querySelector('.tall').clientWidth")


def test_head_and_first_column_stay(visit):
    page = visit("plain", width=390)

    def place(part, side):
        return page.evaluate(f"document.querySelector('#table {part}').getBoundingClientRect().{side}")

    def places():
        return place("thead th:nth-child(2)", "top"), place("tbody th", "left")

    page.evaluate("document.querySelector('.tall').scrollTo(200, 60)")  # past the caption
    before, moving = places(), place("tbody td", "left")
    page.evaluate("document.querySelector('.tall').scrollTo(300, 160)")
    assert places() == before
    assert place("tbody td", "left") == moving - 100


def test_every_frame_is_drawn(visit):
    page = visit("plain")
    sizes = page.evaluate(
        """() => Promise.all([...document.querySelectorAll('image')].map(async (item) => {
            const image = new Image();
            image.src = item.href.baseVal;
            await image.decode();
            return image.naturalWidth;
        }))"""
    )
    assert sizes
    assert set(sizes) == {72}
    assert page.locator("svg.strip").first.bounding_box()["width"] > 200


def test_hostile_names_do_nothing(visit):
    page = visit("hostile")
    for button in page.locator("#table thead th button").all()[:4]:
        button.click()
    page.fill("#filter", "<script>")
    assert 0 < len(visible_samples(page)) < 20
    assert page.locator("img").count() == 0


def test_readable_without_a_script(visit):
    page = visit("plain", java_script_enabled=False)
    assert page.locator("#table tbody tr").count() == 20
    assert page.locator("button:visible").count() == 0
    assert page.locator("#filter:visible").count() == 0
