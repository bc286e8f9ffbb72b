"""Values per sample: metrics against people point by point, and distributions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from evalkit.leaderboard.answers import RatedColumn
from evalkit.leaderboard.model import Distribution, Points
from evalkit.leaderboard.runs import Runs
from evalkit.leaderboard.table import Column
from evalkit.statistics.correlation import correlate

DRAWS = 200  # resamples of a correlation's interval; Kendall's is slow
Samples = Mapping[str, float]
SampleValues = Mapping[str, Mapping[int, Samples]]


def sample_values(columns: Sequence[Column], field: Runs, people: Mapping[str, RatedColumn]) -> SampleValues:
    """Return column id -> competing run (index into the field) -> sample -> value, where there are any.

    A metric's values are those of the scorecard, a dimension's the opinion scores of the videos.
    """
    return {column.id: _values(column, field, people) for column in columns}


def _values(column: Column, field: Runs, people: Mapping[str, RatedColumn]) -> dict[int, Samples]:
    found: dict[int, Samples] = {}
    items = people[column.id].items if column.id in people else {}
    for at, one in enumerate(field.entrants):
        if not one.competes:
            continue
        if column.kind == "metric":
            row = field.per_video(column.id)[at]
            values = {field.samples[where]: float(row[where]) for where in np.flatnonzero(np.isfinite(row))}
        else:
            values = {sample: items[one.key, sample] for sample in field.samples if (one.key, sample) in items}
        if values:
            found[at] = values
    return found


def metric_points(columns: Sequence[Column], field: Runs, values: SampleValues, *, seed: int) -> tuple[Points, ...]:
    """Return every metric with a better side and values per video against every dimension with opinion scores.

    One point per competing run and sample that has both. Samples are resampled whole, for all teams together, because
    a sample that is hard for one is hard for others. A metric whose scorecards disagree in what it means is left out:
    its values are no single quantity, and its column says so.
    """
    metrics = [
        column
        for column in columns
        if column.kind == "metric" and column.higher_is_better is not None and column.protocol is not None
    ]
    dimensions = [column for column in columns if column.kind == "dimension"]
    return tuple(
        _points(metric, dimension, field, values, seed)
        for metric in metrics
        for dimension in dimensions
        if values[metric.id] and values[dimension.id]
    )


def _points(metric: Column, dimension: Column, field: Runs, values: SampleValues, seed: int) -> Points:
    found = [
        (at, sample, values[metric.id][at][sample], y)
        for at, samples in values[dimension.id].items()
        for sample, y in samples.items()
        if sample in values[metric.id].get(at, {})
    ]
    x = np.array([point[2] for point in found], dtype=np.float64)
    y = np.array([point[3] for point in found], dtype=np.float64)
    clusters = np.array([field.sample_index[point[1]] for point in found], dtype=np.int64)
    return Points(
        metric=metric.id,
        dimension=dimension.id,
        teams=tuple(field.entrants[point[0]].label for point in found),
        samples=tuple(point[1] for point in found),
        x=tuple(point[2] for point in found),
        y=tuple(point[3] for point in found),
        agreement=correlate(
            x, y, higher_is_better=bool(metric.higher_is_better), clusters=clusters, draws=DRAWS, seed=seed
        ),
    )


def distributions(columns: Sequence[Column], field: Runs, values: SampleValues) -> tuple[Distribution, ...]:
    """Return the sorted values of every column over each competing run's samples."""
    return tuple(
        Distribution(field.entrants[at].label, column.id, tuple(sorted(samples.values())))
        for column in columns
        for at, samples in values[column.id].items()
    )
