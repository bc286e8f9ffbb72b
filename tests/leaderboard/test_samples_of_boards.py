"""Values per sample: metrics against people, distributions, and groups of the test set."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from builders.boards import make_run, make_snapshot
from scipy import stats

from evalkit.leaderboard.compute import compute_leaderboard
from evalkit.leaderboard.model import Breakdown, GroupValue, Leaderboard

CHALLENGE = """
schema: 1
id: samples
title: Samples
metrics:
  - {id: psnr, direction: higher}
  - {id: lpips, direction: lower, rank: false}
  - {id: offset, rank: false, group: diagnostic}
  - {id: fid, direction: lower}
ranking: rank-sum
ratings: {method: mos, dimensions: [{id: sync, title: Sync}, {id: look, title: Look}]}
"""
BETTER = {"lpips": False, "offset": None, "fid": False}
GROUPS = {f"s{at}": {"gender": "fm"[at % 2], "age": ("young", "old", "older")[at % 3]} for at in range(1, 7)}


def make(**more: Any) -> Leaderboard:
    random = np.random.default_rng(1)
    teams, ratings = {}, []
    for at, team in enumerate(("alpha", "beta")):
        psnr: list[float | None] = list(random.normal(30 - at, 2, 6))
        teams[team] = {"psnr": psnr, "lpips": list(random.uniform(0, 1, 6)), "offset": [1.0] * 6, "fid": 9.0 + at}
        ratings += [
            (f"r{rater}", team, f"s{sample}", "sync", float(random.integers(1, 6)))
            for rater in range(3)
            for sample in range(1, 6)  # nobody rated the sixth
        ]
    return compute_leaderboard(
        make_snapshot(CHALLENGE, teams, ratings=ratings, better=BETTER, groups=GROUPS, **more), draws=200
    )


@pytest.fixture(scope="module")
def leaderboard() -> Leaderboard:
    return make()


def test_points_are_metrics_with_a_direction_and_values_per_video(leaderboard: Leaderboard) -> None:
    """Not the diagnostic, not the number of the whole set, not the dimension that nobody rated."""
    assert [(one.metric, one.dimension) for one in leaderboard.points] == [("psnr", "sync"), ("lpips", "sync")]
    for one in leaderboard.points:
        assert len(one.x) == len(one.y) == len(one.teams) == len(one.samples) == 10
        assert set(one.samples) == {"s1", "s2", "s3", "s4", "s5"}
        assert (one.agreement.n, one.agreement.clusters) == (10, 5)
        sign = -1 if one.metric == "lpips" else 1
        assert one.agreement.srcc.value == pytest.approx(sign * stats.spearmanr(one.x, one.y).statistic)
        assert one.agreement.plcc.value == pytest.approx(sign * stats.pearsonr(one.x, one.y).statistic)
        assert one.agreement.krcc.value == pytest.approx(sign * stats.kendalltau(one.x, one.y).statistic)
        assert one.agreement.srcc.ci is not None


def test_points_are_of_competing_runs_that_mean_the_same() -> None:
    left_out = make(decisions=[("team", "beta", "manual", "No.")])
    assert {team for one in left_out.points for team in one.teams} == {"alpha"}
    runs = {
        "alpha": [make_run("alpha", {"psnr": [1.0, 2.0]}, protocols={"psnr": 2})],
        "beta": [make_run("beta", {"psnr": [1.0, 2.0]})],
    }
    ratings = [("r1", team, sample, "sync", 3) for team in runs for sample in ("s1", "s2")]
    mixed = compute_leaderboard(make_snapshot(CHALLENGE, runs, ratings=ratings), draws=200)
    assert mixed.points == ()
    assert mixed.columns[0].refused is not None


def test_distributions_are_sorted_values(leaderboard: Leaderboard) -> None:
    shown = {(one.team, one.column): one.values for one in leaderboard.distributions}
    assert set(shown) == {(t, c) for t in ("alpha", "beta") for c in ("psnr", "lpips", "offset", "sync")}
    assert all(list(values) == sorted(values) for values in shown.values())
    assert len(shown["alpha", "psnr"]) == 6
    assert len(shown["alpha", "sync"]) == 5
    row = next(row for row in leaderboard.rows if row.team == "alpha")
    assert np.mean(shown["alpha", "sync"]) == pytest.approx(row.cells["sync"].value)


def breakdown(team: str, values: dict[str, list[float | None]], group: str, column: str) -> Breakdown:
    snapshot = make_snapshot(CHALLENGE, {team: values}, better=BETTER, groups=GROUPS)
    found = compute_leaderboard(snapshot, draws=100).breakdowns
    return next(one for one in found if (one.group, one.column) == (group, column))


def test_the_worst_group_and_its_gap() -> None:
    """s1, s3, s5 are m: (30 + 32 + none) / 2 = 31; s2, s4, s6 are f: (20 + 22 + 24) / 3 = 22."""
    found = breakdown("alpha", {"psnr": [30.0, 20.0, 32.0, 22.0, None, 24.0]}, "gender", "psnr")
    assert found.values == (GroupValue("f", 22, 3), GroupValue("m", 31, 2))
    assert (found.team, found.worst, found.gap) == ("alpha", "f", 9)


def test_where_low_is_good_the_highest_group_is_the_worst() -> None:
    challenge = CHALLENGE.replace("rank: false}\n  - {id: offset", "weight: 1}\n  - {id: offset")
    values: dict[str, Any] = {"lpips": [0.1, 0.5, 0.1, 0.5, 0.1, 0.5]}
    leaderboard = compute_leaderboard(make_snapshot(challenge, {"a": values}, better=BETTER, groups=GROUPS), draws=100)
    found = next(one for one in leaderboard.breakdowns if (one.group, one.column) == ("gender", "lpips"))
    assert found.worst == "f"
    assert found.gap == pytest.approx(0.4)


def test_a_group_without_values_has_no_mean() -> None:
    found = breakdown("alpha", {"psnr": [30.0, None, 32.0, None, 31.0, None]}, "gender", "psnr")
    assert found.values == (GroupValue("f", None, 0), GroupValue("m", 31, 3))
    assert (found.worst, found.gap) == (None, None)


def test_breakdowns_are_of_columns_that_rank(leaderboard: Leaderboard) -> None:
    """Of psnr and sync; fid has no values per video, lpips and the offset don't rank, nobody rated the look."""
    found = {(one.group, one.column, one.team) for one in leaderboard.breakdowns}
    assert found == {(g, c, t) for g in ("age", "gender") for c in ("psnr", "sync") for t in ("alpha", "beta")}
    ages = next(one for one in leaderboard.breakdowns if (one.group, one.column) == ("age", "psnr"))
    assert [value.value for value in ages.values] == ["old", "older", "young"]
