"""One line per group: how many videos and people, the number with its interval, or why the group is too small."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from evalkit.groups.inputs import SampleValues
from evalkit.groups.model import FairnessRules, GroupLine
from evalkit.groups.sample_arrays import SampleArrays
from evalkit.scoring.aggregate import combine
from evalkit.statistics.arrays import Index, Matrix, Vector
from evalkit.statistics.bootstrap import multinomial_counts
from evalkit.statistics.cluster_bootstrap import ClusterInterval, interval_of_draws, intervals_of_means
from evalkit.text import count


@dataclass(frozen=True)
class _Numbers:
    """The numbers behind an interval: of one group, in one measure.

    Args:
        place: of the measure, and of the group's line in it.
        values: (v,) of the videos with a value.
        member: (v,) the person of each, from 0.
        median: whether the group's number is the median.
    """

    place: tuple[int, int]
    values: Vector
    member: Index
    median: bool

    @property
    def persons(self) -> int:
        return int(self.member.max()) + 1


def group_lines(
    attribute: str,
    measures: Sequence[SampleValues],
    arrays: SampleArrays,
    rules: FairnessRules,
    *,
    intervals: bool = True,
) -> list[tuple[GroupLine, ...]]:
    """Return, for each measure, a line for every group of an attribute that it is about, by name.

    Args:
        attribute: whose groups.
        measures: of all submissions: those with equally many people in a group share their draws.
        arrays: their numbers.
        rules: how groups are compared.
        intervals: whether lines have theirs.
    """
    lines: list[list[GroupLine]] = []
    wanted: list[_Numbers] = []
    for at, measured in enumerate(measures):
        lines.append([])
        for line, numbers in _lines(attribute, measured, arrays, rules):
            if numbers is not None and line.too_few is None:
                wanted.append(replace(numbers, place=(at, len(lines[at]))))
            lines[at].append(line)
    for (at, group), found in _intervals(wanted, rules) if intervals else ():
        low, high = found.ends or (None, None)
        lines[at][group] = replace(lines[at][group], low=low, high=high, descriptive=found.descriptive)
    return [tuple(one) for one in lines]


def _lines(
    attribute: str, measured: SampleValues, arrays: SampleArrays, rules: FairnessRules
) -> Iterator[tuple[GroupLine, _Numbers | None]]:
    """Yield the lines of a measure without their intervals, each with the numbers behind it, if any."""
    names, label = arrays.labels(attribute)
    values, about = arrays.values(measured), arrays.about(measured)
    known = np.isfinite(values)
    for group, name in enumerate(names):
        own = about & (label == group)
        if not own.any():
            continue
        scored = own & known
        numbers = values[scored]
        member = np.unique(arrays.person[scored], return_inverse=True)[1].astype(np.int64)
        persons = int(member.max()) + 1 if len(member) else 0
        samples = int(own.sum())
        lacking = np.flatnonzero(own & ~known)
        line = GroupLine(
            value=name,
            samples=samples,
            videos=len(numbers),
            identities=persons,
            mean=combine(numbers, measured.measure.aggregate) if len(numbers) else None,
            coverage=len(numbers) / samples,
            reasons=dict(Counter(measured.reasons[arrays.people.samples[at]] for at in lacking).most_common()),
            too_few=_too_few(len(numbers), persons, rules),
        )
        median = measured.measure.aggregate == "median"
        yield line, _Numbers((0, 0), numbers, member, median) if len(numbers) else None


def _too_few(videos: int, persons: int, rules: FairnessRules) -> str | None:
    if videos < rules.min_videos:
        return f"too few to say: {count(videos, 'video')} with a value, {rules.min_videos} are needed"
    if persons < rules.min_identities:
        return f"too few to say: {count(persons, 'person', 'people')}, {rules.min_identities} are needed"
    return None


def _intervals(wanted: Sequence[_Numbers], rules: FairnessRules) -> Iterator[tuple[tuple[int, int], ClusterInterval]]:
    """Yield the interval of each place: people are drawn, each with all of their videos.

    Groups of equally many people share their draws, whatever the measure: so these are made once, and the means of
    all of them are one product of matrices.
    """
    alike: dict[int, list[_Numbers]] = {}
    for one in wanted:
        alike.setdefault(one.persons, []).append(one)
    for persons, some in alike.items():
        counts = multinomial_counts(np.random.default_rng([rules.seed, persons]), persons, rules.draws)
        means = [one for one in some if not one.median]
        # Sums of each person once, in place of a weight for every video in every draw.
        sums = [np.bincount(one.member, weights=one.values) for one in means]
        videos = [np.bincount(one.member).astype(np.float64) for one in means]
        if means:
            found = intervals_of_means(np.column_stack(sums), np.column_stack(videos), counts)
            yield from zip([one.place for one in means], found, strict=True)
        for one in some:
            if one.median:
                yield (
                    one.place,
                    interval_of_draws(
                        lambda weights, of=one.values: _weighted_medians(of, weights),  # type: ignore[misc]
                        one.member,
                        counts,
                    ),
                )


def _weighted_medians(numbers: Vector, weights: Matrix) -> Vector:
    """Return the medians (draws,) of numbers (n,) that count as often as ``weights`` (draws, n), whole numbers."""
    order = np.argsort(numbers, kind="stable")
    reached = np.cumsum(weights[:, order], axis=1)
    total = reached[:, -1:]
    low = (reached >= np.ceil(total / 2)).argmax(axis=1)
    high = (reached >= np.floor(total / 2) + 1).argmax(axis=1)
    return np.asarray((numbers[order][low] + numbers[order][high]) / 2)
