"""Comparisons in the rating report, against an independent optimizer."""

from __future__ import annotations

import math

import numpy as np
import pytest
from builders.answers import make_comparison
from builders.boards import WHEN, make_snapshot
from builders.rated import TEAMS
from scipy import optimize, stats

from evalkit.rating_report.compute import compute_rating_report

PAIRS = "id: c\ntitle: The challenge\nratings: {method: pairs}\n"


def test_pairs_agree_with_an_independent_optimizer() -> None:
    wins = {("a", "b"): 3, ("a", "c"): 2, ("b", "c"): 6, ("b", "a"): 1, ("c", "a"): 4, ("c", "b"): 3}
    pairs, at = [], 0
    for (left, right), times in wins.items():
        for _ in range(times):
            at += 1
            pairs.append(make_comparison(f"r{at}", "s1", left, right, 1.0, "", WHEN, 9.0, at))
    pairs.append(make_comparison("r0", "s1", "a", "c", 0.5, "", WHEN, 9.0, 99))
    teams = {name: {"psnr": [1.0]} for name in "abc"}
    (report,) = compute_rating_report(make_snapshot(PAIRS, teams, pairs=pairs)).comparisons
    # a: 3 + 2 + 0.5 of 11; b: 6 + 1 of 13; c: 4 + 3 + 0.5 of 16? a-b 4, a-c 7, b-c 9: a 11, b 13, c 16 comparisons.
    assert {team.team: (team.points, team.comparisons) for team in report.teams} == {
        "a": (5.5, 11),
        "b": (7.0, 13),
        "c": (7.5, 16),
    }
    assert [team.team for team in report.teams] == ["c", "b", "a"]
    assert (report.balanced, report.ties, report.comparisons, report.reason) == (False, 1, 20, None)

    def loss(free: np.ndarray) -> float:
        theta = dict(zip("abc", (*free, -free.sum()), strict=True))
        rows = [(*one.teams, one.value) for one in pairs]
        return sum(
            w * math.log1p(math.exp(theta[y] - theta[x])) + (1 - w) * math.log1p(math.exp(theta[x] - theta[y]))
            for x, y, w in rows
        )

    best = optimize.minimize(loss, np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12}).x
    expected = dict(zip("abc", (*best, -best.sum()), strict=True))
    assert {team.team: team.strength.value for team in report.teams} == pytest.approx(expected, abs=1e-5)
    for team in report.teams:
        assert team.error is not None
        assert team.strength.high == pytest.approx((team.strength.value or 0) + stats.norm.ppf(0.975) * team.error)


def test_comparisons_without_finite_strengths_say_why() -> None:
    pairs = [("r1", "s1", "alpha", "beta", 1.0), ("r2", "s1", "alpha", "beta", 1.0)]
    (report,) = compute_rating_report(make_snapshot(PAIRS, TEAMS, pairs=pairs)).comparisons
    assert report.reason is not None
    assert "one side won every comparison" in report.reason
    assert [(team.points, team.strength.value, team.error) for team in report.teams] == [
        (2, None, None),
        (0, None, None),
    ]
    assert report.left_share == 1.0
