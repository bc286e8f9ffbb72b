"""The ratings of the talking-heads footage on a board: the planted order of the teams, and who is too close to tell."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders.boards import make_snapshot

from evalkit.board.model import Snapshot
from evalkit.challenges.model import Challenge, load_challenge, parse_challenge
from evalkit.leaderboard.compute import compute_leaderboard
from evalkit.leaderboard.model import Leaderboard
from evalkit.ratings import read_key, read_pairs, read_ratings

pytestmark = pytest.mark.shared
TEAMS = ("faithful", "late", "blurred", "frozen", "swapped")
SAMPLES = [f"s{number:02d}" for number in range(1, 21)]
DIMENSIONS = load_challenge("mmasia2025-talking-head").ratings.dimensions
HEAD = "schema: 1\nid: heads\ntitle: Talking heads\nranking: weighted-sum\n"


@pytest.fixture(scope="module")
def folder(shared: Path) -> Path:
    return shared / "data" / "talking-heads" / "ratings"


def challenge(folder: Path) -> Challenge:
    """Return the rules that the folder states, over the dimensions of the preset."""
    stated = json.loads((folder / "rules.json").read_text())
    ratings = {
        "method": "mos",
        "dimensions": [dimension.model_dump(mode="json") for dimension in DIMENSIONS],
        "window": stated["window"],
        "min_seconds_per_item": stated["min_seconds_per_item"],
        "blind": True,
    }
    return parse_challenge(HEAD + f"ratings: {json.dumps(ratings)}\n", "heads")


def board(folder: Path) -> Snapshot:
    random = np.random.default_rng(0)
    return make_snapshot(
        challenge(folder),
        {team: {"psnr": list(random.normal(30, 2, len(SAMPLES)))} for team in TEAMS},
        samples=SAMPLES,
        ratings=list(read_ratings(folder / "long.csv", dimensions=DIMENSIONS)),
        key=read_key(folder / "key.csv"),
        decisions=[
            ("rater", "r13", "speeder", "Two seconds for an item."),
            ("rater", "r14", "straight-liner", "The same answer to everything."),
        ],
    )


@pytest.fixture(scope="module")
def leaderboard(folder: Path) -> Leaderboard:
    return compute_leaderboard(board(folder))


def test_the_planted_order(leaderboard: Leaderboard) -> None:
    order = [row.team for row in leaderboard.rows]
    assert order[0] == "faithful"
    assert set(order[1:3]) == {"late", "blurred"}
    assert set(order[3:]) == {"frozen", "swapped"}
    assert [row.rank for row in leaderboard.rows] == [1, 2, 3, 4, 5]


def test_late_and_blurred_are_close_together(leaderboard: Leaderboard) -> None:
    """On all ratings the data tell them apart: a t test of the paired differences over 20 items gives p = 0.0005."""
    score = {row.team: row.score or 0.0 for row in leaderboard.rows}
    gap = score["late"] - score["blurred"]
    assert 0 < 4 * gap < score["faithful"] - score["late"]
    assert 4 * gap < score["blurred"] - max(score["swapped"], score["frozen"])
    assert {row.team: row.interval for row in leaderboard.rows}["faithful"] == (1, 1)


def test_with_three_raters_late_and_blurred_are_a_tie_group(folder: Path) -> None:
    snapshot = board(folder)
    few = tuple(one for one in snapshot.answers if one.rater in {"r01", "r02", "r03"})
    leaderboard = compute_leaderboard(replace(snapshot, answers=few))
    assert leaderboard.uncertainty is not None
    assert {"late", "blurred"} in [set(group) for group in leaderboard.uncertainty.groups]
    assert leaderboard.uncertainty.tiers[0] == ("faithful",)
    by_team = {row.team: row.interval for row in leaderboard.rows}
    assert by_team["late"] == by_team["blurred"] == (2, 3)


def test_the_late_the_speeder_and_the_straight_liner_do_not_count(leaderboard: Leaderboard) -> None:
    people = leaderboard.ratings
    assert people is not None
    assert people.total == 4144
    assert people.reasons["late"] == 52
    by_rater = {one.rater: one for one in people.raters}
    assert by_rater["r13"].counted == by_rater["r14"].counted == 0
    assert by_rater["r13"].excluded == "Two seconds for an item."
    assert people.items == 100
    assert people.notes == ()
    assert sum(one.counted for one in people.raters) == people.counted


def test_values_are_means_of_what_pandas_groups(leaderboard: Leaderboard, folder: Path) -> None:
    """The mean over items of the mean over raters, by another tool, without the rows that don't count."""
    import pandas as pd

    frame = pd.read_csv(folder / "long.csv").merge(pd.read_csv(folder / "key.csv"), on="item_id")
    when = pd.to_datetime(frame["submitted_at"], utc=True)
    spent = (when - pd.to_datetime(frame["started_at"], utc=True)).dt.total_seconds()
    stated = json.loads((folder / "rules.json").read_text())
    in_time = (when >= pd.Timestamp("2026-03-01T12:00Z")) & (when < pd.Timestamp("2026-03-06T12:00Z"))
    kept = frame[in_time & (spent >= stated["min_seconds_per_item"]) & ~frame["rater_id"].isin(["r13", "r14"])]
    kept = kept.drop_duplicates(["rater_id", "item_id", "dimension"])
    items = kept.groupby(["team", "dimension", "item_id"])["score"].mean()
    means = items.groupby(["team", "dimension"]).mean()
    for row in leaderboard.rows:
        for dimension in DIMENSIONS:
            assert row.cells[dimension.id].value == pytest.approx(means[row.team, dimension.id], abs=1e-12)


def test_the_pairs_of_the_same_footage_agree(folder: Path) -> None:
    ratings = json.dumps({"method": "pairs", "window": json.loads((folder / "rules.json").read_text())["window"]})
    rules = parse_challenge(HEAD + f"ratings: {ratings}\n", "heads")
    pairs = list(read_pairs(folder / "pairs.csv"))
    teams = {team: {"psnr": [1.0] * len(SAMPLES)} for team in TEAMS}
    leaderboard = compute_leaderboard(make_snapshot(rules, teams, samples=SAMPLES, pairs=pairs))
    assert len(pairs) == 600
    order = [row.team for row in leaderboard.rows]
    assert order[0] == "faithful"
    assert set(order[3:]) == {"frozen", "swapped"}
    assert max(leaderboard.strengths, key=lambda one: one.log_strength).team == "faithful"
