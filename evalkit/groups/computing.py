"""From numbers per sample to a `FairnessReport`: lines per group, gaps, one family of tests, and what is refused."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from evalkit.errors import InputError, UsageError
from evalkit.groups.distances import group_distances, refused_numbers
from evalkit.groups.influence import influence_of_groups
from evalkit.groups.inputs import Entry, GroupedSamples, SampleValues
from evalkit.groups.lines import group_lines
from evalkit.groups.model import FairnessReport, FairnessRules, GroupTable
from evalkit.groups.sample_arrays import SampleArrays
from evalkit.groups.words import NAMED, findings
from evalkit.statistics.group_gaps import LabelShuffles, gap_of_means, holm
from evalkit.text import escape_for_display

LARGEST = 1e100  # of a value: sums and squares of larger ones may not be finite
MOST_GROUPS = 500  # of all attributes: each is a line of every measure and submission, and hostile ones name thousands


def compare_groups(
    entries: Sequence[Entry],
    people: GroupedSamples,
    rules: FairnessRules | None = None,
    truth: Entry | None = None,
) -> FairnessReport:
    """Return the report of ``entries``.

    Args:
        entries: the submissions, whose names must differ.
        people: who is in which sample.
        rules: how groups are compared.
        truth: the real videos as an entry: their gaps stand beside those of the entries.

    Raises:
        InputError: no sample has a group, or two entries have one name.
        UsageError: an unknown attribute is to be combined.
    """
    rules = rules or FairnessRules()
    if len({one.name for one in entries}) < len(entries):
        raise InputError("Two submissions have the same name.", found=", ".join(sorted(one.name for one in entries)))
    if not people.groups:
        raise InputError(
            "No sample says which group it is of, so there is nothing to compare.",
            expected='\'groups\' in the test set, such as {"gender": "female"}',
            fix="Add groups that people told you or annotators wrote; evalkit never infers them from a video.",
        )
    if rules.min_videos < 2 or rules.min_identities < 2:
        raise UsageError("A group needs at least two videos and two people, to be compared.")
    people, left_out = _bounded(people.with_combinations(rules.intersect))
    entries, beyond = _of_possible_size(entries)
    truth = None if truth is None else _of_possible_size([truth])[0][0]
    attributes = tuple(people.groups)
    arrays = SampleArrays(people)
    tables = [table for attribute in attributes for table in _tables(attribute, entries, arrays, rules)]
    if truth is not None:
        tables = [_beside_truth(table, truth, arrays, rules) for table in tables]
    tested = _tested(tables, entries, arrays, rules)
    refused = refused_numbers(entries)
    report = FairnessReport(
        rules=rules,
        entries=tuple(one.name for one in entries),
        attributes=attributes,
        tables=tuple(tested),
        refused=refused,
        distances=group_distances(entries, people),
        influence=influence_of_groups(entries, people),
        tests=sum(one.p is not None for one in tested),
        truth=truth is not None,
        identities_known=people.identities_known,
    )
    return replace(report, findings=(*findings(report), *left_out, *beyond))


def _bounded(people: GroupedSamples) -> tuple[GroupedSamples, tuple[str, ...]]:
    """Return the attributes that `MOST_GROUPS` has room for, by name, and a sentence about the others."""
    kept: dict[str, Mapping[str, str]] = {}
    out: list[str] = []
    total = 0
    for attribute, labels in people.groups.items():
        number = len(set(labels.values()))
        if total + number <= MOST_GROUPS:
            kept[attribute] = labels
            total += number
        else:
            out.append(f"{escape_for_display(attribute, 60)} ({number:,})")
    if not out:
        return people, ()
    named = ", ".join(out[:NAMED]) + (f" and {len(out) - NAMED:,} more" if len(out) > NAMED else "")
    room = f"There is room for {MOST_GROUPS} groups of all attributes together."
    return replace(people, groups=kept), (f"Not compared, for too many groups: {named}. {room}",)


def _of_possible_size(entries: Sequence[Entry]) -> tuple[list[Entry], tuple[str, ...]]:
    """Return the entries without measures whose sums may not be finite, and a sentence about these."""
    kept, out = [], []
    for entry in entries:
        large = [one for one in entry.measured if not all(abs(value) <= LARGEST for value in one.values.values())]
        kept.append(replace(entry, measured=tuple(one for one in entry.measured if one not in large)))
        out += [f"{one.measure.title} of {entry.name}" for one in large]
    if not out:
        return kept, ()
    named = ", ".join(out[:NAMED]) + (f" and {len(out) - NAMED:,} more" if len(out) > NAMED else "")
    return kept, (f"Not compared, for values beyond {LARGEST:g}, of which no mean can be made: {named}.",)


def _tables(
    attribute: str, entries: Sequence[Entry], arrays: SampleArrays, rules: FairnessRules
) -> Iterator[GroupTable]:
    """Yield the tables of an attribute without their tests, and without the real videos."""
    measures = [(entry.name, measured) for entry in entries for measured in entry.measured]
    lines = group_lines(attribute, [measured for _, measured in measures], arrays, rules)
    unlabelled = arrays.labels(attribute)[1] < 0
    for (entry, measured), found in zip(measures, lines, strict=True):
        without = int((arrays.about(measured) & unlabelled).sum())
        yield _with_gap(GroupTable(attribute, entry, measured.measure, found, unlabelled=without))


def _with_gap(table: GroupTable) -> GroupTable:
    """Return the table with the gap of its groups, or why there is no test of it."""
    measure = table.measure
    chosen = table.compared
    if measure.higher_is_better is None:
        untested = "Neither side is better, so no group is worse."
    elif len(chosen) < 2:
        untested = "Fewer than two groups are large enough."
    else:
        untested = None
    if len(chosen) > 1:
        means = [float(line.mean) for line in chosen if line.mean is not None]
        found = gap_of_means(means, higher_is_better=measure.higher_is_better is not False)
        table = replace(table, gap=found.gap, ratio=found.ratio, macro=found.macro)
        if measure.higher_is_better is not None and found.gap > 0:
            table = replace(table, worst=chosen[found.worst].value, best=chosen[found.best].value)
    return replace(table, untested=untested)


def _beside_truth(table: GroupTable, truth: Entry, arrays: SampleArrays, rules: FairnessRules) -> GroupTable:
    """Return the table with the gap of the real videos, over the groups that are compared."""
    same = next((one for one in truth.measured if one.measure.id == table.measure.id), None)
    if same is None and table.measure.kind in {"coverage", "detection"}:
        same = _all_found(table, truth)
    if same is None:
        return replace(table, no_real="The real videos have no values of it.")
    (found,) = group_lines(table.attribute, [same], arrays, rules, intervals=False)
    real = {line.value: line for line in found}
    lines = tuple(
        replace(line, real_mean=real[line.value].mean if line.value in real else None) for line in table.lines
    )
    table = replace(table, lines=lines)
    if table.gap is None:
        return table
    small = [line.value for line in table.compared if line.value not in real or real[line.value].too_few is not None]
    if small:
        return replace(table, no_real=f"Too few of the real videos have a value: {', '.join(small)}.")
    means = [float(line.real_mean) for line in table.compared if line.real_mean is not None]
    gap = gap_of_means(means, higher_is_better=table.measure.higher_is_better is not False).gap
    return replace(table, real_gap=gap, excess=table.gap - gap)


def _all_found(table: GroupTable, truth: Entry) -> SampleValues | None:
    """Return the share of real videos with a value where it is 1: then no measure was made of it.

    ``None`` where the real videos were not asked for the same metrics.
    """
    covers = set(table.measure.covers)
    asked = [one for one in truth.measured if one.measure.kind == "metric" and one.measure.id in covers]
    if not covers or len(asked) < len(covers):
        return None
    found = dict.fromkeys((sample for one in asked for sample in one.values), 1.0)
    if table.measure.kind == "coverage":
        found |= dict.fromkeys((sample for one in asked for sample in one.reasons), 0.0)
    return SampleValues(table.measure, found)


def _tested(
    tables: Sequence[GroupTable], entries: Sequence[Entry], arrays: SampleArrays, rules: FairnessRules
) -> list[GroupTable]:
    """Return the tables with their p-values, and those corrected for all tests of the report."""
    measures = {(one.name, measured.measure.id): measured for one in entries for measured in one.measured}
    out = list(tables)
    for (attribute, groups, median), places in _alike(tables):
        names, label = arrays.labels(attribute)
        place = np.array([groups.index(name) if name in groups else -1 for name in names], dtype=np.int64)
        chosen = np.flatnonzero((label >= 0) & (place[label] >= 0))
        columns = np.column_stack(
            [arrays.values(measures[tables[at].entry, tables[at].measure.id])[chosen] for at in places]
        )
        person = np.unique(arrays.person[chosen], return_inverse=True)[1].astype(np.int64)
        shuffles = LabelShuffles(place[label[chosen]], person, draws=rules.permutations, seed=rules.seed)
        if not shuffles.changeable:
            for at in places:
                out[at] = replace(out[at], untested="Every person is of one group only, and no two may be exchanged.")
            continue
        for at, p in zip(places, shuffles.p_values(columns, medians=median), strict=True):
            out[at] = replace(out[at], p=float(p))
    places = [at for at, one in enumerate(out) if one.p is not None]
    for at, adjusted in zip(places, holm([out[at].p or 0.0 for at in places]), strict=True):
        out[at] = replace(out[at], adjusted=adjusted)
    return out


def _alike(tables: Sequence[GroupTable]) -> Iterator[tuple[tuple[str, tuple[str, ...], bool], list[int]]]:
    """Yield (attribute, compared groups, whether of medians) with the places of the tables that share its shuffles."""
    alike: dict[tuple[str, tuple[str, ...], bool], list[int]] = defaultdict(list)
    for at, table in enumerate(tables):
        if table.untested is None:
            names = tuple(line.value for line in table.compared)
            alike[table.attribute, names, table.measure.aggregate == "median"].append(at)
    yield from alike.items()
