"""Points of head-to-head comparisons."""

from __future__ import annotations

import numpy as np
import pytest

from evalkit.errors import InputError
from evalkit.statistics.pair_points import pair_points, win_matrix

# 0 beats 1, 0 beats 1, 1 and 2 draw, 2 beats 1, 0 and 2: each wins once
FIRST, SECOND = np.array([0, 1, 1, 2, 0, 2]), np.array([1, 0, 2, 1, 2, 0])
OUTCOME = np.array([1.0, 0.0, 0.5, 1.0, 1.0, 1.0])


def test_points_by_hand():
    wins = win_matrix(FIRST, SECOND, OUTCOME, 4)
    assert wins.tolist() == [[0, 2, 1, 0], [0, 0, 0.5, 0], [1, 1.5, 0, 0], [0, 0, 0, 0]]
    made = pair_points(wins, [0, 1, 2])
    assert made.points.tolist() == [3, 0.5, 2.5, 0]
    assert made.comparisons.tolist() == [4, 4, 4, 0]
    assert made.share[:3].tolist() == [0.75, 0.125, 0.625]
    assert np.isnan(made.share[3])
    assert made.balanced
    assert not pair_points(wins).balanced, "the fourth team met nobody"


def test_only_finalists_count():
    made = pair_points(win_matrix(FIRST, SECOND, OUTCOME, 3), [0, 2])
    assert made.points.tolist() == [1, 0, 1]
    assert made.comparisons.tolist() == [2, 0, 2]


def test_unequal_meetings_are_said():
    assert not pair_points(np.array([[0, 2, 1], [0, 0, 1], [1, 0, 0]])).balanced
    assert pair_points(np.zeros((1, 1))).balanced


@pytest.mark.parametrize(
    ("first", "second", "outcome", "words"),
    [
        ([0], [1], [0.7], "unknown outcome"),
        ([0], [1], [np.nan], "unknown outcome"),
        ([0], [3], [1], "unknown team"),
        ([-1], [1], [1], "unknown team"),
        ([1], [1], [1], "with itself"),
        ([0, 1], [1], [1], "two teams and an outcome"),
        ([0.0], [1.0], [1], "two whole numbers"),
    ],
)
def test_faulty_comparisons(first, second, outcome, words):
    with pytest.raises(InputError, match=words):
        win_matrix(np.array(first), np.array(second), np.array(outcome), 3)


@pytest.mark.parametrize("wins", [np.zeros((2, 3)), np.eye(2), -np.ones((2, 2)), np.full((2, 2), np.nan)])
def test_faulty_matrices(wins):
    with pytest.raises(InputError, match="matrix of wins"):
        pair_points(wins)
