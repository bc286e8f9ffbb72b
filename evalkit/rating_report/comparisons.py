"""Comparisons in a report: points, Bradley-Terry strengths, whether every two teams met equally often, the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from evalkit.errors import InputError
from evalkit.rating_report.model import AgainstReference, ComparedTeam, ComparisonReport
from evalkit.ratings.model import Answer, AnswerVerdict
from evalkit.ratings.sides import REFERENCE, is_nobodys
from evalkit.statistics import BOOTSTRAP_DRAWS
from evalkit.statistics.arrays import IntervalEstimate
from evalkit.statistics.bootstrap import two_way_interval
from evalkit.statistics.bradley_terry import Strengths, bradley_terry
from evalkit.statistics.pair_points import pair_points, win_matrix


def comparison_reports(
    verdicts: Sequence[AnswerVerdict], *, draws: int = BOOTSTRAP_DRAWS, seed: int = 0
) -> tuple[ComparisonReport, ...]:
    """Return the report of each dimension's comparisons, sorted by dimension.

    Args:
        verdicts: on all comparisons.
        draws: resamples for the intervals of teams against the real videos.
        seed: of these.
    """
    by_dimension: dict[str, list[Answer]] = {}
    for verdict in verdicts:
        if verdict.counted:
            by_dimension.setdefault(verdict.answer.dimension, []).append(verdict.answer)
    return tuple(
        _report(dimension, compared, against_reference(verdicts, dimension, draws=draws, seed=seed))
        for dimension, compared in sorted(by_dimension.items())
    )


def against_reference(
    verdicts: Sequence[AnswerVerdict], dimension: str, *, draws: int = BOOTSTRAP_DRAWS, seed: int = 0
) -> tuple[AgainstReference, ...]:
    """Return how each team's videos fared beside the real ones, in one dimension; the closest to the truth first.

    All comparisons of a team with the real video are taken that no rule and no decision rejects, but that they rank
    nobody; of a rater's several of the same two videos the first.
    """
    points: dict[str, dict[tuple[str, str], float]] = {}
    for verdict in verdicts:
        answer = verdict.answer
        teams = [side for side in answer.teams if not is_nobodys(side)]
        if answer.dimension == dimension and verdict.codes == ("not-ranked",) and REFERENCE in answer.teams and teams:
            of_team = answer.value if answer.teams[0] == teams[0] else 1 - answer.value
            points.setdefault(teams[0], {}).setdefault((answer.item, answer.rater), of_team)
    rows = [_against(team, found, draws, seed) for team, found in points.items()]
    return tuple(sorted(rows, key=lambda row: (-(row.points.value or 0.0), row.team)))


def _against(team: str, found: Mapping[tuple[str, str], float], draws: int, seed: int) -> AgainstReference:
    _, sample = np.unique([sample for sample, _ in found], return_inverse=True)
    _, rater = np.unique([rater for _, rater in found], return_inverse=True)
    value = np.array(list(found.values()), dtype=np.float64)
    point = float(np.mean([value[sample == at].mean() for at in range(sample.max() + 1)]))
    ends = two_way_interval(sample, rater, value, point, draws=draws, seed=seed)
    if ends is None:
        return AgainstReference(team, len(value), IntervalEstimate(point, reason="fewer than two samples or raters"))
    if value.min() == value.max():  # draws of equal answers are equal
        ends = _ends_of_equal(point, min(int(sample.max()), int(rater.max())) + 1)
    if ends is None:
        return AgainstReference(team, len(value), IntervalEstimate(point, reason="all answers are draws"))
    return AgainstReference(team, len(value), IntervalEstimate(point, *ends))


def _ends_of_equal(point: float, n: int) -> tuple[float, float] | None:
    """Return the exact 95 % interval of a share of 0 or 1 (Clopper and Pearson 1934); ``None`` of another one.

    Args:
        point: the share.
        n: the smaller of the numbers of samples and raters, as answers about one sample, or by one rater, are alike.
    """
    if point not in {0.0, 1.0}:
        return None
    rest = 0.025 ** (1 / n)
    return (rest, 1.0) if point == 1.0 else (0.0, 1.0 - rest)


def _report(dimension: str, compared: Sequence[Answer], references: tuple[AgainstReference, ...]) -> ComparisonReport:
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
        references=references,
    )


def _strength(strengths: Strengths | None, at: int, reason: str | None) -> IntervalEstimate:
    if strengths is None:
        return IntervalEstimate(None, reason=reason)
    return IntervalEstimate(float(strengths.theta[at]), float(strengths.low[at]), float(strengths.high[at]))
