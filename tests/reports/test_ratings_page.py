"""The report about ratings: what it says, hostile text, and how it behaves in a browser."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace

import pytest
from builders.boards import NOW, WHEN, make_rating, make_snapshot
from pages import Page
from scorecards import HOSTILE

from evalkit.board.model import Decision, GoldItem, Import
from evalkit.rating_report.compute import compute_rating_report
from evalkit.reports.page import write_page
from evalkit.reports.ratings_page import render_ratings_report
from evalkit.text import NO_VALUE

DRAWS = 200
PAIRS = "id: c\ntitle: The challenge\nratings: {method: pairs}\n"


def board(*, hostile=False, decided=True):
    """Return a board of 12 videos of two teams in two dimensions: r7 always says 4, and one rating is off the scale."""
    odd = iter(HOSTILE * 40)

    def name(plain):
        return f"{next(odd)} {plain}" if hostile else plain

    teams = {team: name(team) for team in ("alpha", "beta")}
    raters = [name(f"r{number}") for number in range(8)]
    samples = [f"s{number}" for number in range(6)]
    challenge = (
        "id: c\ntitle: The challenge\nratings:\n  method: mos\n  window: {closes: 2026-03-05 AoE}\n"
        "  dimensions: [{id: sync, title: Sync}, {id: looks, title: Looks}]\n"
    )
    ratings = [
        (
            rater,
            teams[team],
            sample,
            dimension,
            4 if number == 7 else 1 + (at + 2 * (team == "alpha")) % 4 + number % 2,
            WHEN,
            9.0,
        )
        for number, rater in enumerate(raters)
        for at, sample in enumerate(samples)
        for team in teams
        for dimension in ("sync", "looks")
    ]
    ratings.append((raters[0], teams["beta"], "s0", "sync", 99, WHEN, 9.0))
    gold = GoldItem(name("gold"), "sync", 4, 5)
    decisions = (
        Decision(1, "rater", raters[6], name("manual"), name("Asked to be left out."), name("organizer"), NOW),
        Decision(
            2, "rater", raters[5], "manual", "A mistake.", "organizer", NOW, NOW, name("other"), name("Wrong one.")
        ),
    )
    made = make_snapshot(
        challenge,
        {team: {"psnr": [30.0] * 6} for team in teams.values()},
        samples=samples,
        ratings=ratings,
        raters={raters[1]: teams["beta"]},
        gold=[gold],
        decisions=decisions if decided else (),
    )
    return replace(made, imports=(Import(name("long.csv"), "ab" * 32, "long", 193, 0, name("me"), NOW),))


def pairs_board():
    pairs = [(f"r{at}", "s1", *sides, 1.0) for at, sides in enumerate([("a", "b"), ("b", "c"), ("c", "a"), ("a", "c")])]
    return make_snapshot(PAIRS, {team: {"psnr": [1.0]} for team in "abc"}, pairs=pairs)


def render(snapshot, audience="organizers"):
    return render_ratings_report(snapshot, compute_rating_report(snapshot, draws=DRAWS), audience)


@pytest.fixture(scope="module")
def html():
    return render(board())


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


def cells(page, label):
    """Return the texts of the body rows of the table in the region ``label``."""
    at = next(i for i, e in enumerate(page.elements) if e["attrs"].get("aria-label") == label)
    rows = []
    for element in page.elements[at + 1 :]:
        if element["attrs"].get("role") == "region":
            break
        if element["tag"] == "tr" and "tbody" in element["in"]:
            rows.append([])
        elif element["tag"] in {"td", "th"} and "tbody" in element["in"]:
            rows[-1].append(" ".join(element["text"].split()))
    return rows


# What it says


def test_the_summary_and_what_counts(page):
    summary = [e for e in page.elements if e["attrs"].get("class") == "summary"]
    # 193 ratings: 1 off the scale, 24 of r6, 12 of r1 about their own team beta.
    assert summary[0]["text"].startswith("156 of 193 ratings count: 7 raters, 12 items.")
    assert "Screening rejects r7; no decision has been made yet." in summary[0]["text"]
    assert "1 rater excluded by a decision." in summary[0]["text"]
    rows = {row[0]: row[1:] for row in cells(page, "Answers on the board")}
    assert rows["on the board"] == ["193", "0"]
    assert rows["that count"] == ["156", "0"]
    assert rows["off the scale off-scale"] == ["1", "0"]
    assert rows["of the rater's own team own-team"] == ["12", "0"]
    assert rows["excluded by a decision excluded"] == ["24", "0"]


def test_scores_by_every_estimator(page):
    report = compute_rating_report(board(), draws=DRAWS)
    for dimension in report.dimensions:
        rows = cells(page, f"Opinion scores, {dimension.title}")
        usable = [scores for scores in dimension.estimators if scores.reason is None]
        assert len(usable) >= 5
        for row in rows:
            for cell, scores in zip(row[2:], usable, strict=False):
                team = next(one for one in scores.teams if one.team == row[0])
                assert cell.startswith(f"{team.score.value:.2f}")
        plain = {team.team: team.score for team in usable[0].teams}
        assert all(f"{plain[row[0]].low:.2f} to {plain[row[0]].high:.2f}" in row[2] for row in rows)
        values = [plain[row[0]].value or 0 for row in rows]
        assert values == sorted(values, reverse=True)
        assert len(cells(page, f"Scores of videos, {dimension.title}")) == 12
        needed = cells(page, f"Raters needed, {dimension.title}")
        assert [row[1] for row in needed] == [str(need.raters) for need in dimension.needed]


def test_raters_and_what_would_happen(page):
    rows = {row[0]: row[1:] for row in cells(page, "Table of raters")}
    assert len(rows) == 8
    assert rows["r0"][0] == "counts"
    assert rows["r1 of beta"][3:5] == ["24", "12"]
    assert rows["r6"][:3] == ["excluded", rows["r6"][1], "Decision 1 holds; it can be revoked."]
    state, rules, what, *_ = rows["r7"]
    assert (state, what) == ("flagged", "A decision would exclude 24 ratings that count.")
    assert "straight-liners" in rules
    text = next(e for e in page.elements if e["tag"] == "details" and "r7" in e["text"][:40])["text"]
    assert "In 2 of 2 dimensions, first in sync: r7 scored 12 of 12 items with 4" in text
    assert "Decision 1" in next(e for e in page.elements if e["tag"] == "details" and "r6" in e["text"][:40])["text"]


def test_gold_imports_and_decisions(page):
    assert cells(page, "Answers to gold items") == [["gold", "sync", "4 to 5", "0", "0"]]
    assert cells(page, "Imported files")[0][:4] == ["long.csv", "long", "193", "0"]
    first, second = cells(page, "All decisions")
    assert first[:4] == ["1", "rater r6", "manual", "Asked to be left out."]
    assert first[-1] == "holds"
    assert second[-1] == "revoked at 2026-03-09 00:00:00 UTC by other: Wrong one."


def test_it_says_that_it_is_not_for_publication(page):
    assert any("Not for publication." in e["text"] for e in page.find("p", class_="notice"))


def test_comparisons():
    page = Page(render(pairs_board()))
    rows = cells(page, "Points and strengths")
    # a: 1 + 0 + 1 of 3; b: 0 + 1 of 2; c: 0 + 1 + 0 of 3.
    assert [row[:3] for row in rows] == [["a", "2.0", "3"], ["b", "1.0", "2"], ["c", "1.0", "3"]]
    assert all(re.fullmatch(r"[+-]\d\.\d\d\s?-?\d+\.\d\d to -?\d+\.\d\d", row[5]) for row in rows)
    assert any(
        "Not all pairs of teams were compared equally often" in e["text"] for e in page.find("p", class_="muted")
    )


def test_no_strengths_and_why():
    pairs = [("r1", "s1", "a", "b", 1.0)]
    text = render(make_snapshot(PAIRS, {team: {"psnr": [1.0]} for team in "ab"}, pairs=pairs))
    assert "<strong>No strengths.</strong> No finite strengths fit these comparisons" in text


def test_boards_that_lack_something():
    empty = Page(render(make_snapshot(PAIRS, {})))
    assert any("There are no ratings on the board." in e["text"] for e in empty.elements)
    assert not [e for e in empty.elements if e["attrs"].get("id") in {"dimensions", "pairs", "gold"}]
    no_key = render(replace(board(), key=None))
    assert "The teams of the videos are unknown, so there are no team scores." in no_key
    assert "There is no key on the board" in no_key
    timeless = make_snapshot(
        "id: c\ntitle: t\nratings: {method: mos, dimensions: [{id: sync, title: Sync}]}\n",
        {"alpha": {"psnr": [1.0, 2.0]}},
        ratings=[make_rating("r1", "alpha", "s1", "sync", 3, at=None, seconds=None)],
    )
    page = Page(render(timeless))
    assert any("No answer has a time." in e["text"] for e in page.find("p"))
    assert cells(page, "Table of raters")[0][6] == NO_VALUE


def test_the_same_board_gives_the_same_bytes(html):
    assert render(board()) == html


# Foreign text


@pytest.fixture(scope="module")
def hostile_html():
    return render(board(hostile=True))


def test_hostile_text_adds_no_element_and_nothing_invisible(hostile_html, page):
    text, hostile = hostile_html, Page(hostile_html)
    assert {e["tag"] for e in hostile.elements} == {e["tag"] for e in page.elements}
    assert len(hostile.find("script")) == len(hostile.find("style")) == 1
    for element in hostile.elements:
        assert not [name for name in element["attrs"] if name.startswith("on") or name in {"style", "src"}]
        assert re.fullmatch(r"[a-z0-9-]*", element["attrs"].get("id", ""))
        assert element["attrs"].get("href", "#").startswith(("#", "data:,"))
    assert not set("\x1b\x07\u202e\u200b") & set(text)
    whole = hostile.find("html")[0]["text"]
    for words in HOSTILE:
        seen = words if words.isprintable() else words.encode("unicode_escape").decode()
        assert seen in whole


def test_the_policy_allows_exactly_the_pages_own_style_and_script(html, page):
    (policy,) = [e["attrs"]["content"] for e in page.find("meta") if "http-equiv" in e["attrs"]]
    for tag in ("style", "script"):
        inner = re.search(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        assert inner is not None
        digest = base64.b64encode(hashlib.sha256(inner[1].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")
    assert "http://" not in html
    assert "https://" not in html


# In a browser


@pytest.fixture(scope="module")
def files(tmp_path_factory, html, hostile_html):
    folder = tmp_path_factory.mktemp("pages")
    for name, text in (
        ("plain", html),
        ("public", render(board(), "public")),
        ("hostile", hostile_html),
        ("pairs", render(pairs_board())),
    ):
        write_page(text, folder / f"{name}.html")
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
        page.on("request", lambda sent: None if sent.url.startswith((url, "data:")) else troubles.append(sent.url))
        page.goto(url)
        return page

    yield go
    for page in pages:
        page.close()
    assert troubles == []


@pytest.mark.browser
def test_raters_can_be_sorted(visit):
    page = visit("plain")
    heads = page.locator("#table thead th")
    count = heads.all_inner_texts().index("Counted")
    heads.nth(count).locator("button").click()
    values = page.eval_on_selector_all(
        f"#table tbody tr > :nth-child({count + 1})", "cells => cells.map(cell => Number(cell.dataset.v))"
    )
    assert values == sorted(values)
    assert len(set(values)) > 2
    assert heads.nth(count).get_attribute("aria-sort") == "ascending"
    page.keyboard.press("Enter")  # the head keeps the focus
    assert heads.nth(count).get_attribute("aria-sort") == "descending"


@pytest.mark.browser
def test_a_link_to_a_rater_opens_what_the_rules_say(visit):
    page = visit("plain")
    assert page.locator("#rater-1").get_attribute("open") is None
    page.locator("#table a", has_text="r0").click()
    page.locator("#rater-1[open]").wait_for()  # the page hears of its new address a moment later


@pytest.mark.browser
@pytest.mark.parametrize(
    ("name", "width", "scheme"),
    [
        *(("plain", width, scheme) for width in (1440, 390) for scheme in ("light", "dark")),
        ("public", 390, "light"),
        ("public", 1440, "dark"),
        ("hostile", 390, "light"),
        ("pairs", 1440, "dark"),
    ],
)
def test_accessible_and_within_the_screen(visit, name, width, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = visit(name, width, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    found = axe.Axe().run(page)
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found.response["violations"]] == []


@pytest.mark.browser
def test_readable_without_a_script(visit):
    page = visit("plain", java_script_enabled=False)
    assert page.locator("#table tbody tr").count() == 8
    assert page.locator("button:visible").count() == 0
