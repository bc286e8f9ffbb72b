"""What a leaderboard says, as plain values: every number with what it rests on, every gap with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from evalkit.leaderboard.sensitivity import RandomWeights, WeightInterval
from evalkit.leaderboard.table import Group, Reason
from evalkit.statistics.correlation import Correlations

Kind = Literal["metric", "dimension", "pairs"]


@dataclass(frozen=True)
class ColumnInfo:
    """One column of the leaderboard.

    Args:
        id: metric id, dimension id, or ``pairs``.
        title: what people call it.
        published_as: what the organizers call it, when that differs.
        kind: where its values come from.
        group: objective, subjective, speed or diagnostic.
        higher_is_better: ``None`` for a diagnostic, which has no better side.
        unit: of the values.
        weight: as the challenge declares it; 0 for a column that does not rank.
        share: of the final score, 0..1, group weights included; 0 for a column that does not rank.
        ranks: whether it takes part in the ranking.
        refused: why it ranks nobody here although the challenge says it ranks.
        range: values that become 0 and 1, where declared.
        protocol: version of the metric's definition.
        notes: what a reader should know.
    """

    id: str
    title: str
    published_as: str | None
    kind: Kind
    group: Group
    higher_is_better: bool | None
    unit: str = ""
    weight: float = 0.0
    share: float = 0.0
    ranks: bool = False
    refused: Reason | None = None
    range: tuple[float, float] | None = None
    protocol: int | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class CellInfo:
    """One value, or the reason why there is none.

    Args:
        value: the number, ``None`` with a ``reason``.
        ci: 95 % interval.
        reason: machine-readable.
        n: videos, ratings or comparisons behind it.
        coverage: share of the samples that it rests on.
        points: what entered the score, before weights; ``None`` when it did not.
        best: whether no ranked entry has a better value.
    """

    value: float | None
    ci: tuple[float, float] | None = None
    reason: str | None = None
    n: int = 0
    coverage: float = 1.0
    points: float | None = None
    best: bool = False


@dataclass(frozen=True)
class Row:
    """One run of one team.

    Args:
        team, run: whose.
        primary: whether it competes.
        cells: column id -> value.
        rank: place, 1 is best, equals share it; ``None`` when not ranked.
        score: in the unit of the rule; ``None`` behind the finalists of a final phase.
        interval: best and worst rank that the data allow, for all teams together.
        probability: probability of place 1, 2, ...; empty without uncertainty.
        reasons: why it is not ranked.
        tie_break: the column that told it from an entry with the same score.
        finalist: in the final phase; ``None`` when there is none.
        shortlist_rank, shortlist_score: of the objective phase of a two-phase ranking.
        label: what uncertainty, sensitivity and samples call it: the team where one run of it competes.
    """

    team: str
    run: str
    primary: bool
    cells: Mapping[str, CellInfo]
    rank: int | None = None
    score: float | None = None
    interval: tuple[int, int] | None = None
    probability: tuple[float, ...] = ()
    reasons: tuple[Reason, ...] = ()
    tie_break: str | None = None
    finalist: bool | None = None
    shortlist_rank: int | None = None
    shortlist_score: float | None = None
    label: str = ""

    def __post_init__(self) -> None:
        if not self.label:
            object.__setattr__(self, "label", self.team)


@dataclass(frozen=True)
class Certainty:
    """How certain the order is, and how that was found.

    Args:
        confidence: that no two teams are told apart wrongly, 0..1.
        draws, lost, seed: of the bootstrap.
        groups: runs of neighbouring teams whose order the data can't tell; each at least two, best first. They may
            overlap.
        tiers: the ranking in levels: every team of a level is surely better than all of the levels below.
        held_fixed: columns that counted as certain.
        why_fixed: each of them -> why: ``no interval``, ``one video`` or ``one rater`` of a team.
        scope: what it is about: ``all`` ranked teams, or the ``finalists`` of a two-phase ranking.
    """

    confidence: float
    draws: int
    lost: int
    seed: int
    groups: tuple[tuple[str, ...], ...]
    tiers: tuple[tuple[str, ...], ...]
    held_fixed: tuple[str, ...] = ()
    scope: Literal["all", "finalists"] = "all"
    why_fixed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Sensitivity:
    """What other weights would do to the podium.

    Args:
        podium: how many first places are meant.
        intervals: how far each weight can move alone.
        random: what random weights do.
        without: column id -> team -> rank when that column does not count.
    """

    podium: int
    intervals: tuple[WeightInterval, ...]
    random: RandomWeights
    without: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class Points:
    """A metric against people: one point per team and sample that has both.

    Args:
        metric, dimension: column ids.
        teams, samples: of each point.
        x, y: the metric's value and the mean opinion score.
        agreement: correlation over the points, samples resampled together.
    """

    metric: str
    dimension: str
    teams: tuple[str, ...]
    samples: tuple[str, ...]
    x: tuple[float, ...]
    y: tuple[float, ...]
    agreement: Correlations


@dataclass(frozen=True)
class Distribution:
    """Values of one column over a team's samples, sorted, for the drawing of a distribution."""

    team: str
    column: str
    values: tuple[float, ...]


