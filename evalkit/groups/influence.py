"""How much of an order a group decides: the order without it, and its part of neighbours' differences."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import numpy as np

from evalkit.groups.inputs import Entry, GroupedSamples, SampleValues
from evalkit.groups.model import MOST_SHARE, Influence, Measure, PairShare
from evalkit.groups.names import in_order
from evalkit.groups.sample_arrays import numbered
from evalkit.scoring.aggregate import combine

MOST_GROUPS = 40  # each is one more ranking, and a scorecard of others may name thousands
_EQUAL = 1e-12  # relative: a difference that is rounding comes from no group


def influence_of_groups(entries: Sequence[Entry], people: GroupedSamples) -> tuple[Influence, ...]:
    """Return the influence of every attribute's groups on the order of entries in every measure with a better side."""
    if len(entries) < 2:
        return ()
    found = []
    measures: dict[str, Measure] = {}
    for one in (measured.measure for entry in entries for measured in entry.measured):
        measures.setdefault(one.id, one)
    for attribute, labels in few_groups(people):
        for measure in measures.values():
            if measure.kind not in {"metric", "dimension"} or measure.higher_is_better is None:
                continue
            of_all = {one.name: _of(one, measure.id) for one in entries}
            known = {name: one for name, one in of_all.items() if one is not None and one.values}
            if len(known) > 1:
                found.append(_influence(attribute, labels, known))
    return tuple(found)


def few_groups(people: GroupedSamples) -> list[tuple[str, Mapping[str, str]]]:
    """Return the attributes, with their labels by sample, whose groups are no more than `MOST_GROUPS` in all.

    An attribute of which all samples have the same value is none of them: without its group nothing is left.
    """
    found, total = [], 0
    for attribute, labels in people.groups.items():
        if len(labels) == len(people.samples) and len(set(labels.values())) == 1:
            continue
        total += len(set(labels.values()))
        if total <= MOST_GROUPS:
            found.append((attribute, labels))
    return found


def _of(entry: Entry, measure: str) -> SampleValues | None:
    return next((one for one in entry.measured if one.measure.id == measure), None)


def _influence(attribute: str, labels: Mapping[str, str], known: Mapping[str, SampleValues]) -> Influence:
    measure = next(iter(known.values())).measure
    groups = tuple(in_order(labels.values()))
    numbers = {
        name: (np.array(list(one.values.values()), dtype=np.float64), numbered(tuple(one.values), labels, groups))
        for name, one in known.items()
    }

    def order(without: str | None) -> tuple[str, ...] | None:
        left_out = groups.index(without) if without is not None else None
        means = {}
        for name, (values, label) in numbers.items():
            kept = values if left_out is None else values[label != left_out]
            if not len(kept):
                return None
            means[name] = combine(kept, measure.aggregate)
        return tuple(sorted(means, key=lambda name: means[name] * (-1 if measure.higher_is_better else 1)))

    whole = order(None) or ()
    pairs = [_share(labels, groups, known, *pair) for pair in pairwise(whole)]
    return with_moves((attribute, measure.id), whole, groups, order, pairs=[one for one in pairs if one is not None])


def with_moves(
    of: tuple[str, str],
    whole: tuple[str, ...],
    groups: Sequence[str],
    order: Callable[[str], tuple[str, ...] | None],
    *,
    pairs: Sequence[PairShare] = (),
) -> Influence:
    """Return the influence of ``groups`` on the order ``whole``.

    Args:
        of: the attribute whose groups they are, and the measure, or ``ranking``.
        whole: names, best first.
        groups: to leave out, one after the other.
        order: group -> the order without it.
        pairs: of neighbours.
    """
    without = {group: order(group) for group in groups}
    moved = {group: None if after is None else _moved(whole, after) for group, after in without.items()}
    return Influence(*of, whole, without, moved, tuple(pairs))


def _moved(before: Sequence[str], after: Sequence[str]) -> int:
    """Return how many names have another place, or are in one of the orders alone."""
    places = [{name: at for at, name in enumerate(order)} for order in (before, after)]
    return sum(places[0].get(name) != places[1].get(name) for name in {*before, *after})


def _share(
    labels: Mapping[str, str], groups: Sequence[str], known: Mapping[str, SampleValues], better: str, worse: str
) -> PairShare | None:
    """Return the parts of the difference of two entries; ``None`` where they don't differ, or of a median."""
    first, second = known[better], known[worse]
    common = [sample for sample in first.values if sample in second.values and sample in labels]
    differences = {sample: first.values[sample] - second.values[sample] for sample in common}
    total = sum(differences.values())
    size = sum(map(abs, differences.values()))
    if not common or abs(total) <= _EQUAL * max(size, 1e-300) or first.measure.aggregate == "median":
        return None
    by_group: dict[str, list[float]] = {group: [] for group in groups}
    for sample, difference in differences.items():
        by_group[labels[sample]].append(difference)
    shares = {group: sum(part) / total for group, part in by_group.items()}
    leads = (total > 0) == first.measure.higher_is_better
    return PairShare(
        better,
        worse,
        total / len(common),
        parts={group: sum(part) / len(common) for group, part in by_group.items()},
        shares=shares if leads and max(map(abs, shares.values())) <= MOST_SHARE else None,
        expected={group: len(part) / len(common) for group, part in by_group.items()},
    )
