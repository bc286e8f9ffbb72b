"""The value of a leaderboard: every number with its evidence, every gap with its reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from evalkit.groups.model import FairnessReport
from evalkit.leaderboard.contrasts import Contrast
from evalkit.leaderboard.scoring_rules import ScoringPlan
from evalkit.leaderboard.sensitivity import RandomWeights, WeightInterval
from evalkit.leaderboard.table import CodedReason, Column, Row
from evalkit.leaderboard.turning_points import TurningPoint
from evalkit.statistics.correlation import Correlations

if TYPE_CHECKING:
    import pandas as pd

    from evalkit.leaderboard.frames import Form

PhaseName = Literal["ranking", "shortlist", "final"]
ALL_DIMENSIONS = "*"  # in the place of a dimension's id: the mean over all of them


@dataclass(frozen=True)
class RankUncertainty:
    """How certain the order of a phase is, and how that was found.

    Args:
        confidence: probability that no two runs are separated wrongly, 0..1.
        draws, lost, seed: of the bootstrap.
        groups: neighbouring runs whose order is not significant; each at least two, best first. They may overlap.
        tiers: the order in levels: every run of a level is significantly better than all of the levels below.
        held_fixed: columns that counted as certain, each with the reason: ``no interval``, or ``one video`` or ``one
            rater`` of a team.
    """

    confidence: float
    draws: int
    lost: int
    seed: int
    groups: tuple[tuple[str, ...], ...]
    tiers: tuple[tuple[str, ...], ...]
    held_fixed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RankingPhase:
    """One phase of a ranking.

    Args:
        name: ``ranking`` where there is one phase; otherwise ``shortlist`` (the objective phase) and ``final``.
        plan: the rule, on the columns that were not refused.
        order: labels of the runs that the phase ordered, best first.
        uncertainty: ``None`` with the reason in ``no_uncertainty``.
        no_uncertainty: why there is none, as one sentence.
    """

    name: PhaseName
    plan: ScoringPlan
    order: tuple[str, ...] = ()
    uncertainty: RankUncertainty | None = None
    no_uncertainty: str | None = None


@dataclass(frozen=True)
class TieGroup:
    """Neighbouring runs of the ranking that are statistically tied in ``phase``, as labels, best first."""

    phase: PhaseName
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Sensitivity:
    """How the podium depends on the weights.

    Args:
        podium: how many first places count as the podium.
        intervals: how far each weight can change alone.
        random: the ranking under random weights.
        without: column id -> team -> rank when that column does not count.
    """

    podium: int
    intervals: tuple[WeightInterval, ...]
    random: RandomWeights
    without: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class Points:
    """A metric against human ratings: one point per team and sample that has both, or one per team.

    Args:
        metric, dimension: column ids; `ALL_DIMENSIONS` for the mean over all dimensions.
        teams, samples: of each point; no samples where a point is a team.
        x, y: the metric's value and the mean opinion score.
        agreement: correlation over the points, samples (or teams) resampled together.
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
    """Values of one column over a team's samples, sorted, for a plot of the distribution."""

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
    """One rater: how many ratings count, and why the others do not.

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
class RatingsInfo:
    """The human ratings and comparisons behind a leaderboard.

    Args:
        total, counted: ratings or comparisons on the board, and those that count.
        reasons: code -> how many are left out for it; one may have several.
        raters: everyone who rated.
        items: distinct (team, sample) with a rating that counts.
        estimator: how opinion scores are made, ``mos.plain`` and so on; ``pairs.bradley-terry`` for comparisons.
        notes: sentences for the reader, such as why strengths could not be fitted.
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
class DetectorCurve:
    """The ROC curve of a competing run of scores at one generator, as its scorecard has it.

    Args:
        team: label of the run.
        generator: whose fakes.
        n_real, n_fake: videos behind it.
        points: (false alarms, fakes found), shares from 0 to 1.
    """

    team: str
    generator: str
    n_real: int
    n_fake: int
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class DuplicateVideos:
    """Runs of two teams that show the same videos (`evalkit.leaderboard.duplicates`).

    Args:
        teams: both.
        runs: the run of each.
        severity: as the challenge declares it.
        message: a sentence.
        found: the first of the videos, and how they are equal.
        samples: of the first run, in the order of its scorecard.
    """

    teams: tuple[str, str]
    runs: tuple[str, str]
    severity: str
    message: str
    found: str
    samples: tuple[str, ...]


