"""Why one run is above another: differences, shares of draws and what each column adds, against hand arithmetic."""

from __future__ import annotations

import math

import numpy as np
import pytest
from builders.boards import make_snapshot
from builders.realistic_board import realistic_leaderboard

from evalkit.leaderboard import bootstrap
from evalkit.leaderboard.compute import compute_leaderboard
from evalkit.leaderboard.contrasts import ALL_PAIRS, chosen_pairs

RULES = """schema: 1
id: c
title: T
metrics:
  - {id: psnr, direction: higher, weight: 3, range: [0, 100]}
  - {id: sync.lse_d, direction: lower, weight: 1, range: [0, 20]}
ranking: %s
"""
FIRST = [30.0, 34.0, 29.0, 33.0, 31.0, 35.0, 30.0, 34.0]
SECOND = [29.0, 35.0, 28.0, 31.0, 32.0, 33.0, 30.0, 33.0]


def board(rule="weighted-sum", draws=4000, **more):
    teams = {
        "a": {"psnr": FIRST, "sync.lse_d": [8.0, 9.0] * 4},
        "b": {"psnr": SECOND, "sync.lse_d": [7.0, 8.5] * 4},
    }
    snapshot = make_snapshot(RULES % rule, teams, better={"sync.lse_d": False})
    return compute_leaderboard(snapshot, draws=draws, **more)


def test_differences_and_gains_by_hand():
    (found,) = board().contrasts
    assert (found.phase, found.first, found.second) == ("ranking", "b", "a")
    psnr, lse_d = found.columns
    assert (psnr.first, psnr.second, psnr.difference) == (31.375, 32.0, -0.625)
    assert (lse_d.first, lse_d.second, lse_d.difference) == (7.75, 8.5, -0.75)
    # Weights 3/4 and 1/4 of points v / 100 and 1 - v / 20.
    assert psnr.gain == pytest.approx(-0.75 * 0.00625)
    assert lse_d.gain == pytest.approx(0.25 * 0.0375)
    # a: 0.75 * 0.32 + 0.25 * 0.575 = 0.38375; b: 0.75 * 0.31375 + 0.25 * 0.6125 = 0.3884375
    assert found.lead == pytest.approx(0.3884375 - 0.38375)


def test_the_better_run_comes_first_and_its_gains_add_up():
    (found,) = board("rank-sum").contrasts
    # Rank sums: a 3 * 1 + 1 * 2 = 5, b 3 * 2 + 1 * 1 = 7, the lowest is the best.
    assert (found.first, found.lead) == ("a", 2.0)
    assert [one.gain for one in found.columns] == [3.0, -1.0]


def test_shares_and_intervals_against_a_bootstrap_of_its_own():
    (found,) = board(draws=20_000).contrasts
    sign = 1 if found.first == "a" else -1
    psnr, lse_d = found.columns
    drawn = np.random.default_rng(99).integers(0, 8, (20_000, 8))
    x, y = np.array(FIRST)[drawn].mean(axis=1), np.array(SECOND)[drawn].mean(axis=1)
    u, v = (np.array(values * 4)[drawn].mean(axis=1) for values in ([8.0, 9.0], [7.0, 8.5]))
    gap = sign * (x - y)
    assert psnr.ahead == pytest.approx(float((gap > 0).mean() + (gap == 0).mean() / 2), abs=0.015)
    assert psnr.ci == pytest.approx(tuple(np.quantile(gap, (0.025, 0.975))), abs=0.06)
    assert lse_d.ahead == (0.0 if sign == 1 else 1.0)  # b is better on every single video
    score = sign * (0.75 * (x - y) / 100 - 0.25 * (u - v) / 20)
    assert found.ahead == pytest.approx(float((score > 0).mean() + (score == 0).mean() / 2), abs=0.015)
    assert found.ci == pytest.approx(tuple(np.quantile(score, (0.025, 0.975))), abs=0.0006)


def test_of_two_runs_the_share_is_the_probability_of_the_first_rank():
    leaderboard = board(draws=1000)
    (found,) = leaderboard.contrasts
    assert found.draws == found.column_draws == 1000
    assert found.ahead == pytest.approx(leaderboard.rows[0].probability[0])


def test_rank_intervals_and_tie_groups_follow_from_the_same_decisions():
    leaderboard = realistic_leaderboard()
    ranked = [row for row in leaderboard.rows if row.rank is not None]
    assert len(leaderboard.contrasts) == math.comb(len(ranked), 2)
    better = {(one.first, one.second) for one in leaderboard.contrasts if one.significant}
    for row in ranked:
        above = sum(second == row.label for _, second in better)
        below = sum(first == row.label for first, _ in better)
        assert row.interval == (1 + above, len(ranked) - below)
    for one in leaderboard.contrasts:
        assert one.lead == pytest.approx(sum(column.gain for column in one.columns))
        assert one.significant or one.second in leaderboard.tied_with(one.first)
    assert better
    assert len(better) < len(leaderboard.contrasts)


def test_a_column_that_counts_as_certain_says_why():
    rules = RULES % "weighted-sum"
    teams = {name: {"psnr": [30.0 + at, 31.0, 32.0], "sync.lse_d": 8.0 - at} for at, name in enumerate("ab")}
    leaderboard = compute_leaderboard(make_snapshot(rules, teams, better={"sync.lse_d": False}), draws=200)
    (found,) = leaderboard.contrasts
    psnr, lse_d = found.columns
    assert (lse_d.certain, lse_d.ci, lse_d.ahead) == ("no interval", None, None)
    assert psnr.certain is None
    assert psnr.ci is not None


def test_without_draws_there_are_differences_and_no_shares():
    teams = {name: {"psnr": 30.0 + at, "sync.lse_d": 8.0} for at, name in enumerate("ab")}
    leaderboard = compute_leaderboard(
        make_snapshot(RULES % "weighted-sum", teams, better={"sync.lse_d": False}), draws=100
    )
    (found,) = leaderboard.contrasts
    assert (found.ahead, found.ci, found.significant, found.draws) == (None, None, None, 0)
    assert found.columns[0].difference == 1.0
    assert leaderboard.no_uncertainty


def test_too_many_values_are_kept_for_the_first_draws_only(monkeypatch):
    monkeypatch.setattr(bootstrap, "KEPT_VALUES", 4 * 150)  # two teams, two columns
    (few,) = board(draws=1000).contrasts
    monkeypatch.undo()
    (all_of_them,) = board(draws=1000).contrasts
    assert (few.draws, few.column_draws) == (1000, 150)
    assert few.ahead == all_of_them.ahead
    assert few.columns[0].ahead != all_of_them.columns[0].ahead
    assert few.columns[0].ahead == pytest.approx(all_of_them.columns[0].ahead, abs=0.12)


def test_pairs_of_many_runs_are_bounded():
    pairs = chosen_pairs(200, [(150, 60)])
    assert len(pairs) == math.comb(ALL_PAIRS, 2) + (199 - (ALL_PAIRS - 1)) + 1
    assert (60, 150) in pairs
    assert (198, 199) in pairs
    assert (0, ALL_PAIRS) not in pairs
    assert chosen_pairs(1) == chosen_pairs(0) == []
