"""What tests of the leaderboard's page share: reading its sections and tables, and its state in a browser."""

from __future__ import annotations

import re

from builders.leaderboards import COLUMNS
from pages import Page

from evalkit.leaderboard.model import RankingPhase, RankUncertainty
from evalkit.leaderboard.scoring_rules import ScoringPlan
from evalkit.reports.leaderboard.page import render_leaderboard

PHASE = RankingPhase(
    "ranking", ScoringPlan("weighted-sum", COLUMNS[:3]), uncertainty=RankUncertainty(0.95, 10, 0, 0, (), ())
)


def page_of(board):
    return Page(render_leaderboard(*board))


def text_of(item):
    return " ".join(item["text"].split())


def section(page, name):
    (found,) = page.find("section", **{"aria-labelledby": name})
    return text_of(found)


def cells(page, table):
    """The rows of the table whose id, class or region is ``table``: a list of texts each, blanks made one."""
    rows = []
    inside = False
    region = ""
    for item in page.elements:
        region = item["attrs"]["aria-label"] if item["attrs"].get("role") == "region" else region
        if item["tag"] == "table":
            inside = table in [region, item["attrs"].get("id"), *item["attrs"].get("class", "").split()]
        if inside and item["tag"] == "tr":
            rows.append([])
        if inside and item["tag"] in {"td", "th"}:
            rows[-1].append(text_of(item))
    return rows


def detail(page, name):
    """The texts of one team's section."""
    (found,) = [item for item in page.find("details", class_="one") if item["attrs"]["data-team"] == name]
    return text_of(found)


def brackets_of(html):
    names = {"top": "t", "mid": "m", "end": "e", None: "."}
    return [
        "".join(names[found.group(1)] for found in re.finditer(r"<i(?: class=\"(\w+)\")?></i>", brackets))
        for brackets in re.findall(r"<span class=\"brackets\"[^>]*>(.*?)</span>", html)
    ]


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


def style(page, place, key):
    return page.evaluate("([place, key]) => getComputedStyle(document.querySelector(place))[key]", [place, key])
