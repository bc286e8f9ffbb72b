"""Notebook output in a browser: no request, no overflow, readable in light and dark, accessible."""

from __future__ import annotations

import pytest
from builders.leaderboards import plain
from scorecards import make_scorecard

pytestmark = pytest.mark.browser

# What JupyterLab's stylesheet does to tables of an output (themes light and dark), in short.
JUPYTER = """
:root {{ --ink: {ink}; --even: {even}; }}
body {{ background: {paper}; margin: 16px; }}
main {{ color: var(--ink); font-family: sans-serif; font-size: 14px; }}
main table {{ table-layout: fixed; margin: 0 auto 1em; font-size: 12px; }}
main:not(.markdown) td, main:not(.markdown) th {{ text-align: right; vertical-align: middle; padding: .5em; }}
main tbody tr:nth-child(odd) {{ background: {paper}; }}
main tbody tr:nth-child(even) {{ background: var(--even); }}
"""
THEMES = {"light": ("#212121", "#ffffff", "#f5f5f5"), "dark": ("#ffffff", "#111111", "#212121")}


def page_of(made: str, theme: str) -> str:
    ink, paper, even = THEMES[theme]
    style = JUPYTER.format(ink=ink, paper=paper, even=even)
    opened = made.replace("<details>", "<details open>")
    head = f'<!doctype html><html lang="en"><title>Notebook</title><style>{style}</style>'
    return f'{head}<main class="output">{opened}</main>'


@pytest.fixture(scope="module")
def shown() -> dict[str, str]:
    return {
        "scorecard": make_scorecard(40, 1)._repr_html_(),
        "hostile": make_scorecard(40, 1, hostile=True)._repr_html_(),
        "leaderboard": plain(("lumen", "aurora", "beta", "gamma"))[1]._repr_html_(),
    }


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("what", ["scorecard", "hostile", "leaderboard"])
def test_the_output_fits_and_asks_for_nothing(browser, shown, what, width, theme):  # type: ignore[no-untyped-def]
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = browser.new_page(viewport={"width": width, "height": 900})
    troubles: list[str] = []
    page.on("request", lambda request: troubles.append(request.url))
    page.on("console", lambda message: troubles.append(message.text))
    page.on("dialog", lambda dialog: (troubles.append(dialog.message), dialog.dismiss()))
    page.set_content(page_of(shown[what], theme))
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    # The theme's rules for tables don't win: text starts at the left, rows have no stripes.
    first = "getComputedStyle(document.querySelector('tbody th'))"
    assert page.evaluate(f"{first}.textAlign") == "left"
    assert page.evaluate("getComputedStyle(document.querySelector('tbody tr')).backgroundColor") == "rgba(0, 0, 0, 0)"
    assert page.evaluate(f"{first}.color") == page.evaluate("getComputedStyle(document.querySelector('main')).color")
    narrow = page.evaluate("Math.min(...[...document.querySelectorAll('tbody th')].map(one => one.clientWidth))")
    assert narrow >= 60
    found = axe.Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "best-practice"]})
    ignored = {"page-has-heading-one", "landmark-unique"}  # of the page around it
    assert [one["id"] for one in found.response["violations"] if one["id"] not in ignored] == []
    assert troubles == []
    page.close()
