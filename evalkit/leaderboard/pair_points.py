"""Points of head-to-head comparisons: a win 1, a draw 0.5, a loss 0 (the user study of IPVG 2025)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import InputError
from evalkit.leaderboard.scoring_rules import Floats


@dataclass(frozen=True)
class PairPoints:
    """Points per team.

    Args:
        points: (teams,) wins plus half the draws.
        comparisons: (teams,) how often each was compared.
        share: (teams,) points per comparison, 0..1; NaN for a team that was never compared.
        balanced: whether every two teams met equally often, without which points measure the opponents too.
    """

    points: Floats
    comparisons: NDArray[np.int64]
    share: Floats
    balanced: bool


def win_matrix(first: NDArray[Any], second: NDArray[Any], outcome: NDArray[Any], teams: int) -> Floats:
    """Return the points of every team against every other (teams, teams): row over column.

    Args:
        first, second: (comparisons,) indices of the two teams.
        outcome: (comparisons,) points of the first: 1, 0.5 or 0.
        teams: how many there are.

    Raises:
        InputError: for another outcome, an unknown index, or a team against itself.
    """
    first, second = np.asarray(first, dtype=np.int64), np.asarray(second, dtype=np.int64)
    outcome = np.asarray(outcome, dtype=np.float64)
    if not (first.shape == second.shape == outcome.shape) or first.ndim != 1:
        raise InputError("Comparisons need two teams and an outcome each.", found=f"{first.shape}, {outcome.shape}")
    if not np.isin(outcome, (0.0, 0.5, 1.0)).all():
        raise InputError("A comparison has an unknown outcome.", expected="1, 0.5 or 0")
    if first.size and (min(first.min(), second.min()) < 0 or max(first.max(), second.max()) >= teams):
        raise InputError("A comparison names an unknown team.", expected=f"0 to {teams - 1}")
    if (first == second).any():
        raise InputError("A team was compared with itself.", found=f"team {first[first == second][0]}")
    matrix = np.zeros((teams, teams))
    np.add.at(matrix, (first, second), outcome)
    np.add.at(matrix, (second, first), 1.0 - outcome)
    return matrix


def pair_points(wins: NDArray[Any], finalists: Sequence[int] | None = None) -> PairPoints:
    """Return the points of a matrix of wins, draws counted half to both sides.

    Args:
        wins: (teams, teams) points of row over column, diagonal 0.
        finalists: the teams whose comparisons count; all by default.

    Raises:
        InputError: when the matrix is not square, finite and non-negative with an empty diagonal.
    """
    wins = np.asarray(wins, dtype=np.float64)
    if wins.ndim != 2 or wins.shape[0] != wins.shape[1]:
        raise InputError("A matrix of wins is square.", found=str(wins.shape))
    if not np.isfinite(wins).all() or (wins < 0).any() or np.diagonal(wins).any():
        raise InputError("A matrix of wins holds points of one team over another.", expected="0 or more, diagonal 0")
    chosen = np.zeros(len(wins), dtype=bool)
    chosen[list(range(len(wins)) if finalists is None else finalists)] = True
    wins = np.where(chosen[:, None] & chosen, wins, 0.0)
    met = wins + wins.T
    points, comparisons = wins.sum(axis=1), np.rint(met.sum(axis=1)).astype(np.int64)
    share = np.divide(points, comparisons, out=np.full(len(wins), np.nan), where=comparisons > 0)
    between = met[np.ix_(chosen, chosen)][~np.eye(int(chosen.sum()), dtype=bool)]
    return PairPoints(points, comparisons, share, bool(between.size == 0 or np.ptp(between) == 0))
