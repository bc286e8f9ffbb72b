"""The report on a board's ratings as plain values: `RatingReport` and its parts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from typing import Any

from evalkit.board.model import Decision
from evalkit.ratings.rules import AnswerSummary
from evalkit.statistics.arrays import IntervalEstimate
from evalkit.statistics.screening import RaterVerdict


@dataclass(frozen=True)
class TeamScore:
    """A run's mean opinion score in one dimension by one estimator.

    Args:
        team, run: whose; ``run`` is empty where neither the key nor the board names one.
        score: mean over the videos; interval by the two-way bootstrap over samples and raters.
        items, ratings: how many videos and ratings the score comes from.
    """

    team: str
    run: str
    score: IntervalEstimate
    items: int
    ratings: int


@dataclass(frozen=True)
class ItemScore:
    """A video's opinion score; ``team`` and ``run`` are empty, and ``sample`` the item's id, where there is no key."""

    team: str
    run: str
    sample: str
    score: IntervalEstimate
    ratings: int


@dataclass(frozen=True)
class EstimatorScores:
    """The scores of one dimension by one estimator.

    Args:
        estimator: such as ``mos.plain``.
        reason: why it can't be computed; ``None`` when it can.
        notes: what it left out.
        teams, items: sorted by name.
    """

    estimator: str
    reason: str | None
    notes: tuple[str, ...] = ()
    teams: tuple[TeamScore, ...] = ()
    items: tuple[ItemScore, ...] = ()


@dataclass(frozen=True)
class RatersNeeded:
    """How many raters a video needs for an interval of score -+ ``half_width``, or why that can't be computed."""

    half_width: float
    raters: int | None
    reason: str | None = None


@dataclass(frozen=True)
class DimensionReport:
    """One dimension, such as lip synchrony.

    Args:
        id, title, scale: as the challenge has them.
        ratings, raters, items: those that count.
        declared: the challenge's estimator.
        estimators: all of them, side by side.
        alpha_ordinal, alpha_interval: Krippendorff's alpha; intervals by resampled items.
        icc_single, icc_mean: ICC(2,1) for one rater and ICC(2,k) for the mean of all.
        deviation: of ratings within items, in units of the scale; ``None`` when no item has two.
        needed: raters for given half widths.
        no_inconsistency: why raters have no inconsistency here; ``None`` when they have.
        real: the score of the real videos by ``mos.plain``, which raters did not know; it ranks nobody. ``None`` where
            nobody rated them.
    """

    id: str
    title: str
    scale: tuple[int, int]
    ratings: int
    raters: int
    items: int
    declared: str
    estimators: tuple[EstimatorScores, ...]
    alpha_ordinal: IntervalEstimate
    alpha_interval: IntervalEstimate
    icc_single: IntervalEstimate
    icc_mean: IntervalEstimate
    deviation: float | None
    needed: tuple[RatersNeeded, ...]
    no_inconsistency: str | None = None
    real: TeamScore | None = None


@dataclass(frozen=True)
class ScreeningResult:
    """The result of one screening rule for one rater.

    Args:
        rule: the rule's name on the command line, such as ``straight-liners``.
        code: the word in a decision, such as ``straight-liner``.
        rejected: whether it rejects the rater: in more than half of the dimensions in which it can decide.
        sentence: the same for people.
        by_dimension: dimension -> verdict; the key is empty for a rule that looks at all dimensions together.
    """

    rule: str
    code: str
    rejected: bool
    sentence: str
    by_dimension: Mapping[str, RaterVerdict]


@dataclass(frozen=True)
class RaterInDimension:
    """A rater's figures in one dimension; ``None`` where they can't be computed.

    Args:
        dimension: id.
        ratings: that count.
        bias: how much higher than the others the rater scores, in units of the scale.
        inconsistency: deviation of the rater's noise, in units of the scale.
        rest_correlation: with the mean scores of the others.
        p913_correlation: with all mean scores, as ITU-T P.913 has it.
    """

    dimension: str
    ratings: int
    bias: float | None
    inconsistency: float | None
    rest_correlation: float | None
    p913_correlation: float | None


@dataclass(frozen=True)
class RepeatedAnswers:
    """Answers of one rater to the same video under several ids, or to the same two videos.

    Args:
        answers: (video or two videos, dimension) that the rater answered twice or more.
        mean_difference: mean distance between the smallest and the largest answer, in units of the scale; of
            comparisons in points, 0 where the rater always agrees with themselves and 1 where never.
    """

    answers: int
    mean_difference: float


