"""Boards of every size, and foreign text that must not act on the page."""

from __future__ import annotations

import base64
import hashlib
import re

import pytest
from builders.leaderboards import NASTY, empty, hostile, make_row, many, plain
from builders.realistic_board import realistic, realistic_leaderboard
from leaderboard_pages import cells, page_of, section, text_of
from pages import Page

from evalkit.errors import StorageError
from evalkit.leaderboard.model import RatingsInfo
from evalkit.leaderboard.table import CodedReason
from evalkit.reports.leaderboard.page import render_leaderboard
from evalkit.reports.page import write_page
from evalkit.text import NO_VALUE

ALLOWED_ATTRIBUTES = re.compile(
    r"aria-(hidden|label|labelledby|pressed)|data-(first|finalist|key|m|part|run|sort|team|v)|charset|content|http-equiv"
    r"|lang|name|rel|title|type|href|id|class|autocomplete|checked|colspan|cx|cy|d|disabled|focusable|height|r|width|x|y"
    r"|viewbox|preserveaspectratio|hidden|open|placeholder|role|rowspan|scope|spellcheck|tabindex|value"
)


# --- boards of every size ---------------------------------------------------------------------------------------------


def test_an_empty_board():
    page = page_of(empty())
    assert text_of(page.find("p", class_="summary")[0]) == "Nobody is ranked yet. 0 teams on the board, 0 runs."
    assert "No run has been submitted yet." in section(page, "ranking")
    assert "No team takes part yet." in section(page, "teams")
    assert not page.find("table", id="board")


def test_no_ranking_and_no_ratings():
    rows = tuple(
        make_row(name, at, 2, rank=None, score=None, interval=None, probability=(),
                 reasons=(CodedReason("no_ranking", "The challenge declares no ranking."),))
        for at, name in enumerate(("alpha", "beta"))
    )  # fmt: skip
    changes = {
        "phases": (),
        "tie_groups": (),
        "sensitivity": None,
        "ratings": RatingsInfo(0, 0),
        "points": (),
        "rule": "none",
    }
    page = page_of(plain(("alpha", "beta"), rows=rows, **changes))
    assert cells(page, "board")[2][:3] == [f"{NO_VALUE} not ranked", "alphamain", f"{NO_VALUE}no ranking"]
    assert "0 of 0 ratings count" in section(page, "ratings")


def test_one_team():
    page = page_of(plain(("alpha",)))
    assert text_of(page.find("p", class_="summary")[0]) == "alpha is the only team ranked so far. 1 team ranked."


def test_two_hundred_teams_stay_small():
    html = render_leaderboard(*many())
    assert len(html.encode()) < 2_500_000
    assert html.count("<tr data-part=") == html.count('<details class="one"') == 200


# --- foreign text, and the file ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("audience", ["public", "organizers"])
def test_hostile_text_adds_no_element_and_no_attribute(audience):
    boards = (plain(("alpha", "beta")), (realistic(), realistic_leaderboard()), hostile())
    pages = [Page(render_leaderboard(*board, audience)) for board in boards]
    tame = {item["tag"] for page in pages[:2] for item in page.elements}
    assert {item["tag"] for item in pages[2].elements} <= tame
    for item in pages[2].elements:
        assert all(ALLOWED_ATTRIBUTES.fullmatch(name) for name in item["attrs"]), item["attrs"]
        href = item["attrs"].get("href", "#")
        assert href.startswith("#") or re.fullmatch(r"data:,|data:image/jpeg;base64,[A-Za-z0-9+/=]+", href)
        assert re.fullmatch(r"[a-z0-9-]*", item["attrs"].get("id", ""))
        assert re.fullmatch(r"[a-z0-9 -]*", item["attrs"].get("class", ""))
        assert re.fullmatch(r"[MHVa-z0-9.,\- ]*", item["attrs"].get("d", ""))
    assert len(pages[2].find("script")) == len(pages[2].find("style")) == len(pages[2].find("h1")) == 1


@pytest.mark.parametrize("audience", ["public", "organizers"])
def test_nothing_invisible_gets_through(audience):
    html = render_leaderboard(*hostile(), audience)
    assert not set(html) & {"\u202e", "\u200b", "\x1b", "\x07"}
    text = Page(html).find("html")[0]["text"]
    for words in NASTY:
        seen = words.encode("unicode_escape").decode() if not words.isprintable() else words
        assert seen in text


def test_long_text_is_cut():
    snapshot, leaderboard = plain(("n" * 10**6,))
    assert len(render_leaderboard(snapshot, leaderboard)) < 150_000


@pytest.mark.parametrize("board", [lambda: plain(("a", "b")), hostile], ids=["plain", "hostile"])
def test_only_its_own_style_and_script_are_allowed(board):
    html = render_leaderboard(*board())
    page = Page(html)
    (policy,) = page.find("meta", **{"http-equiv": "Content-Security-Policy"})
    rules = dict(rule.strip().split(" ", 1) for rule in policy["attrs"]["content"].split(";"))
    assert rules["default-src"] == "'none'"
    for tag in ("style", "script"):
        (element,) = page.find(tag)
        digest = base64.b64encode(hashlib.sha256(element["text"].encode()).digest()).decode()
        assert rules[f"{tag}-src"] == f"'sha256-{digest}'"
    assert not any("style" in item["attrs"] for item in page.elements)
    assert not re.search(r"\bhttps?:|@import|url\(|\bsrcset=|<base|<iframe|<form", html)


@pytest.mark.parametrize(
    "board", [empty, lambda: plain(("a",)), lambda: (realistic(), realistic_leaderboard()), hostile]
)
def test_landmarks_captions_and_scopes(board):
    page = page_of(board())
    for tag in ("main", "nav", "footer", "h1"):
        assert len(page.find(tag)) == 1
    assert len(page.find("table")) == len(page.find("caption"))
    assert all("scope" in item["attrs"] for item in page.find("th"))
    identifiers = [item["attrs"]["id"] for item in page.elements if "id" in item["attrs"]]
    assert len(identifiers) == len(set(identifiers))
    for item in page.elements:
        href = item["attrs"].get("href", "")
        assert not href.startswith("#") or href[1:] in identifiers


def test_same_input_same_bytes(tmp_path):
    for name in ("a", "b"):
        write_page(render_leaderboard(*plain(("alpha", "beta"))), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_an_unwritable_folder_is_a_storage_error(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="can't be written"):
        write_page(render_leaderboard(*plain(("alpha",))), tmp_path / "file" / "leaderboard.html")
