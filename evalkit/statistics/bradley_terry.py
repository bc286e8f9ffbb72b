"""The Bradley-Terry model of pair comparisons: log strengths, their standard errors, and when they don't exist.

The matrix of points that it takes comes from `evalkit.statistics.pair_points.win_matrix`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from scipy.sparse import csgraph

from evalkit.errors import InputError, UsageError
from evalkit.statistics.arrays import Vector
from evalkit.statistics.opinion_table import SHOWN_NAMES, check_level, listed, show_name

ITERATIONS = 200
CONVERGED = 1e-9


@dataclass(frozen=True, eq=False)
class Strengths:
    """The fitted model: ``P(i beats j) = 1 / (1 + exp(theta[j] - theta[i]))``.

    Attributes:
        theta: (n,) log strengths, zero on average.
        error: (n,) their standard errors, with the average held at zero.
        low: (n,) lower end of the confidence interval of theta.
        high: (n,) upper end.
        covariance: (n, n) of theta; every row sums to zero.
        strength: (n,) ``exp(theta)``, scaled to sum to 1.
        points: (n,) wins, and half the ties.
        comparisons: (n,) how often each was compared.
    """

    theta: Vector
    error: Vector
    low: Vector
    high: Vector
    covariance: Vector
    strength: Vector
    points: Vector
    comparisons: Vector


def bradley_terry(points: ArrayLike, *, names: Sequence[str] = (), level: float = 0.95) -> Strengths:
    """Return the strengths of maximum likelihood (Bradley & Terry 1952; Hunter 2004), by Newton's method.

    A tie is half a win for both sides. The covariance is the pseudo-inverse of the Fisher information of the log
    strengths, which says nothing of a shift of all of them; so it holds for strengths that are zero on average. It
    assumes independent comparisons and counts a tie as a whole one, so with many ties it is too large; with several
    comparisons per rater, use a bootstrap over raters.

    Args:
        points: (n, n) what the row scored against the column, from `win_matrix`; the diagonal is zero.
        names: one per team, for error messages.
        level: coverage of the intervals, normal.

    Raises:
        UsageError: when ``points`` is not such a matrix.
        InputError: when no finite strengths fit: some teams were never compared with the rest, or only ever won or
            only ever lost against them. The error names the groups.
    """
    W = _checked(points, names, level)
    _require_strongly_connected(W, names)
    played = W + W.T
    theta = _maximise(W, played)
    n = len(W)
    flat = np.full((n, n), 1 / n)
    covariance = np.linalg.inv(_fisher(theta, played) + flat) - flat
    error = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    half = error * float(stats.norm.ppf(0.5 + level / 2))
    strength = np.exp(theta - theta.max())
    return Strengths(
        theta=theta,
        error=error,
        low=theta - half,
        high=theta + half,
        covariance=covariance,
        strength=strength / strength.sum(),
        points=W.sum(axis=1),
        comparisons=played.sum(axis=1),
    )


def _logistic(x: Vector) -> Vector:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * np.asarray(x))))


def _fisher(theta: Vector, played: Vector) -> Vector:
    """Return the Fisher information of the log strengths (n, n); its rows sum to zero."""
    chance = _logistic(theta[:, None] - theta[None, :])
    off = played * chance * (1 - chance)
    np.fill_diagonal(off, 0.0)
    return np.asarray(np.diag(off.sum(axis=1)) - off)


def _log_likelihood(theta: Vector, W: Vector) -> float:
    gaps = theta[:, None] - theta[None, :]
    return float(-(W * np.logaddexp(0.0, -gaps)).sum())


def _maximise(W: Vector, played: Vector) -> Vector:
    """Return the log strengths, zero on average: Newton steps, halved until the concave likelihood grows."""
    n = len(W)
    theta = np.zeros(n)
    flat = np.full((n, n), 1 / n)
    best = _log_likelihood(theta, W)
    for _ in range(ITERATIONS):
        chance = _logistic(theta[:, None] - theta[None, :])
        slope = (W - played * chance).sum(axis=1)
        step = np.linalg.solve(_fisher(theta, played) + flat, slope)
        step -= step.mean()
        size = 1.0
        while _log_likelihood(theta + size * step, W) < best - 1e-12 * abs(best) and size > 1e-10:
            size /= 2
        theta = theta + size * step
        best = _log_likelihood(theta, W)
        if float(np.abs(size * step).max()) < CONVERGED * max(1.0, float(np.abs(theta).max())):
            centred: Vector = theta - theta.mean()
            return centred
    raise InputError(
        f"The strengths did not converge in {ITERATIONS} iterations.",
        found=f"log strengths up to {np.abs(theta).max():.3g}",
        fix="Leave out teams that almost always won or lost.",
    )


def _checked(points: ArrayLike, names: Sequence[str], level: float) -> Vector:
    check_level(level)
    W = np.asarray(points, dtype=np.float64)
    square = W.ndim == 2 and W.shape[0] == W.shape[1] and len(W) >= 2
    if not square or not np.isfinite(W).all() or bool(np.any(W < 0)) or bool(np.any(np.diag(W) != 0)):
        raise UsageError(
            "Strengths can't be fitted to this matrix of points.",
            found=f"{W.shape}",
            expected="(n, n) finite numbers of at least 0, for at least two teams, with a diagonal of zeros",
        )
    if names and len(names) != len(W):
        raise UsageError("The names don't match the teams.", found=f"{len(names)} names", expected=f"{len(W)}")
    return W


def _require_strongly_connected(W: Vector, names: Sequence[str]) -> None:
    """Raise when some group never scored against the rest: its strength has no finite estimate."""
    graph = (W > 0).astype(np.float64)
    count, group = csgraph.connected_components(graph, directed=True, connection="strong")
    if count == 1:
        return
    groups = [[show_name(names, int(i), "team") for i in np.flatnonzero(group == number)] for number in range(count)]
    groups.sort(key=lambda members: (len(members), members))
    parts, _ = csgraph.connected_components(graph, directed=False)
    why = (
        "some teams were never compared with the others, directly or through a chain"
        if parts > 1
        else "between groups, one side won every comparison"
    )
    shown = [f"{{{listed(members)}}}" for members in groups[:SHOWN_NAMES]]
    rest = count - SHOWN_NAMES
    raise InputError(
        f"No finite strengths fit these comparisons: {why}.",
        found=f"{count} groups: {', '.join(shown)}" + (f" and {rest} more" if rest > 0 else ""),
        expected="one group, in which a chain of points leads from each team to every other and back",
        fix="Compare across the groups, or leave some out.",
    )
