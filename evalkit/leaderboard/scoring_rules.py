"""From values to points and scores, for one table or for thousands of resampled ones at once.

Every rule here is a weighted sum of points per column, so one description (`ScoringPlan`) serves the ranking, its
bootstrap and the sensitivity to its weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from evalkit.errors import ChallengeError
from evalkit.leaderboard.table import Column

Floats = NDArray[np.float64]
Method = Literal["weighted-sum", "rank-sum", "mean-rank", "borda", "value"]
DECIMALS = 12  # two scores are equal when they agree so far: the order of additions must not make a winner


@dataclass(frozen=True)
class ScoringPlan:
    """How values become scores.

    - ``weighted-sum``: each value by its declared fixed range to 0..1, 1 being better, cut off at both ends; the
      score is the weighted mean, 0..1. A fixed range keeps a score independent of who else takes part.
    - ``rank-sum``: per column the rank among the runs, 1 being best, equal values sharing the mean of their places;
      the score is the weighted sum, lower is better.
    - ``mean-rank``: the same, divided by the sum of the weights.
    - ``borda``: per column the number of runs beaten, half a point for each equal one (runs - rank); higher is better.
    - ``value``: one column alone, in its own unit and direction.

    Args:
        method: the rule.
        columns: the columns that count, in the order of the values.
        group_weights: what each group weighs, shared by its columns in proportion to their weights; ``None`` lets
            every column count with its own weight.

    Raises:
        ChallengeError: without a column that counts, or when a weighted sum meets a column without a range.
    """

    method: Method
    columns: tuple[Column, ...]
    group_weights: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        if not self.columns or self.weights.sum() <= 0:
            raise ChallengeError(
                "There is nothing to rank by.",
                found="no metric or dimension with a weight above 0",
                fix="Give one a weight in the challenge.",
            )
        if self.method == "value" and len(self.columns) != 1:
            raise ChallengeError("The method 'value' takes exactly one column.", found=str(len(self.columns)))
        without = [column.id for column in self.columns if column.range is None]
        if self.method == "weighted-sum" and without:
            raise ChallengeError(
                "A weighted sum needs a range for every number in it.",
                found=f"none for {', '.join(without)}",
                fix="Write 'range: [low, high]' beside each, or rank by rank-sum, mean-rank or borda.",
            )

    @property
    def lower_wins(self) -> bool:
        """Whether the lowest score is the best."""
        if self.method == "value":
            return not self.columns[0].higher_is_better
        return self.method in {"rank-sum", "mean-rank"}

    @property
    def weights(self) -> Floats:
        """Weight of every column (M,); they add up to 1 unless ranks are summed."""
        return effective_weights(self.method, self.columns, self.group_weights)

    def points(self, values: NDArray[Any]) -> Floats:
        """Return the points per column.

        Args:
            values: (..., teams, columns), all finite.

        Returns:
            The same shape; what the rule adds up.
        """
        higher = np.array([column.higher_is_better for column in self.columns])
        values = np.asarray(values, dtype=np.float64)
        if self.method == "weighted-sum":
            low = np.array([column.range[0] if column.range else 0.0 for column in self.columns])
            high = np.array([column.range[1] if column.range else 1.0 for column in self.columns])
            share = np.clip((values - low) / (high - low), 0.0, 1.0)
            return np.asarray(np.where(higher, share, 1.0 - share), dtype=np.float64)
        if values.size == 0 or self.method == "value":
            return values.copy()
        ranks = np.asarray(rankdata(np.where(higher, -values, values), method="average", axis=-2), dtype=np.float64)
        return values.shape[-2] - ranks if self.method == "borda" else ranks

    def scores(self, values: NDArray[Any]) -> Floats:
        """Return the score of every team (..., teams) from values (..., teams, columns)."""
        return np.round(self.points(values) @ self.weights, DECIMALS)


def effective_weights(method: Method, columns: Sequence[Column], groups: Mapping[str, float] | None) -> Floats:
    """Return the weight of each column once group weights are shared out (M,)."""
    weights = np.array([column.weight for column in columns], dtype=np.float64)
    if groups is not None:
        for group in {column.group for column in columns}:
            member = np.array([column.group == group for column in columns])
            total = weights[member].sum()
            weights[member] *= groups.get(group, 0.0) / total if total > 0 else 0.0
    if method in {"weighted-sum", "mean-rank", "value"} and weights.sum() > 0:
        weights = weights / weights.sum()
    return weights


def places(scores: NDArray[Any], *, lower_wins: bool) -> NDArray[np.int64]:
    """Return the place of every team (..., teams): 1 is best, equal scores share the better place (1, 2, 2, 4)."""
    scores = np.asarray(scores, dtype=np.float64)
    if scores.size == 0:
        return np.zeros(scores.shape, dtype=np.int64)
    ranks = rankdata(scores if lower_wins else -scores, method="min", axis=-1)
    return np.asarray(ranks, dtype=np.int64)
