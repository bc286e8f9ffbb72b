"""What the values per sample show: distributions, and the groups of a test set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from evalkit.leaderboard.answers import RatedColumn
from evalkit.leaderboard.model import Breakdown, DetectorCurve, Distribution, GroupValue
from evalkit.leaderboard.runs import Runs
from evalkit.leaderboard.table import Column
from evalkit.scoring.aggregate import combine
from evalkit.scoring.stored_curves import read_curves

Samples = Mapping[str, float]
SampleValues = Mapping[str, Mapping[int, Samples]]


def sample_values(columns: Sequence[Column], runs: Runs, rated: Mapping[str, RatedColumn]) -> SampleValues:
    """Return column id -> competing run (index) -> sample -> value, where there are any.

    A metric's values are those of the scorecard, a dimension's the opinion scores of the videos.
    """
    return {column.id: _values(column, runs, rated) for column in columns}


def _values(column: Column, runs: Runs, rated: Mapping[str, RatedColumn]) -> dict[int, Samples]:
    found: dict[int, Samples] = {}
    items = rated[column.id].items if column.id in rated else {}
    for at, one in enumerate(runs.entrants):
        if not one.competes:
            continue
        if column.kind == "metric":
            row = runs.per_video(column.id)[at]
            values = {runs.samples[where]: float(row[where]) for where in np.flatnonzero(np.isfinite(row))}
        else:
            values = {sample: items[one.key, sample] for sample in runs.samples if (one.key, sample) in items}
        if values:
            found[at] = values
    return found


def distributions(columns: Sequence[Column], runs: Runs, values: SampleValues) -> tuple[Distribution, ...]:
    """Return the sorted values of every column over each competing run's samples."""
    return tuple(
        Distribution(runs.entrants[at].label, column.id, tuple(sorted(samples.values())))
        for column in columns
        for at, samples in values[column.id].items()
    )


def breakdowns(columns: Sequence[Column], runs: Runs, values: SampleValues) -> tuple[Breakdown, ...]:
    """Return a breakdown by every group of the test set, for every column that ranks and competing run with values.

    A number of the whole set has no values per video and therefore no groups. A video whose scorecard does not name a
    group counts for none of that group's values.
    """
    names = sorted({name for one in runs.entrants for video in one.run.card.videos for name in video.groups})
    members = {at: _members(runs, at) for at, one in enumerate(runs.entrants) if one.competes}
    return tuple(
        _breakdown(name, column, runs.entrants[at].label, members[at].get(name, {}), samples)
        for name in names
        for column in columns
        if column.ranks
        for at, samples in values[column.id].items()
    )


def _members(runs: Runs, at: int) -> dict[str, dict[str, list[str]]]:
    """Return group -> value -> samples of a run."""
    found: dict[str, dict[str, list[str]]] = {}
    for video in runs.entrants[at].run.card.videos:
        for name, value in video.groups.items():
            found.setdefault(name, {}).setdefault(value, []).append(video.sample)
    return found


def _breakdown(
    name: str, column: Column, team: str, members: Mapping[str, Sequence[str]], samples: Samples
) -> Breakdown:
    rows = []
    for value in sorted(members):
        known = [samples[sample] for sample in members[value] if sample in samples]
        rows.append(GroupValue(value, combine(known, column.aggregate) if known else None, len(known)))
    means = [(row.mean, row.value) for row in rows if row.mean is not None]
    if column.higher_is_better is None or len(means) < 2:
        return Breakdown(name, column.id, team, tuple(rows))
    low, high = min(mean for mean, _ in means), max(mean for mean, _ in means)
    worst = low if column.higher_is_better else high
    return Breakdown(
        name, column.id, team, tuple(rows), next(value for mean, value in means if mean == worst), high - low
    )


def detector_curves(runs: Runs) -> tuple[DetectorCurve, ...]:
    """Return the ROC curves of the competing runs of scores, a curve per run and generator."""
    found = []
    for one in runs.competing:
        held = read_curves(one.run.card) if one.run.card.submission.kind == "scores" else None
        for curve in held.roc if held is not None else ():
            found.append(DetectorCurve(one.label, curve.name, curve.n_real, curve.n_fake, curve.points))
    return tuple(found)
