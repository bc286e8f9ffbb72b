"""Comparisons in a report: points, Bradley-Terry strengths, and whether every two teams met equally often."""

from __future__ import annotations

from collections.abc import Sequence

from evalkit.errors import InputError
from evalkit.rating_report.model import ComparedTeam, ComparisonReport
from evalkit.ratings.model import Answer, AnswerVerdict
from evalkit.statistics.arrays import IntervalEstimate
from evalkit.statistics.bradley_terry import Strengths, bradley_terry
from evalkit.statistics.pair_points import pair_points, win_matrix


def comparison_reports(counted: Sequence[AnswerVerdict]) -> tuple[ComparisonReport, ...]:
    """Return the report of each dimension's comparisons, sorted by dimension.

    Args:
        counted: the verdicts on the comparisons that count.
    """
    by_dimension: dict[str, list[Answer]] = {}
    for verdict in counted:
        by_dimension.setdefault(verdict.answer.dimension, []).append(verdict.answer)
    return tuple(_report(dimension, compared) for dimension, compared in sorted(by_dimension.items()))


def _report(dimension: str, compared: Sequence[Answer]) -> ComparisonReport:
    teams = sorted({team for one in compared for team in one.teams})
    number = {team: at for at, team in enumerate(teams)}
    wins = win_matrix(
        [number[one.teams[0]] for one in compared],
        [number[one.teams[1]] for one in compared],
        [one.value for one in compared],
        len(teams),
    )
    points = pair_points(wins)
    reason: str | None = None
    strengths: Strengths | None = None
    try:
        strengths = bradley_terry(wins, names=teams)
    except InputError as error:
        reason = str(error)
    rows = [
        ComparedTeam(
            team,
            float(points.points[at]),
            int(points.comparisons[at]),
            _strength(strengths, at, reason),
            None if strengths is None else float(strengths.error[at]),
        )
        for at, team in enumerate(teams)
    ]
    return ComparisonReport(
        dimension=dimension,
        comparisons=len(compared),
        raters=len({one.rater for one in compared}),
        ties=sum(one.value == 0.5 for one in compared),
        balanced=points.balanced,
        teams=tuple(sorted(rows, key=lambda row: (-row.points, row.team))),
        reason=reason,
        left_share=sum(one.value for one in compared) / len(compared),
    )


def _strength(strengths: Strengths | None, at: int, reason: str | None) -> IntervalEstimate:
    if strengths is None:
        return IntervalEstimate(None, reason=reason)
    return IntervalEstimate(float(strengths.theta[at]), float(strengths.low[at]), float(strengths.high[at]))
