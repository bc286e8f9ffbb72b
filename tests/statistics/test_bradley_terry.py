"""Bradley-Terry: two players by hand, published figures, independent fits, coverage, and what can't be fitted."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize

from evalkit.errors import InputError, UsageError
from evalkit.statistics.bradley_terry import bradley_terry
from evalkit.statistics.pair_points import win_matrix

# Row beats column.
FOUR = np.array([[0, 3, 2, 7], [1, 0, 6, 3], [4, 3, 0, 0], [1, 2, 5, 0]], dtype=float)


def test_two_players_by_hand() -> None:
    # 3 to 1: P = 3/4, theta = -+ log(3) / 2. Information 4 * 3/4 * 1/4 = 3/4 times [[1, -1], [-1, 1]], whose eigenvalue
    # is 3/2, so covariance (2/3) / 2 = 1/3 times the same matrix: errors sqrt(1/3).
    found = bradley_terry([[0, 3], [1, 0]])
    np.testing.assert_allclose(found.theta, [np.log(3) / 2, -np.log(3) / 2], atol=1e-12)
    np.testing.assert_allclose(found.covariance, np.array([[1, -1], [-1, 1]]) / 3, atol=1e-12)
    np.testing.assert_allclose(found.error, np.sqrt(1 / 3), atol=1e-12)
    np.testing.assert_allclose(found.strength, [0.75, 0.25])
    np.testing.assert_allclose(found.high - found.theta, 1.959964 * np.sqrt(1 / 3), rtol=1e-6)
    assert (found.points.tolist(), found.comparisons.tolist()) == ([3, 1], [4, 4])


def test_published_figures() -> None:
    found = bradley_terry(FOUR)
    np.testing.assert_allclose(found.strength, [0.39092801, 0.25280436, 0.14667577, 0.20959186], atol=5e-9)
    np.testing.assert_allclose(found.error, [0.38042456, 0.36801425, 0.35803048, 0.36512323], atol=5e-9)
    logs = np.array([-0.93923186, -1.37513939, -1.91953075, -1.56259315])
    np.testing.assert_allclose(found.theta, logs - logs.mean(), atol=1e-8)
    np.testing.assert_allclose(found.covariance.sum(axis=1), 0, atol=1e-12)


def random_points(entrants=9, games=300, seed=0, ties=0.2):
    rng = np.random.default_rng(seed)
    theta = rng.normal(0, 0.8, entrants)
    first = rng.integers(0, entrants, games)
    second = (first + rng.integers(1, entrants, games)) % entrants
    won = (rng.random(games) < 1 / (1 + np.exp(theta[second] - theta[first]))).astype(float)
    won[rng.random(games) < ties] = 0.5
    return first, second, won, theta - theta.mean()


@pytest.mark.parametrize("seed", range(4))
def test_against_an_independent_optimizer(seed) -> None:
    first, second, won, _ = random_points(seed=seed)

    def loss(free):
        theta = np.append(free, -free.sum())
        gap = theta[first] - theta[second]
        return (won * np.log1p(np.exp(-gap)) + (1 - won) * np.log1p(np.exp(gap))).sum()

    fit = optimize.minimize(loss, np.zeros(8), method="BFGS", options={"gtol": 1e-9})
    found = bradley_terry(win_matrix(first, second, won, 9))
    np.testing.assert_allclose(found.theta, np.append(fit.x, -fit.x.sum()), atol=2e-6)

    # Errors: the second derivatives by differences of the loss, in the 8 free strengths, then for all nine.
    step = 1e-3
    eye = np.eye(8) * step
    second_derivatives = np.array(
        [
            [loss(fit.x + a + b) - loss(fit.x + a - b) - loss(fit.x - a + b) + loss(fit.x - a - b) for b in eye]
            for a in eye
        ]
    ) / (4 * step**2)
    spread = np.vstack([np.eye(8), -np.ones(8)])
    covariance = spread @ np.linalg.inv(second_derivatives) @ spread.T
    np.testing.assert_allclose(found.covariance, covariance, atol=1e-5)


def test_against_minorisation() -> None:
    # Hunter's iteration: p <- points / sum of comparisons / (p + p').
    points = win_matrix(*random_points(seed=7)[:3], 9)
    p = np.ones(9)
    for _ in range(3000):
        p = points.sum(axis=1) / ((points + points.T) / (p[:, None] + p)).sum(axis=1)
        p /= p.sum()
    np.testing.assert_allclose(bradley_terry(points).strength, p, atol=1e-10)


def test_the_pseudo_inverse_of_the_information() -> None:
    found = bradley_terry(FOUR)
    chance = 1 / (1 + np.exp(found.theta[None, :] - found.theta[:, None]))
    information = -(FOUR + FOUR.T) * chance * chance.T
    np.fill_diagonal(information, 0)
    np.fill_diagonal(information, -information.sum(axis=1))
    np.testing.assert_allclose(found.covariance, np.linalg.pinv(information), atol=1e-12)


def test_the_intervals_of_differences_cover() -> None:
    rng = np.random.default_rng(5)
    theta = np.array([0.8, 0.3, 0.0, -0.3, -0.8])
    chance = 1 / (1 + np.exp(theta[None, :] - theta[:, None]))
    inside = []
    for _ in range(200):
        upper = np.triu(rng.binomial(30, chance), 1).astype(float)
        points = upper + np.tril((30 - upper).T, -1)
        found = bradley_terry(points)
        for i, j in ((0, 1), (1, 3), (0, 4)):
            sides = np.eye(5)[i] - np.eye(5)[j]
            inside.append(abs(sides @ (found.theta - theta)) <= 1.96 * np.sqrt(sides @ found.covariance @ sides))
    assert 0.92 <= np.mean(inside) <= 0.98


def test_a_tie_is_half_a_win_for_both() -> None:
    ties = win_matrix([0, 0, 1], [1, 1, 0], [0.5, 1, 1], 2)
    np.testing.assert_array_equal(ties, [[0, 1.5], [1.5, 0]])
    twice = win_matrix([0] * 4 + [1] * 2, [1] * 4 + [0] * 2, [1, 0, 1, 1, 1, 1], 2)
    np.testing.assert_array_equal(twice, [[0, 3], [3, 0]])
    np.testing.assert_allclose(bradley_terry(ties).theta, 0, atol=1e-12)
    np.testing.assert_allclose(bradley_terry(ties).error, np.sqrt(2) * bradley_terry(twice).error)


def test_the_order_of_sides_and_rows_does_not_matter() -> None:
    first, second, won, _ = random_points()
    points = win_matrix(first, second, won, 9)
    np.testing.assert_array_equal(points, win_matrix(second, first, 1 - won, 9))
    order = np.random.default_rng(1).permutation(len(won))
    np.testing.assert_array_equal(points, win_matrix(first[order], second[order], won[order], 9))


def test_scores_far_apart_are_still_solved() -> None:
    points = np.array([[0, 1e6, 0], [1, 0, 1e6], [0, 1, 0]], dtype=float)
    found = bradley_terry(points)
    np.testing.assert_allclose(found.theta, [np.log(1e6), 0, -np.log(1e6)], atol=1e-9)


def test_who_only_won_is_named() -> None:
    points = [[0, 2, 1, 0], [1, 0, 1, 0], [0, 0, 0, 1], [0, 0, 1, 0]]
    with pytest.raises(InputError, match=r"one side won every.*2 groups: \{a, b\}, \{c, d\}"):
        bradley_terry(points, names=["a", "b", "c", "d"])


def test_who_was_never_compared_is_named() -> None:
    with pytest.raises(InputError, match=r"never compared.*2 groups: \{c\}, \{a, b\}"):
        bradley_terry([[0, 1, 0], [1, 0, 0], [0, 0, 0]], names=["a", "b", "c"])


def test_one_tie_connects() -> None:
    points = win_matrix([0, 0, 1, 1], [1, 1, 2, 2], [1, 0.5, 1, 0.5], 3)
    assert bradley_terry(points).theta.argmax() == 0


@pytest.mark.parametrize("points", [[[0]], [[0, 1, 2]], [[0, -1], [1, 0]], [[1, 1], [1, 0]], [[0, np.inf], [1, 0]]])
def test_strange_points_are_refused(points) -> None:
    with pytest.raises(UsageError, match="can't be fitted to this matrix"):
        bradley_terry(points)
