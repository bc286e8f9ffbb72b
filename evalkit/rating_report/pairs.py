"""Comparisons in a report: points, Bradley-Terry strengths, and whether the design was balanced."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evalkit.errors import InputError
from evalkit.rating_report.model import Figure, PairPanel, PairTeam
from evalkit.ratings.pairs import Comparison, PairVerdict
from evalkit.statistics.bradley_terry import Strengths, bradley_terry
from evalkit.statistics.pair_points import pair_points, win_matrix


def pair_panels(counted: Sequence[PairVerdict]) -> tuple[PairPanel, ...]:
    """Return what is said of the comparisons that count, per dimension, sorted."""
    by_dimension: dict[str, list[Comparison]] = {}
    for verdict in counted:
        by_dimension.setdefault(verdict.comparison.dimension, []).append(verdict.comparison)
    return tuple(_panel(dimension, found) for dimension, found in sorted(by_dimension.items()))


def _panel(dimension: str, compared: Sequence[Comparison]) -> PairPanel:
    teams = sorted({team for one in compared for team in (one.left, one.right)})
    number = {team: at for at, team in enumerate(teams)}
    table = win_matrix(
        np.array([number[one.left] for one in compared], dtype=np.int64),
        np.array([number[one.right] for one in compared], dtype=np.int64),
        np.array([one.outcome for one in compared], dtype=np.float64),
        len(teams),
    )
    points = pair_points(table)
    reason: str | None = None
    strengths: Strengths | None = None
    try:
        strengths = bradley_terry(table, names=teams)
    except InputError as error:
        reason = str(error)
    rows = [
        PairTeam(
            team,
            float(points.points[at]),
            int(points.comparisons[at]),
            _strength(strengths, at, reason),
            None if strengths is None else float(strengths.error[at]),
        )
        for at, team in enumerate(teams)
    ]
    return PairPanel(
        dimension=dimension,
        comparisons=len(compared),
        raters=len({one.rater for one in compared}),
        draws=sum(one.outcome == 0.5 for one in compared),
        balanced=points.balanced,
        teams=tuple(sorted(rows, key=lambda row: (-row.points, row.team))),
        reason=reason,
        left_wins=sum(one.outcome for one in compared) / len(compared),
    )


def _strength(strengths: Strengths | None, at: int, reason: str | None) -> Figure:
    if strengths is None:
        return Figure(None, reason=reason)
    return Figure(float(strengths.theta[at]), float(strengths.low[at]), float(strengths.high[at]))
