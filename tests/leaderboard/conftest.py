"""The real ratings as a board."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from builders.boards import make_snapshot

from evalkit.board.model import Snapshot
from evalkit.challenges.model import load_challenge
from evalkit.challenges.rating_rules import RatingRules
from evalkit.ratings import read_key, read_pairs, read_ratings


@pytest.fixture(scope="session")
def real_board(shared: Path) -> Snapshot:
    """Return the board of the talking-heads footage: five teams, their ratings and comparisons, no decision."""
    folder = shared / "data" / "talking-heads" / "ratings"
    stated = json.loads((folder / "rules.json").read_text())
    preset = load_challenge("mmasia2025-talking-head")
    rules = RatingRules(
        method="mos",
        dimensions=preset.ratings.dimensions,
        window=stated["window"],
        min_seconds_per_item=stated["min_seconds_per_item"],
        blind=True,
    )
    samples = [f"s{number:02d}" for number in range(1, 21)]
    teams = ("faithful", "blurred", "late", "frozen", "swapped")
    return make_snapshot(
        preset.model_copy(update={"ratings": rules}),
        {team: {"psnr": [30.0] * 20} for team in teams},
        samples=samples,
        ratings=list(read_ratings(folder / "long.csv", dimensions=rules.dimensions)),
        pairs=list(read_pairs(folder / "pairs.csv")),
        key=read_key(folder / "key.csv"),
    )
