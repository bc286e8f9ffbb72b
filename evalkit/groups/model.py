"""What is said about groups: a table per attribute, measure and entry, and what is refused, with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from evalkit.groups import MIN_IDENTITIES, MIN_VIDEOS
from evalkit.metrics.base import Aggregate
from evalkit.statistics import BOOTSTRAP_DRAWS, PERMUTATIONS

Kind = Literal["metric", "dimension", "coverage", "detection"]


@dataclass(frozen=True)
class FairnessRules:
    """How groups are compared.

    Args:
        min_videos, min_identities: a group with fewer videos with a value, or fewer people in them, is too small to say
            anything about; it is listed and never merged with another.
        alpha: family-wise error of all tests together.
        permutations: shuffles of the labels behind a p-value.
        draws: bootstrap draws behind an interval.
        seed: the same seed gives the same numbers.
        intersect: attributes whose combinations are groups of their own.
    """

    min_videos: int = MIN_VIDEOS
    min_identities: int = MIN_IDENTITIES
    alpha: float = 0.05
    permutations: int = PERMUTATIONS
    draws: int = BOOTSTRAP_DRAWS
    seed: int = 0
    intersect: tuple[str, ...] = ()


@dataclass(frozen=True)
class Measure:
    """What is compared between groups.

    Args:
        id: of the metric or dimension; ``coverage:ID`` or ``detection`` for shares of videos.
        title: for readers.
        kind: ``metric`` a number per video, ``dimension`` an opinion score per video, ``coverage`` 1 for a video that
            has a value and 0 for one that has none, ``detection`` the same for faces that are found.
        higher_is_better: ``None`` for a diagnostic: its groups are listed, and none is worse.
        unit: of the numbers.
        aggregate: how a group's number follows from its videos'.
        covers: for ``coverage``, the metrics that lack the same videos; for ``detection`` those that found no face.
    """

    id: str
    title: str
    kind: Kind = "metric"
    higher_is_better: bool | None = True
    unit: str = ""
    aggregate: Aggregate = "mean"
    covers: tuple[str, ...] = ()


@dataclass(frozen=True)
class GroupLine:
    """One group in one measure of one entry.

    Args:
        value: the group's name.
        samples: of the group that the measure is about.
        videos: those with a value.
        identities: people in them.
        mean: over them (or their median); ``None`` without one.
        low, high: ends of its 95 % interval over people; ``None`` for fewer than two people, or a group that is too
            small.
        descriptive: whether there are too few people to conclude anything about others.
        coverage: ``videos`` over ``samples``.
        reasons: why videos have no value, and how many.
        too_few: why the group is too small to be compared; ``None`` for one that is compared.
        real_mean: the same number over the real videos, where they were given.
    """

    value: str
    samples: int
    videos: int
    identities: int
    mean: float | None
    low: float | None = None
    high: float | None = None
    descriptive: bool = False
    coverage: float = 1.0
    reasons: Mapping[str, int] = field(default_factory=dict)
    too_few: str | None = None
    real_mean: float | None = None


@dataclass(frozen=True)
class GroupTable:
    """One measure of one entry by one attribute.

    Args:
        attribute: such as ``gender``; ``ethnicity & gender`` for combinations.
        entry: whose numbers.
        measure: which.
        lines: the groups, in natural order of their names.
        unlabelled: samples without the attribute.
        worst, best: names of the groups with the worst and the best mean among those that are large enough; ``None``
            for a diagnostic, or with fewer than two such groups.
        gap: best minus worst; for a diagnostic the highest minus the lowest.
        ratio: the lower of both means over the higher one; ``None`` where a mean is not positive.
        macro: mean of the groups' means.
        p: of the gap, by shuffled labels.
        adjusted: the same by Holm over all tests of the report.
        untested: why there is no p-value.
        real_gap: the gap over the real videos, of the same groups.
        excess: ``gap`` minus ``real_gap``.
        no_real: why there is no ``real_gap`` although real videos were given.
    """

    attribute: str
    entry: str
    measure: Measure
    lines: tuple[GroupLine, ...]
    unlabelled: int = 0
    worst: str | None = None
    best: str | None = None
    gap: float | None = None
    ratio: float | None = None
    macro: float | None = None
    p: float | None = None
    adjusted: float | None = None
    untested: str | None = None
    real_gap: float | None = None
    excess: float | None = None
    no_real: str | None = None

    @property
    def compared(self) -> tuple[GroupLine, ...]:
        """The groups that are large enough."""
        return tuple(line for line in self.lines if line.too_few is None)


@dataclass(frozen=True)
class GroupDistance:
    """A kernel distance by group: equally many videos of each, mean over seeded draws.

    Args:
        attribute, entry, metric: whose.
        videos: of each group in a draw.
        values: group -> mean over the draws; a group that is too small is not among them.
        deviations: group -> standard deviation over the draws.
    """

    attribute: str
    entry: str
    metric: str
    videos: int
    values: Mapping[str, float]
    deviations: Mapping[str, float]


MOST_SHARE = 10


@dataclass(frozen=True)
class PairShare:
    """How much of the difference of two neighbours comes from one group.

    Args:
        better, worse: the two entries.
        difference: mean over the samples that both have a value for, of the better one's value minus the other's.
        parts: group -> its part of the difference, in the measure's unit; they add up to it.
        shares: the same as shares of the difference, which add up to 1; one below 0 pulls the other way. ``None`` where
            they would say nothing: the better one does not lead on the samples that both have, or parts of more than
            `MOST_SHARE` times the difference cancel each other.
        expected: group -> its part of the samples: what its share would be if all samples differed equally.
    """

    better: str
    worse: str
    difference: float
    parts: Mapping[str, float]
    shares: Mapping[str, float] | None
    expected: Mapping[str, float]


@dataclass(frozen=True)
class Influence:
    """How much of an order a group decides.

    Args:
        attribute: whose groups.
        order_of: id of the measure; ``ranking`` for the board's ranking.
        order: the entries, best first.
        without: group -> the order without its samples; ``None`` where nobody can be ranked then.
        moved: group -> how many entries have another place then.
        pairs: of neighbours in the order; none for a board's ranking.
    """

    attribute: str
    order_of: str
    order: tuple[str, ...]
    without: Mapping[str, tuple[str, ...] | None]
    moved: Mapping[str, int | None]
    pairs: tuple[PairShare, ...] = ()


@dataclass(frozen=True)
class FairnessReport:
    """Everything about groups, as pages, tables and JSON print it.

    Args:
        rules: how groups were compared.
        entries: names of the submissions.
        attributes: what the test set says of people; never inferred from a video.
        tables: by attribute, measure and entry.
        refused: what is not computed by group -> why, as a sentence.
        distances: kernel distances by group.
        influence: how much of each order a group decides.
        findings: sentences for the reader, the most important first.
        tests: how many tests Holm's correction is over.
        truth: whether real videos were given.
        identities_known: whether anything says who is in a video; otherwise each sample counts as another person.
    """

    rules: FairnessRules
    entries: tuple[str, ...]
    attributes: tuple[str, ...]
    tables: tuple[GroupTable, ...]
    refused: Mapping[str, str] = field(default_factory=dict)
    distances: tuple[GroupDistance, ...] = ()
    influence: tuple[Influence, ...] = ()
    findings: tuple[str, ...] = ()
    tests: int = 0
    truth: bool = False
    identities_known: bool = False

    def table(self, attribute: str, measure: str, entry: str) -> GroupTable:
        """Return one table.

        Raises:
            KeyError: when there is none.
        """
        for one in self.tables:
            if (one.attribute, one.measure.id, one.entry) == (attribute, measure, entry):
                return one
        raise KeyError((attribute, measure, entry))

    def significant(self, table: GroupTable) -> bool:
        """Whether chance explains the gap badly, all tests of the report taken together."""
        return table.adjusted is not None and table.adjusted <= self.rules.alpha

    def to_json(self) -> dict[str, Any]:
        """Return a document for `json.dumps`; keys as the attributes of this class and its parts."""
        document = asdict(self)
        for place, table in zip(document["tables"], self.tables, strict=True):
            place["significant"] = self.significant(table)
        return {"schema": 1, **document}
