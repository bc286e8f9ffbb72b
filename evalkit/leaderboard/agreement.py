"""How well metrics agree with people: over videos and over teams, per dimension and for all of them together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from evalkit.leaderboard.model import ALL_DIMENSIONS, Points
from evalkit.leaderboard.per_sample import Samples, SampleValues
from evalkit.leaderboard.runs import Runs
from evalkit.leaderboard.table import Column, Row
from evalkit.statistics.correlation import FEWEST_FOR_INTERVAL, Coefficient, Correlations, correlate

CORRELATION_DRAWS = 200  # resamples of a correlation's interval; Kendall's is slow


def metric_points(columns: Sequence[Column], runs: Runs, values: SampleValues, *, seed: int) -> tuple[Points, ...]:
    """Return every metric with a better side and values per video against every dimension with opinion scores.

    One point per competing run and sample that has both. Samples are resampled whole, for all teams together, because
    a sample that is hard for one is hard for others. A metric whose scorecards disagree in what it means is left out:
    its values are no single quantity, and its column says so.
    """
    dimensions = [column.id for column in columns if column.kind == "dimension" and values[column.id]]
    return tuple(
        _points(metric, name, runs, measured=values[metric.id], rated=values[name], seed=seed)
        for metric in _metrics(columns)
        for name in dimensions
        if values[metric.id]
    )


def overall_points(columns: Sequence[Column], runs: Runs, values: SampleValues, *, seed: int) -> tuple[Points, ...]:
    """Return every such metric against the mean over all dimensions that anybody rated; nothing for fewer than two.

    Only samples that are rated in all of them have a point. Where the dimensions' scales differ, each score counts as
    its share of the scale.
    """
    dimensions = [column for column in columns if column.kind == "dimension" and values[column.id]]
    if len(dimensions) < 2:
        return ()
    mean: dict[int, dict[str, float]] = {}
    for at in values[dimensions[0].id]:
        scores = [values[one.id].get(at, {}) for one in dimensions]
        rated = [sample for sample in scores[0] if all(sample in one for one in scores)]
        mean[at] = {sample: _mean([one[sample] for one in scores], dimensions) for sample in rated}
    return tuple(
        _points(metric, ALL_DIMENSIONS, runs, measured=values[metric.id], rated=mean, seed=seed)
        for metric in _metrics(columns)
        if values[metric.id] and any(mean.values())
    )


def team_points(columns: Sequence[Column], runs: Runs, rows: Sequence[Row], *, seed: int) -> tuple[Points, ...]:
    """Return the number of every competing run in a metric against its number in a dimension, a point per run.

    Numbers of the whole set, such as FID, are among them. Too few runs to say anything (`FEWEST_FOR_INTERVAL`) have
    points and no coefficient.
    """
    by_key = {row.key: row for row in rows}
    competing = [by_key[one.key] for one in runs.competing if one.key in by_key]
    dimensions = [column for column in columns if column.kind in {"dimension", "pairs"} and _numbers(competing, column)]
    targets = {one.id: _numbers(competing, one) for one in dimensions}
    if len(dimensions) > 1:
        whole = [label for label in targets[dimensions[0].id] if all(label in one for one in targets.values())]
        targets[ALL_DIMENSIONS] = {
            label: _mean([targets[one.id][label] for one in dimensions], dimensions) for label in whole
        }
    found = []
    for metric in _metrics(columns):
        numbers = _numbers(competing, metric)
        for name, human in targets.items():
            labels = tuple(label for label in numbers if label in human)
            x, y = (tuple(values[label] for label in labels) for values in (numbers, human))
            if labels:
                found.append(Points(metric.id, name, labels, (), x, y, _of_teams(x, y, metric, seed)))
    return tuple(found)


def _of_teams(x: Sequence[float], y: Sequence[float], metric: Column, seed: int) -> Correlations:
    if len(x) < FEWEST_FOR_INTERVAL:
        gap = Coefficient(None, None, f"fewer_than_{FEWEST_FOR_INTERVAL}")
        return Correlations(len(x), len(x), gap, gap, gap)
    higher = bool(metric.higher_is_better)
    return correlate(np.array(x), np.array(y), higher_is_better=higher, draws=CORRELATION_DRAWS, seed=seed)


def _metrics(columns: Sequence[Column]) -> list[Column]:
    return [
        column
        for column in columns
        if column.kind == "metric" and column.higher_is_better is not None and column.protocol is not None
    ]


def _numbers(rows: Sequence[Row], column: Column) -> dict[str, float]:
    """Return label -> the run's number, where it has one."""
    cells = {row.label: row.cells.get(column.id) for row in rows}
    return {label: cell.value for label, cell in cells.items() if cell is not None and cell.value is not None}


def _mean(scores: Sequence[float], dimensions: Sequence[Column]) -> float:
    if len({one.range for one in dimensions}) > 1:
        spans = [one.range or (0.0, 1.0) for one in dimensions]
        scores = [(score - low) / (high - low) for score, (low, high) in zip(scores, spans, strict=True)]
    return float(np.mean(scores))


def _points(
    metric: Column,
    dimension: str,
    runs: Runs,
    *,
    measured: Mapping[int, Samples],
    rated: Mapping[int, Samples],
    seed: int,
) -> Points:
    found = [
        (at, sample, measured[at][sample], y)
        for at, samples in rated.items()
        for sample, y in samples.items()
        if sample in measured.get(at, {})
    ]
    x = np.array([point[2] for point in found], dtype=np.float64)
    y = np.array([point[3] for point in found], dtype=np.float64)
    clusters = np.array([runs.sample_index[point[1]] for point in found], dtype=np.int64)
    return Points(
        metric=metric.id,
        dimension=dimension,
        teams=tuple(runs.entrants[point[0]].label for point in found),
        samples=tuple(point[1] for point in found),
        x=tuple(point[2] for point in found),
        y=tuple(point[3] for point in found),
        agreement=correlate(
            x, y, higher_is_better=bool(metric.higher_is_better), clusters=clusters, draws=CORRELATION_DRAWS, seed=seed
        ),
    )
