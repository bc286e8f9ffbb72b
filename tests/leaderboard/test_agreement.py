"""Metrics against people for all dimensions together, and over teams, against scipy and hand arithmetic."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from builders.boards import make_snapshot
from scipy import stats

from evalkit.leaderboard.compute import compute_leaderboard
from evalkit.leaderboard.model import ALL_DIMENSIONS, Leaderboard

CHALLENGE = """
schema: 1
id: people
title: People
metrics:
  - {id: psnr, direction: higher}
  - {id: lpips, direction: lower, rank: false}
  - {id: fid, direction: lower}
ranking: rank-sum
ratings: {method: mos, dimensions: [{id: sync, title: Sync}, {id: look, title: Look, scale: LOOK}]}
"""


def make(teams: int, scale: str = "[1, 5]") -> Leaderboard:
    """A board whose teams get worse one by one; the look of sample s3 is not rated."""
    random = np.random.default_rng(3)
    values: dict[str, Any] = {}
    ratings = []
    for at in range(teams):
        team = f"t{at}"
        values[team] = {
            "psnr": list(random.normal(30 - at, 2, 3)),
            "lpips": list(random.uniform(0, 1, 3)),
            "fid": 9.0 + random.normal(at, 2),
        }
        for sample in range(1, 4):
            for rater in range(2):
                ratings.append((f"r{rater}", team, f"s{sample}", "sync", float(random.integers(1, 6))))
                if sample < 3:
                    ratings.append((f"r{rater}", team, f"s{sample}", "look", float(random.integers(1, 6))))
    snapshot = make_snapshot(
        CHALLENGE.replace("LOOK", scale), values, ratings=ratings, better={"lpips": False, "fid": False}
    )
    return compute_leaderboard(snapshot, draws=100)


def test_all_dimensions_are_the_mean_of_what_is_rated_in_each() -> None:
    board = make(6)
    single = {(one.metric, one.dimension): one for one in board.points}
    assert [(one.metric, one.dimension) for one in board.overall_points] == [
        ("psnr", ALL_DIMENSIONS),
        ("lpips", ALL_DIMENSIONS),
    ]
    for one in board.overall_points:
        assert set(one.samples) == {"s1", "s2"}
        parts = [
            dict(zip(zip(part.teams, part.samples, strict=True), part.y, strict=True))
            for part in (single[one.metric, "sync"], single[one.metric, "look"])
        ]
        for team, sample, y in zip(one.teams, one.samples, one.y, strict=True):
            assert y == pytest.approx((parts[0][team, sample] + parts[1][team, sample]) / 2)
        sign = -1 if one.metric == "lpips" else 1
        assert one.agreement.srcc.value == pytest.approx(sign * stats.spearmanr(one.x, one.y).statistic)


def test_different_scales_count_as_shares() -> None:
    plain, other = make(6), make(6, "[1, 9]")
    parts = {one.dimension: one for one in other.points if one.metric == "psnr"}
    whole = other.overall_points[0]
    sync = dict(zip(zip(parts["sync"].teams, parts["sync"].samples, strict=True), parts["sync"].y, strict=True))
    look = dict(zip(zip(parts["look"].teams, parts["look"].samples, strict=True), parts["look"].y, strict=True))
    for team, sample, y in zip(whole.teams, whole.samples, whole.y, strict=True):
        assert y == pytest.approx(((sync[team, sample] - 1) / 4 + (look[team, sample] - 1) / 8) / 2)
    assert plain.overall_points[0].y != whole.y


def test_teams_are_points_of_their_numbers_fid_included() -> None:
    board = make(6)
    cells = {row.label: row.cells for row in board.rows}
    found = {(one.metric, one.dimension): one for one in board.team_points}
    assert set(found) == {(m, d) for m in ("psnr", "lpips", "fid") for d in ("sync", "look", ALL_DIMENSIONS)}
    for (metric, dimension), one in found.items():
        assert one.samples == ()
        assert set(one.teams) == set(cells)
        human = ["sync", "look"] if dimension == ALL_DIMENSIONS else [dimension]
        for team, x, y in zip(one.teams, one.x, one.y, strict=True):
            assert x == cells[team][metric].value
            assert y == pytest.approx(np.mean([cells[team][name].value for name in human]))
        sign = 1 if metric == "psnr" else -1
        assert one.agreement.krcc.value == pytest.approx(sign * stats.kendalltau(one.x, one.y).statistic)
        assert one.agreement.n == 6


def test_too_few_teams_have_points_and_no_number() -> None:
    for one in make(4).team_points:
        assert len(one.x) == 4
        assert (one.agreement.srcc.value, one.agreement.srcc.reason) == (None, "fewer_than_5")
    assert make(5).team_points[0].agreement.srcc.value is not None


def test_one_dimension_has_no_mean_over_all() -> None:
    rules = CHALLENGE.replace(", {id: look, title: Look, scale: LOOK}", "")
    snapshot = make_snapshot(rules, {"a": {"psnr": [1.0, 2.0]}}, ratings=[("r", "a", "s1", "sync", 3)])
    board = compute_leaderboard(snapshot, draws=100)
    assert board.overall_points == ()
    assert {one.dimension for one in board.team_points} == {"sync"}
