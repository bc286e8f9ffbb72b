"""One line per group: how many videos and people, the number with its interval, or why the group is too small."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np

from evalkit.groups.inputs import GroupedSamples, SampleValues
from evalkit.groups.model import FairnessRules, GroupLine
from evalkit.groups.names import in_order
from evalkit.scoring.aggregate import combine
from evalkit.statistics.arrays import Matrix, Vector
from evalkit.statistics.bootstrap import multinomial_counts
from evalkit.statistics.cluster_bootstrap import ClusterInterval, interval_of_draws
from evalkit.text import count


def group_lines(
    labels: Mapping[str, str], measured: SampleValues, people: GroupedSamples, rules: FairnessRules
) -> tuple[GroupLine, ...]:
    """Return a line for every group of ``labels`` (sample -> group) that the measure is about, by name."""
    members: dict[str, list[str]] = defaultdict(list)
    for sample in people.samples:
        if sample in labels and (sample in measured.values or sample in measured.reasons):
            members[labels[sample]].append(sample)
    return tuple(_line(value, members[value], measured, people, rules) for value in in_order(members))


def _line(
    value: str, samples: Sequence[str], measured: SampleValues, people: GroupedSamples, rules: FairnessRules
) -> GroupLine:
    scored = [one for one in samples if one in measured.values]
    who = [people.identity[one] for one in scored]
    persons = len(set(who))
    too_few = None
    if len(scored) < rules.min_videos:
        too_few = f"too few to say: {count(len(scored), 'video')} with a value, {rules.min_videos} are needed"
    elif persons < rules.min_identities:
        too_few = f"too few to say: {count(persons, 'person', 'people')}, {rules.min_identities} are needed"
    line = GroupLine(
        value=value,
        samples=len(samples),
        videos=len(scored),
        identities=persons,
        mean=None,
        coverage=len(scored) / len(samples),
        reasons=dict(Counter(measured.reasons[one] for one in samples if one in measured.reasons).most_common()),
        too_few=too_few,
    )
    if not scored:
        return line
    numbers = np.array([measured.values[one] for one in scored], dtype=np.float64)
    mean = combine(numbers, measured.measure.aggregate)
    if too_few is not None:
        return replace(line, mean=mean)
    found = _interval(numbers, who, measured.measure.aggregate == "median", rules)
    low, high = found.ends or (None, None)
    return replace(line, mean=mean, low=low, high=high, descriptive=found.descriptive)


def _interval(numbers: Vector, who: Sequence[str], median: bool, rules: FairnessRules) -> ClusterInterval:
    """Return the interval of a group's number: people are drawn, each with all of their videos."""
    member = np.unique(np.asarray(who), return_inverse=True)[1].astype(np.int64)
    counts = _counts(int(member.max()) + 1, rules.draws, rules.seed)
    if median:
        return interval_of_draws(lambda weights: _weighted_medians(numbers, weights), member, counts)
    # Sums of each person once, in place of a weight for every video in every draw.
    of_people = np.column_stack([np.bincount(member, weights=numbers), np.bincount(member)])

    def means(weights: Matrix) -> Vector:
        totals = weights @ of_people
        return np.asarray(totals[:, 0] / totals[:, 1])

    return interval_of_draws(means, np.arange(len(of_people)), counts)


@lru_cache(maxsize=64)  # groups of one size share their draws
def _counts(people: int, draws: int, seed: int) -> Matrix:
    return multinomial_counts(np.random.default_rng([seed, people]), people, draws)


def _weighted_medians(numbers: Vector, weights: Matrix) -> Vector:
    """Return the medians (draws,) of numbers (n,) that count as often as ``weights`` (draws, n), whole numbers."""
    order = np.argsort(numbers, kind="stable")
    reached = np.cumsum(weights[:, order], axis=1)
    total = reached[:, -1:]
    low = (reached >= np.ceil(total / 2)).argmax(axis=1)
    high = (reached >= np.floor(total / 2) + 1).argmax(axis=1)
    return np.asarray((numbers[order][low] + numbers[order][high]) / 2)