@dataclass(frozen=True)
class GroupValue:
    """Mean over the samples of one value of a group (a gender, an age)."""

    value: str
    mean: float | None
    n: int


@dataclass(frozen=True)
class Breakdown:
    """One column of one team by a group of the test set.

    Args:
        group: name of the group, such as ``gender``.
        column, team: whose values.
        values: per value of the group.
        worst: the value with the worst mean; ``None`` without a better side, or with fewer than two means.
        gap: best mean minus worst, in the column's unit, at least 0.
    """

    group: str
    column: str
    team: str
    values: tuple[GroupValue, ...]
    worst: str | None = None
    gap: float | None = None


@dataclass(frozen=True)
class RaterInfo:
    """What became of one rater.

    Args:
        rater: id.
        ratings, counted: how many on the board, how many of them count.
        own_team: the rater's, when known.
        excluded: why all of the rater's ratings are left out.
    """

    rater: str
    ratings: int
    counted: int
    own_team: str | None = None
    excluded: str | None = None


@dataclass(frozen=True)
class PeopleInfo:
    """What people's ratings rest on.

    Args:
        total, counted: ratings or comparisons on the board, and those that count.
        reasons: code -> how many are left out for it; one may have several.
        raters: everyone who rated.
        items: distinct (team, sample) with a rating that counts.
        estimator: how opinion scores are made, ``mos.plain`` and so on; ``pairs.bradley-terry`` for comparisons.
        notes: what a reader should know, such as why strengths could not be fitted.
    """

    total: int
    counted: int
    reasons: Mapping[str, int] = field(default_factory=dict)
    raters: tuple[RaterInfo, ...] = ()
    items: int = 0
    estimator: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Strength:
    """Bradley-Terry strength of a team in one dimension: log strength, its interval, points of comparisons."""

    team: str
    dimension: str
    log_strength: float
    low: float
    high: float
    points: float
    comparisons: int


@dataclass(frozen=True)
class SharedVideos:
    """Runs of two teams that show the same moving pictures (`evalkit.leaderboard.duplicates`).

    Args:
        teams: both.
        runs: the run of each.
        severity: what the challenge takes it for.
        message: a sentence.
        found: the first of the videos, and how they are alike.
        samples: of the first run, in the order of its scorecard.
    """

    teams: tuple[str, str]
    runs: tuple[str, str]
    severity: str
    message: str
    found: str
    samples: tuple[str, ...]


@dataclass(frozen=True)
class Leaderboard:
    """Everything a leaderboard says.

    Args:
        rule: the ranking rule of the challenge.
        lower_wins: whether the lowest score is the best.
        columns: in the order in which they are shown: by group, ranking ones first.
        rows: best first, the unranked last.
        provisional: why the ranking is not final.
        problem: why nothing could be ranked at all, as one sentence.
        certainty: ``None`` with the reason in ``no_certainty``.
        no_certainty: why there is no uncertainty.
        shortlist: certainty of the objective phase of a two-phase ranking.
        sensitivity: ``None`` for rules and data that have none.
        people: what the ratings rest on; ``None`` when nobody rates.
        points: metrics against people.
        distributions: per column and team.
        breakdowns: per group, column and team.
        strengths: of comparisons in pairs.
        shared: what runs of two teams have in common; findings to look at, which no rank depends on.
    """

    rule: str
    lower_wins: bool
    columns: tuple[ColumnInfo, ...]
    rows: tuple[Row, ...]
    provisional: Reason | None = None
    problem: str | None = None
    certainty: Certainty | None = None
    no_certainty: str | None = None
    shortlist: Certainty | None = None
    sensitivity: Sensitivity | None = None
    people: PeopleInfo | None = None
    points: tuple[Points, ...] = ()
    distributions: tuple[Distribution, ...] = ()
    breakdowns: tuple[Breakdown, ...] = ()
    strengths: tuple[Strength, ...] = ()
    shared: tuple[SharedVideos, ...] = ()
