"""Boards in a browser."""

from __future__ import annotations

from dataclasses import replace

import pytest
from builders.boards import make_snapshot
from builders.leaderboards import empty, hostile, make_row, many, plain
from builders.realistic_board import realistic, realistic_leaderboard

from evalkit.leaderboard.compute import compute_leaderboard
from evalkit.leaderboard.table import CodedReason
from evalkit.reports.leaderboard.page import render_leaderboard
from evalkit.reports.page import write_page


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