@dataclass(frozen=True)
class RaterReport:
    """One rater.

    Args:
        rater: id.
        own_team: the rater's, when known.
        ratings, counted: on the board, and those that count; comparisons where the challenge asks for them.
        median_seconds: time for an item; ``None`` where no time is known.
        bias, inconsistency, rest_correlation, p913_correlation: means over the dimensions in which they are known.
        most_common_share: share of the rater's most frequent answer, over all answers; ``None`` without any.
        repeats: self-consistency; ``None`` when nothing was shown twice.
        dimensions: the figures per dimension.
        screenings: the result of every rule.
        decisions: on the rater, those that hold.
        excluded_ratings: ratings of the rater that decisions exclude one by one.
    """

    rater: str
    own_team: str | None
    ratings: int
    counted: int
    median_seconds: float | None
    bias: float | None
    inconsistency: float | None
    rest_correlation: float | None
    p913_correlation: float | None
    most_common_share: float | None
    repeats: RepeatedAnswers | None
    dimensions: tuple[RaterInDimension, ...]
    screenings: tuple[ScreeningResult, ...]
    decisions: tuple[Decision, ...]
    excluded_ratings: int = 0

    @property
    def rejected_by(self) -> tuple[str, ...]:
        """The rules that reject the rater."""
        return tuple(screening.rule for screening in self.screenings if screening.rejected)


@dataclass(frozen=True)
class ComparedTeam:
    """A team in comparisons.

    Args:
        team: name.
        points: wins and half the ties.
        comparisons: of the team.
        strength: Bradley-Terry log strength, zero on average, with its interval; or why there is none.
        error: standard error of the log strength.
    """

    team: str
    points: float
    comparisons: int
    strength: IntervalEstimate
    error: float | None


@dataclass(frozen=True)
class AgainstReference:
    """A team's videos beside the real ones, which raters did not know; it ranks nobody.

    Args:
        team: name.
        comparisons: with the real video of the same sample.
        points: share that the team got, 0..1: 0.5 where nobody tells the two apart. The mean over samples of the mean
            over raters, with its interval by the two-way bootstrap.
    """

    team: str
    comparisons: int
    points: IntervalEstimate


@dataclass(frozen=True)
class ComparisonReport:
    """The comparisons in one dimension.

    Args:
        dimension: id; empty where the challenge asks only one question.
        comparisons, raters: those that count.
        ties: comparisons without a winner.
        balanced: whether every two teams met equally often, without which points depend on the opponents too.
        teams: most points first.
        reason: why there are no strengths; ``None`` when there are.
        left_share: share of the points that the left side got, 0..1; far from one half, the side decides.
        references: each team against the real videos, closest first; empty where nobody compared them.
    """

    dimension: str
    comparisons: int
    raters: int
    ties: int
    balanced: bool
    teams: tuple[ComparedTeam, ...]
    reason: str | None
    left_share: float
    references: tuple[AgainstReference, ...] = ()


@dataclass(frozen=True)
class AnswersOfDay:
    """One day in UTC: answers on it, and those that count."""

    day: str
    answers: int
    counted: int


@dataclass(frozen=True)
class GoldItemReport:
    """An item with a known answer: the correct scores, ``low`` to ``high``, and how many answers were wrong.

    Of a comparison, ``sides`` are the two, the scores are points of the first, and ``draw`` tells whether a draw is
    right where it lies between them.
    """

    item: str
    dimension: str
    low: float
    high: float
    answers: int
    wrong: int
    sides: tuple[str, ...] = ()
    draw: bool = True


@dataclass(frozen=True)
class RatingReport:
    """Everything that the report on ratings shows.

    Args:
        summary: of the ratings; of comparisons in ``comparison_summary``.
        raters: sorted by id.
        dimensions: in the challenge's order; those with ratings on the board.
        comparisons: per dimension of the comparisons.
        days: ratings and comparisons together.
        undated: answers without a time.
        gold: the items with a known answer.
        notes: what a reader should know.
    """

    summary: AnswerSummary
    comparison_summary: AnswerSummary
    raters: tuple[RaterReport, ...]
    dimensions: tuple[DimensionReport, ...]
    comparisons: tuple[ComparisonReport, ...]
    days: tuple[AnswersOfDay, ...]
    undated: int
    gold: tuple[GoldItemReport, ...]
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data for JSON: no NaN, keys in a fixed order, times in ISO form."""
        plain: dict[str, Any] = _plain(self)
        return plain


def _plain(value: Any) -> Any:
    if isinstance(value, AnswerSummary):
        return value.as_dict()
    if is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(one) for one in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None  # NumPy's floats included
    return value