@dataclass(frozen=True)
class ExcludedSample:
    """A sample that the organizers excluded: no score, coverage or rating of it counts.

    Args:
        sample: its id.
        reason: a sentence for people.
        decision: the number of the decision.
    """

    sample: str
    reason: str
    decision: int


@dataclass(frozen=True)
class FindingEffect:
    """What a finding about gaming does to a run by the challenge's rules.

    Args:
        team, run: whose.
        sample: whose video.
        rule: what was found.
        effect: ``zero`` (the worst value in each ranking metric) or ``refuse`` (no value).
        found: what the rule saw.
        overruled: whether the organizers decided that it is wrong, so that nothing follows.
    """

    team: str
    run: str
    sample: str
    rule: str
    effect: str
    found: str
    overruled: bool = False


@dataclass(frozen=True)
class UncheckedRun:
    """A run whose scorecard lacks what declared rules about gaming look at: that it has no finding says nothing.

    Args:
        team, run: whose.
        videos: scored videos that were not examined at all.
        rules: declared rules that looked at no video of the run; empty where they looked at some.
    """

    team: str
    run: str
    videos: int
    rules: tuple[str, ...] = ()


@dataclass(frozen=True)
class Leaderboard:
    """Everything that a leaderboard shows; the terminal, JSON, CSV, LaTeX, Markdown and HTML all print this value.

    Args:
        rule: the ranking rule of the challenge.
        lower_wins: whether the lowest score is the best.
        columns: in the order in which they are shown: by group, ranking ones first.
        rows: best first, the unranked last.
        phases: the phases that made the order; two for a two-phase ranking, none when nothing could be ranked.
        tie_groups: which neighbours of the order are statistically tied, and in which phase.
        provisional: why the ranking is not final.
        problem: why nothing could be ranked at all, as one sentence.
        sensitivity: ``None`` for rules and data that have none.
        ratings: the human ratings behind it; ``None`` when nobody rates.
        points: metrics against human ratings, over single videos.
        overall_points: the same against the mean over all dimensions.
        team_points: the numbers of teams against each other, for all dimensions and their mean.
        distributions: per column and team.
        breakdowns: per group, column and team.
        strengths: of comparisons in pairs.
        curves: of detectors.
        contrasts: pairs of runs column by column, in the order of the phases and ranks.
        turning_points: by how much a value would have to change for a run to draw level with its nearest rivals.
        duplicates: videos that two teams have in common; for the organizers to check, no rank depends on them.
        excluded_samples: in the order of the decisions.
        fairness: how the columns differ between groups of people; ``None`` where no sample has groups.
        consequences: of findings about gaming, by run and sample.
        unchecked: runs in which such findings were not looked for, though the challenge declares consequences.
    """

    rule: str
    lower_wins: bool
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    phases: tuple[RankingPhase, ...] = ()
    tie_groups: tuple[TieGroup, ...] = ()
    provisional: CodedReason | None = None
    problem: str | None = None
    sensitivity: Sensitivity | None = None
    ratings: RatingsInfo | None = None
    points: tuple[Points, ...] = ()
    overall_points: tuple[Points, ...] = ()
    team_points: tuple[Points, ...] = ()
    distributions: tuple[Distribution, ...] = ()
    breakdowns: tuple[Breakdown, ...] = ()
    strengths: tuple[Strength, ...] = ()
    curves: tuple[DetectorCurve, ...] = ()
    contrasts: tuple[Contrast, ...] = ()
    turning_points: tuple[TurningPoint, ...] = ()
    duplicates: tuple[DuplicateVideos, ...] = ()
    excluded_samples: tuple[ExcludedSample, ...] = ()
    fairness: FairnessReport | None = None
    consequences: tuple[FindingEffect, ...] = ()
    unchecked: tuple[UncheckedRun, ...] = ()

    @property
    def uncertainty(self) -> RankUncertainty | None:
        """The uncertainty of the phase that decides, which of two is the final one."""
        return self.phases[-1].uncertainty if self.phases else None

    @property
    def no_uncertainty(self) -> str | None:
        """Why there is none, as one sentence."""
        return self.phases[-1].no_uncertainty if self.phases else "Nobody is ranked."

    def deciding_phase(self, row: Row) -> RankingPhase | None:
        """Return the phase that made the rank of ``row``: of two, the final one for finalists once it has results."""
        if len(self.phases) < 2:
            return self.phases[0] if self.phases else None
        return self.phases[1 if row.finalist and self.phases[1].order else 0]

    def tied_with(self, label: str) -> list[str]:
        """Return the labels of the runs that are statistically tied with the run ``label``."""
        groups = [group.labels for group in self.tie_groups if label in group.labels]
        return list(dict.fromkeys(other for group in groups for other in group if other != label))

    def contrast(self, one: str, other: str) -> Contrast | None:
        """Return the contrast of the runs ``one`` and ``other`` (labels) in the phase that decides between them.

        ``None`` where a run has no rank, one is a finalist and the other is not, or the pair wasn't asked for.
        """
        rows = {row.label: row for row in self.rows}
        phases = [self.deciding_phase(rows[name]) for name in (one, other) if name in rows]
        names = {phase.name if phase is not None else None for phase in phases}
        found = [c for c in self.contrasts if {c.first, c.second} == {one, other} and names == {c.phase}]
        return found[0] if found else None

    def to_pandas(self, form: Form = "wide") -> pd.DataFrame:
        """Return the runs as a table of pandas, best first. A missing value is NaN, with its reason beside it.

        Args:
            form: ``wide`` for a row per run: ``rank``, ``rank_low``, ``rank_high``, ``team``, ``run``, ``primary``,
                ``score``, ``tied_with``, ``reasons`` (why it is not ranked), then per column its value as ``ID``, the
                95 % interval as ``ID.low`` and ``ID.high``, and ``reason.ID``. ``long`` for a row per run and column:
                ``rank``, ``team``, ``run``, ``column``, ``value``, ``low``, ``high``, ``n``, ``coverage``,
                ``reason``, ``higher_is_better``, ``unit``, ``ranks``.

        Raises:
            UsageError: for another form.
        """
        from evalkit.leaderboard.frames import leaderboard_frame

        return leaderboard_frame(self.columns, self.rows, self.tied_with, form)

    def _repr_html_(self) -> str:
        """Show the ranking in a notebook, with rank intervals and the reasons of those who are not ranked."""
        from evalkit.leaderboard.notebook import leaderboard_fragment

        said = [self.problem, None if self.provisional is None else self.provisional.sentence]
        said += [self.no_uncertainty if self.uncertainty is None and self.problem is None else None]
        return leaderboard_fragment(self.rule, self.columns, self.rows, self.tied_with, [one for one in said if one])


def find_tie_groups(phases: Sequence[RankingPhase], rows: Iterable[Row]) -> tuple[TieGroup, ...]:
    """Return the tie groups of the ranking as it stands, those of the final phase first.

    A final phase with results orders the finalists, so that the shortlist's groups are those of the other runs alone.
    """
    decided = {row.label for row in rows if row.finalist} if len(phases) > 1 and phases[1].order else set()
    found = []
    for phase in reversed(phases):
        for group in phase.uncertainty.groups if phase.uncertainty is not None else ():
            labels = tuple(label for label in group if phase.name != "shortlist" or label not in decided)
            if len(labels) > 1:
                found.append(TieGroup(phase.name, labels))
    return tuple(found)
