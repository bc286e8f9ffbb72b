"""Values by groups of the test set (gender, ethnicity, age): the worst group, and how far it lies from the best."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from evalkit.leaderboard.metric_agreement import Samples, SampleValues
from evalkit.leaderboard.model import Breakdown, GroupValue
from evalkit.leaderboard.runs import Runs
from evalkit.leaderboard.table import Column


def breakdowns(columns: Sequence[Column], field: Runs, values: SampleValues) -> tuple[Breakdown, ...]:
    """Return a breakdown by every group of the test set, for every column that ranks and competing run with values.

    A number of the whole set has no values per video and therefore no groups. A video without a word on a group counts
    for none of its values.
    """
    names = sorted({name for one in field.entrants for video in one.run.card.videos for name in video.groups})
    members = {at: _members(field, at) for at, one in enumerate(field.entrants) if one.competes}
    return tuple(
        _breakdown(name, column, field.entrants[at].label, members[at].get(name, {}), samples)
        for name in names
        for column in columns
        if column.ranks
        for at, samples in values[column.id].items()
    )


def _members(field: Runs, at: int) -> dict[str, dict[str, list[str]]]:
    """Return group -> value -> samples of a run."""
    found: dict[str, dict[str, list[str]]] = {}
    for video in field.entrants[at].run.card.videos:
        for name, value in video.groups.items():
            found.setdefault(name, {}).setdefault(value, []).append(video.sample)
    return found


def _breakdown(
    name: str, column: Column, team: str, members: Mapping[str, Sequence[str]], samples: Samples
) -> Breakdown:
    rows = []
    for value in sorted(members):
        known = [samples[sample] for sample in members[value] if sample in samples]
        rows.append(GroupValue(value, math.fsum(known) / len(known) if known else None, len(known)))
    means = [(row.mean, row.value) for row in rows if row.mean is not None]
    if column.higher_is_better is None or len(means) < 2:
        return Breakdown(name, column.id, team, tuple(rows))
    low, high = min(mean for mean, _ in means), max(mean for mean, _ in means)
    worst = low if column.higher_is_better else high
    return Breakdown(
        name, column.id, team, tuple(rows), next(value for mean, value in means if mean == worst), high - low
    )
