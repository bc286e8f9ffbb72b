"""What a report about the ratings says, as plain values."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from typing import Any

from evalkit.ratings.rules import Summary


@dataclass(frozen=True)
class Figure:
    """A number with its interval, or the reason why there is none.

    Args:
        value: the number, ``None`` with a ``reason``.
        low, high: ends of the 95 % interval; ``None`` without one.
        reason: why there is no value, or no interval.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    reason: str | None = None


@dataclass(frozen=True)
class TeamScore:
    """A run's opinion score in one dimension by one estimator.

    Args:
        team, run: whose; ``run`` is empty where neither the key nor the board names one.
        score: mean over the items; interval by the two-way bootstrap over samples and raters.
        items, ratings: behind it.
    """

    team: str
    run: str
    score: Figure
    items: int
    ratings: int


@dataclass(frozen=True)
class ItemScore:
    """A video's opinion score; ``team`` and ``run`` are empty, and ``sample`` the item's id, where there is no key."""

    team: str
    run: str
    sample: str
    score: Figure
    ratings: int


@dataclass(frozen=True)
class EstimatorScores:
    """What one estimator makes of a dimension.

    Args:
        estimator: such as ``mos.plain``.
        reason: why it can't be computed; ``None`` when it can.
        notes: what it left out.
        teams, items: in the order of their names.
    """

    estimator: str
    reason: str | None
    notes: tuple[str, ...] = ()
    teams: tuple[TeamScore, ...] = ()
    items: tuple[ItemScore, ...] = ()


@dataclass(frozen=True)
class RatersNeeded:
    """How many raters an item takes for an interval of score -+ ``half_width``, or the reason why nobody knows."""

    half_width: float
    raters: int | None
    reason: str | None = None


@dataclass(frozen=True)
class DimensionPanel:
    """One question.

    Args:
        id, title, scale: as the challenge has them.
        ratings, raters, items: that count.
        declared: the challenge's estimator.
        estimators: all of them, side by side.
        alpha_ordinal, alpha_interval: Krippendorff's alpha; intervals by resampled items.
        icc_single, icc_panel: ICC(2,1) for one rater and ICC(2,k) for the mean of all.
        deviation: of ratings within items, in units of the scale; ``None`` when no item has two.
        needed: raters for given half widths.
        no_inconsistency: why raters have no inconsistency here; ``None`` when they have.
    """

    id: str
    title: str
    scale: tuple[int, int]
    ratings: int
    raters: int
    items: int
    declared: str
    estimators: tuple[EstimatorScores, ...]
    alpha_ordinal: Figure
    alpha_interval: Figure
    icc_single: Figure
    icc_panel: Figure
    deviation: float | None
    needed: tuple[RatersNeeded, ...]
    no_inconsistency: str | None = None


@dataclass(frozen=True)
class Finding:
    """What one rule says of one rater in one dimension; ``dimension`` is empty for a rule over all of them."""

    dimension: str
    statistic: float | None
    threshold: float | None
    rejected: bool
    sentence: str


@dataclass(frozen=True)
class Screening:
    """What one rule says of one rater.

    Args:
        rule: the rule's name on the command line, such as ``straight-liners``.
        code: the word in a decision, such as ``straight-liner``.
        rejected: whether it speaks against the rater: in more than half of the dimensions in which it can tell.
        sentence: the same for people.
        findings: per dimension.
    """

    rule: str
    code: str
    rejected: bool
    sentence: str
    findings: tuple[Finding, ...]

    @property
    def known(self) -> bool:
        """Whether the rule could tell anything."""
        return any(finding.statistic is not None for finding in self.findings)


@dataclass(frozen=True)
class RaterInDimension:
    """A rater's figures in one dimension; ``None`` where they can't be computed.

    Args:
        dimension: id.
        ratings: that count.
        bias: how much higher than the others the rater scores, in units of the scale.
        inconsistency: deviation of the rater's noise, in units of the scale.
        rest: correlation with the mean scores of the others.
        p913: correlation with all mean scores, as ITU-T P.913 has it.
    """

    dimension: str
    ratings: int
    bias: float | None
    inconsistency: float | None
    rest: float | None
    p913: float | None


