"""What a comparison tells about the order of two teams, against an integral computed otherwise."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy import integrate, stats

from evalkit.statistics.next_pair import fit_with_prior, information_about_order

POINTS = np.array(
    [[0.0, 7, 9, 12], [3, 0, 6.5, 9], [1, 5.5, 0, 8], [0, 1, 2, 0]],
)


def by_integral(gap: float, spread: float) -> float:
    """Return the mutual information by adaptive quadrature: H(outcome) - H(outcome | sign)."""

    def density(x: float) -> float:
        return float(stats.norm.pdf(x, gap, spread))

    def joint(low: float, high: float, won: bool) -> float:
        chance = (lambda x: 1 / (1 + np.exp(-x))) if won else (lambda x: 1 / (1 + np.exp(x)))
        return float(integrate.quad(lambda x: chance(x) * density(x), low, high, epsabs=1e-13)[0])

    reach = gap - 12 * spread, gap + 12 * spread
    cells = np.array([[joint(min(reach[0], 0), 0, won), joint(0, max(reach[1], 0), won)] for won in (True, False)])
    rows, columns = cells.sum(axis=1, keepdims=True), cells.sum(axis=0, keepdims=True)
    return float((cells * np.log(cells / (rows * columns))).sum())


def test_it_is_the_mutual_information_of_outcome_and_order() -> None:
    fit = fit_with_prior(POINTS)
    told = information_about_order(fit)
    for one in range(4):
        for other in range(one + 1, 4):
            variance = fit.covariance[one, one] + fit.covariance[other, other] - 2 * fit.covariance[one, other]
            expected = by_integral(float(fit.theta[one] - fit.theta[other]), float(np.sqrt(variance)))
            assert told[one, other] == pytest.approx(expected, rel=2e-3), (one, other)
    assert np.array_equal(told, told.T) and (np.diag(told) == 0).all()


def test_without_answers_all_pairs_tell_the_same() -> None:
    told = information_about_order(fit_with_prior(np.zeros((5, 5))))
    off = told[np.triu_indices(5, 1)]
    assert np.allclose(off, off[0]) and 0 < off[0] < np.log(2)


def test_a_known_winner_tells_less_than_near_equals() -> None:
    told = information_about_order(fit_with_prior(POINTS))
    assert told[0, 3] < told[1, 2] / 20


def test_equals_tell_less_the_oftener_they_met() -> None:
    """Otherwise two equal teams would take all comparisons there are."""
    told = [information_about_order(fit_with_prior(np.array([[0.0, n], [n, 0]])))[0, 1] for n in (1, 10, 100, 1000)]
    assert all(later < earlier / 4 for earlier, later in pairwise(told))


def test_pending_comparisons_change_the_errors_alone() -> None:
    pending = np.zeros((4, 4))
    pending[1, 2] = pending[2, 1] = 6
    before, after = fit_with_prior(POINTS), fit_with_prior(POINTS, pending)
    assert np.allclose(before.theta, after.theta, atol=1e-6)
    assert information_about_order(after)[1, 2] < information_about_order(before)[1, 2]


def test_the_fit_is_that_of_the_counts_and_one_draw_each() -> None:
    """With many comparisons the strengths of two teams are those of their counts: log(80.5 / 20.5)."""
    fit = fit_with_prior(np.array([[0.0, 80], [20, 0]]))
    assert fit.theta[0] - fit.theta[1] == pytest.approx(np.log(80.5 / 20.5), abs=1e-9)
