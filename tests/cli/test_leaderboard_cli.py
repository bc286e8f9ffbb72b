"""``evalkit leaderboard`` on a board of two phases: every output names the same tie groups."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from builders.boards import make_snapshot
from click.testing import CliRunner
from pages import Page

from evalkit.board import Board
from evalkit.board.model import Snapshot
from evalkit.cli.leaderboard import leaderboard

CHALLENGE = """
schema: 1
id: two-phases
title: Two phases
metrics: [{id: psnr, direction: higher}]
ranking: two-phase
ratings: {method: pairs, finalists: 3}
"""
SAMPLES = [f"s{number}" for number in range(1, 13)]


def two_phase_board() -> Snapshot:
    """Finalists a, b, c, of whom b and c win as often against each other; d and e are tied behind them."""
    random = np.random.default_rng(5)
    means = {"a": 36.0, "b": 34.0, "c": 33.0, "d": 28.0, "e": 27.9, "f": 20.0}
    values = {team: {"psnr": list(random.normal(mean, 1.0, len(SAMPLES)))} for team, mean in means.items()}
    pairs = [
        (f"r{rater}", sample, *pair, outcome)
        for rater in range(6)
        for at, sample in enumerate(SAMPLES)
        for pair, outcome in ((("a", "b"), 1.0), (("a", "c"), 1.0), (("b", "c"), float((at + rater) % 2)))
    ]
    return make_snapshot(CHALLENGE, values, samples=SAMPLES, pairs=pairs)


@pytest.fixture
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Everything that the command prints and writes for the board of two phases."""

    @contextmanager
    def opened(place: Any) -> Iterator[SimpleNamespace]:
        yield SimpleNamespace(snapshot=lambda as_of: two_phase_board())

    monkeypatch.setattr(Board, "open", opened)
    page = tmp_path / "page.html"
    words = ["--board", "b.sqlite", "-o", str(page), "--draws", "300"]
    also = [word for name in ("csv", "json", "latex", "markdown") for word in ("--also", name)]
    made = {"terminal": CliRunner().invoke(leaderboard, [*words, *also], catch_exceptions=False).output}
    made["json"] = CliRunner().invoke(leaderboard, [*words, "--json"], catch_exceptions=False).output
    made |= {path.suffix[1:]: path.read_text(encoding="utf-8") for path in tmp_path.iterdir() if path.suffix != ".json"}
    return made


def partners_on_page(html: str) -> dict[str, str]:
    """Return team -> what the ranked table says to a screen reader of the teams that it is tied with."""
    page = Page(html)
    rows = [one["text"] for one in page.find("th", scope="row") if one["attrs"].get("class") == "team"]
    found = {}
    for text in rows:
        team, _, rest = text.strip().partition("main")
        found[team] = rest.replace(", finalist", "")
    return found


def test_the_page_joins_both_ties(outputs: dict[str, str]) -> None:
    told = partners_on_page(outputs["html"])
    assert "c" in told["b"]
    assert "e" in told["d"]
    assert told["a"] == told["f"] == ""


def test_the_terminal_names_every_tie_that_the_page_joins(outputs: dict[str, str]) -> None:
    lines = outputs["terminal"].splitlines()
    assert any("b, c" in line for line in lines)
    assert any("e, d" in line for line in lines)


def test_json_names_every_tie_that_the_page_joins(outputs: dict[str, str]) -> None:
    groups = json.loads(outputs["json"])["leaderboard"]["tie_groups"]
    assert [(one["phase"], one["labels"]) for one in groups] == [("final", ["b", "c"]), ("shortlist", ["e", "d"])]


def test_csv_latex_and_markdown_name_them_too(outputs: dict[str, str]) -> None:
    rows = {row["team"]: row["tied_with"] for row in csv.DictReader(io.StringIO(outputs["csv"]))}
    assert rows == {"a": "", "b": "c", "c": "b", "d": "e", "e": "d", "f": ""}
    for name in ("tex", "md"):
        assert "b, c" in outputs[name]
        assert "e, d" in outputs[name]