@dataclass(frozen=True)
class Repeats:
    """Videos that a rater saw under several ids: how many answers are repeated, and how far they lie apart on average.

    Args:
        answers: pairs of answers (video, dimension) that were given twice or more.
        mean_difference: mean distance between the smallest and the largest of them, in units of the scale.
    """

    answers: int
    mean_difference: float


@dataclass(frozen=True)
class DecisionInfo:
    """A decision that holds."""

    number: int
    target: str
    subject: str
    code: str
    reason: str
    by: str
    at: datetime


@dataclass(frozen=True)
class RaterPanel:
    """One rater.

    Args:
        rater: id.
        own_team: the rater's, when known.
        ratings, counted: on the board, and those that count.
        median_seconds: time for an item; ``None`` where no time is known.
        bias, inconsistency, rest, p913: means over the dimensions in which they are known.
        most_common: share of the rater's most frequent answer, over all answers; ``None`` without any.
        repeats: self-consistency; ``None`` when nothing was shown twice.
        dimensions: the figures per dimension.
        screenings: what every rule says.
        decisions: that hold on the rater.
        excluded_ratings: ratings of the rater that decisions leave out one by one.
    """

    rater: str
    own_team: str | None
    ratings: int
    counted: int
    median_seconds: float | None
    bias: float | None
    inconsistency: float | None
    rest: float | None
    p913: float | None
    most_common: float | None
    repeats: Repeats | None
    dimensions: tuple[RaterInDimension, ...]
    screenings: tuple[Screening, ...]
    decisions: tuple[DecisionInfo, ...]
    excluded_ratings: int = 0

    @property
    def rejected_by(self) -> tuple[str, ...]:
        """The rules that speak against the rater."""
        return tuple(screening.rule for screening in self.screenings if screening.rejected)


@dataclass(frozen=True)
class PairTeam:
    """A team in comparisons.

    Args:
        team: name.
        points: wins and half the draws.
        comparisons: of the team.
        strength: Bradley-Terry log strength, zero on average, with its interval; why there is none.
        error: standard error of the log strength.
    """

    team: str
    points: float
    comparisons: int
    strength: Figure
    error: float | None


@dataclass(frozen=True)
class PairPanel:
    """The comparisons in one dimension.

    Args:
        dimension: id; empty where the challenge asks only one question.
        comparisons, raters: that count.
        draws: comparisons without a winner.
        balanced: whether every two teams met equally often, without which points measure the opponents too.
        teams: most points first.
        reason: why there are no strengths; ``None`` when there are.
        left_wins: share of the points that the left side got, 0..1; far from one half, the side decides.
    """

    dimension: str
    comparisons: int
    raters: int
    draws: int
    balanced: bool
    teams: tuple[PairTeam, ...]
    reason: str | None
    left_wins: float


@dataclass(frozen=True)
class Day:
    """One day in UTC: answers on it, and those that count."""

    day: str
    answers: int
    counted: int


@dataclass(frozen=True)
class GoldPanel:
    """A gold item: what is right, and how many answers were."""

    item: str
    dimension: str
    low: float
    high: float
    answers: int
    wrong: int


@dataclass(frozen=True)
class RatingReport:
    """Everything that a report about the ratings says.

    Args:
        summary: of the ratings; of comparisons in ``pair_summary``.
        raters: sorted by id.
        dimensions: in the challenge's order; those with ratings on the board.
        pairs: per dimension of the comparisons.
        days: time coverage, ratings and comparisons together.
        undated: answers without a time.
        gold: the items with a known answer.
        notes: what a reader should know.
    """

    summary: Summary
    pair_summary: Summary
    raters: tuple[RaterPanel, ...]
    dimensions: tuple[DimensionPanel, ...]
    pairs: tuple[PairPanel, ...]
    days: tuple[Day, ...]
    undated: int
    gold: tuple[GoldPanel, ...]
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data for JSON: no NaN, keys in a fixed order, times in ISO form."""
        plain: dict[str, Any] = _plain(self)
        return plain


def _plain(value: Any) -> Any:
    if isinstance(value, Summary):
        return value.as_dict()
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, (tuple, list)):
        return [_plain(one) for one in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None  # numpy's are floats, too
    return value
