"""What the next comparison of two teams would tell about which of them is better, given the comparisons so far.

The posterior of the log strengths is taken as normal around the Bradley-Terry fit (Laplace's approximation). What one
more comparison tells is the mutual information of its outcome and the sign of the pair's gap. Choosing by expected
information is Lindley's proposal (Annals of Mathematical Statistics 27, 1956,
https://doi.org/10.1214/aoms/1177728069); Hybrid-MST (Li, Mantiuk, Wang, Ling and Le Callet, 2018,
https://arxiv.org/abs/1810.08851) and ASAP (Mikhailiuk, Wilmot, Perez-Ortiz, Yue and Mantiuk, 2020,
https://arxiv.org/abs/2004.05691) take the information about the strengths themselves. Here it is that about the order,
because a ranking asks for nothing else: a pair whose winner is known tells nothing, however inexact its gap is, and a
pair of equals tells less and less, so that they don't take all comparisons.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from evalkit.statistics.arrays import Vector
from evalkit.statistics.bradley_terry import Strengths, bradley_terry

NODES = 24  # of the integral over each sign of the gap


def fit_with_prior(points: Vector, pending: Vector | None = None) -> Strengths:
    """Return Bradley-Terry strengths that exist from the first comparison on.

    The prior is one draw of every team, shared out evenly among its opponents: it connects all teams and is outweighed
    by a few answers.

    Args:
        points: (n, n) what the row scored against the column, as `bradley_terry` takes it.
        pending: (n, n) how many comparisons are being made, symmetric; they are expected to end as the fit says, and so
            change the errors alone.
    """
    n = len(points)
    with_prior = points + (1 - np.eye(n)) * 0.5 / (n - 1)
    fit = bradley_terry(with_prior)
    if pending is None or not pending.any():
        return fit
    return bradley_terry(with_prior + pending * special.expit(fit.theta[:, None] - fit.theta[None, :]))


def information_about_order(fit: Strengths) -> Vector:
    """Return what one more comparison of each pair is expected to tell about its order (n, n), in nats: 0 to log 2."""
    variance = np.diag(fit.covariance)
    spread = np.sqrt(np.maximum(variance[:, None] + variance[None, :] - 2 * fit.covariance, 1e-18))
    gap = fit.theta[:, None] - fit.theta[None, :]
    worse = special.ndtr(-gap / spread)  # probability that the row is the weaker one
    points, weights = np.polynomial.legendre.leggauss(NODES)
    shares, weights = (points + 1) / 2, weights / 2
    below = gap[..., None] + spread[..., None] * special.ndtri(worse[..., None] * shares)
    # By symmetry, so that small probabilities stay exact on both sides.
    above = gap[..., None] - spread[..., None] * special.ndtri((1 - worse)[..., None] * shares)
    if_worse, if_better = special.expit(below) @ weights, special.expit(above) @ weights
    chance = worse * if_worse + (1 - worse) * if_better
    found = _entropy(chance) - worse * _entropy(if_worse) - (1 - worse) * _entropy(if_better)
    np.fill_diagonal(found, 0.0)
    return np.asarray(np.maximum((found + found.T) / 2, 0.0))


def _entropy(chance: Vector) -> Vector:
    """Return the entropy of a yes or no in nats."""
    return np.asarray(special.entr(chance) + special.entr(1 - chance))
