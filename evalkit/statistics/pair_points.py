"""Points of pair comparisons: a win 1, a tie 0.5, a loss 0 (the user study of IPVG 2025)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evalkit.errors import InputError
from evalkit.statistics.arrays import Index, Vector


@dataclass(frozen=True)
class PairPoints:
    """Points per team.

    Args:
        points: (teams,) wins plus half the ties.
        comparisons: (teams,) how often each was compared.
        share: (teams,) points per comparison, 0..1; NaN for a team that was never compared.
        balanced: whether every two teams met equally often; otherwise points also depend on the opponents.
    """

    points: Vector
    comparisons: Index
    share: Vector
    balanced: bool


def win_matrix(first: ArrayLike, second: ArrayLike, outcome: ArrayLike, teams: int) -> Vector:
    """Return the points of every team against every other (teams, teams): row over column, half to each for a tie.

    Args:
        first, second: (comparisons,) whole numbers of the two teams, from 0.
        outcome: (comparisons,) points of the first: 1, 0.5 or 0.
        teams: how many there are.

    Raises:
        InputError: for another outcome, an unknown index, or a team against itself.
    """
    one, other, won = np.asarray(first), np.asarray(second), np.asarray(outcome, dtype=np.float64)
    whole = all(side.size == 0 or np.issubdtype(side.dtype, np.integer) for side in (one, other))
    if not (one.shape == other.shape == won.shape) or one.ndim != 1 or not whole:
        raise InputError(
            "Comparisons need two teams and an outcome each.",
            found=f"{one.dtype} {one.shape}, {other.dtype} {other.shape}, {won.shape}",
            expected="two whole numbers and an outcome per comparison",
        )
    one, other = one.astype(np.int64), other.astype(np.int64)
    if not np.isin(won, (0.0, 0.5, 1.0)).all():
        raise InputError("A comparison has an unknown outcome.", expected="1, 0.5 or 0")
    if one.size and (min(one.min(), other.min()) < 0 or max(one.max(), other.max()) >= teams):
        raise InputError("A comparison names an unknown team.", expected=f"0 to {teams - 1}")
    if (one == other).any():
        raise InputError("A team was compared with itself.", found=f"team {one[one == other][0]}")
    matrix = np.zeros((teams, teams))
    np.add.at(matrix, (one, other), won)
    np.add.at(matrix, (other, one), 1.0 - won)
    return matrix


def pair_points(wins: ArrayLike, finalists: Sequence[int] | None = None) -> PairPoints:
    """Return the points of a matrix of wins, ties counted half to both sides.

    Args:
        wins: (teams, teams) points of row over column, diagonal 0.
        finalists: the teams whose comparisons count; all by default.

    Raises:
        InputError: when the matrix is not square, finite and non-negative with an empty diagonal.
    """
    wins = np.asarray(wins, dtype=np.float64)
    if wins.ndim != 2 or wins.shape[0] != wins.shape[1]:
        raise InputError("A matrix of wins must be square.", found=str(wins.shape))
    if not np.isfinite(wins).all() or (wins < 0).any() or np.diagonal(wins).any():
        raise InputError(
            "A matrix of wins has impossible entries.", expected="finite numbers of at least 0, diagonal 0"
        )
    chosen = np.zeros(len(wins), dtype=bool)
    chosen[list(range(len(wins)) if finalists is None else finalists)] = True
    wins = np.where(chosen[:, None] & chosen, wins, 0.0)
    met = wins + wins.T
    points, comparisons = wins.sum(axis=1), np.rint(met.sum(axis=1)).astype(np.int64)
    share = np.divide(points, comparisons, out=np.full(len(wins), np.nan), where=comparisons > 0)
    between = met[np.ix_(chosen, chosen)][~np.eye(int(chosen.sum()), dtype=bool)]
    return PairPoints(points, comparisons, share, bool(between.size == 0 or np.ptp(between) == 0))
