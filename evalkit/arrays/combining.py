"""From the values of videos to one `Measurement`: by the same functions as a scorecard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from evalkit.arrays.record import Measurement
from evalkit.errors import EvalkitError
from evalkit.metrics.base import (
    Event,
    FeatureData,
    Metric,
    SetMetric,
    SetValue,
    VideoInputs,
    VideoValue,
    metric_registry,
)
from evalkit.metrics.distances.set_distance import OTHER_SIDE_ONLY, DistributionDistance
from evalkit.scoring.aggregate import score_of_videos, set_score
from evalkit.scoring.scorecard import MetricScore
from evalkit.scoring.video_scores import METRIC_ERROR, OUT_OF_RANGE, range_fault

UNPAIRED = Event(
    "all_of_both_sides",
    "the videos and references are not as many or not as long: all of both count. 'evalkit score' pairs each video "
    "with its reference instead and leaves out what is longer",
)


NO_PART = FeatureData(None, OTHER_SIDE_ONLY)


def sides_of(metric: SetMetric, rows: Sequence[VideoInputs], references: Sequence[VideoInputs]) -> list[VideoInputs]:
    """Return what a metric of the whole set reads: the rows, and the references that belong to none of them."""
    features = metric.record.features
    if not references or not isinstance(metric, DistributionDistance):
        return [_with(row, {name: row.features.get(name, NO_PART) for name in features}) for row in rows]
    ours, theirs = features[:1], features[1:]
    return [
        *(_with(row, {name: row.features[name] if name in ours else NO_PART for name in features}) for row in rows),
        *(
            replace(
                _with(row, {name: row.features[name] if name in theirs else NO_PART for name in features}),
                sample=f"reference {row.sample}",
            )
            for row in references
        ),
    ]


def _with(row: VideoInputs, features: Mapping[str, FeatureData]) -> VideoInputs:
    return replace(row, features=features)


def whole_form(metric: SetMetric, rows: Sequence[VideoInputs]) -> SetMetric:
    """Return the metric that takes all vectors of both sides: itself where it leaves out none of these.

    Else it is the registered metric of unpaired sets (``fid.pytorch.unpaired``) where there is one.
    """
    if not isinstance(metric, DistributionDistance) or metric.keeps_everything(rows):
        return metric
    registered = metric_registry().get(f"{metric.record.id}.unpaired")
    if isinstance(registered, SetMetric) and registered.record.features == metric.record.features:
        return registered
    return metric.unpaired()


def measurement_of_set(asked: SetMetric, rows: Sequence[VideoInputs], provenance: Mapping[str, Any]) -> Measurement:
    """Return a metric of the whole set; an exception of another package's metric becomes its reason."""
    metric = whole_form(asked, rows)
    record = metric.record
    try:
        value: Any = metric.score_set(iter(rows))
        if not isinstance(value, SetValue):
            value = SetValue(None, 0, METRIC_ERROR, notes=(Event(METRIC_ERROR, f"returned a {type(value).__name__}"),))
        elif (fault := range_fault(record, value.value)) is not None:
            value = SetValue(None, 0, OUT_OF_RANGE, notes=(Event(OUT_OF_RANGE, fault),))
    except EvalkitError:
        raise
    except Exception as error:  # noqa: BLE001 - as in a run: the other metrics go on
        value = SetValue(None, 0, METRIC_ERROR, notes=(Event(METRIC_ERROR, f"{type(error).__name__}: {error}"),))
    if metric is not asked:
        value = replace(value, notes=(UNPAIRED, *value.notes))
    ours = [row for row in rows if row.features[record.features[0]].arrays is not None]
    detail = ""
    if value.value is None:
        missing = (row.features[name] for row in rows for name in record.features if name in row.features)
        detail = next((data.detail for data in missing if data.reason == value.reason and data.detail), "")
    return _measurement(metric, set_score(record, value, max(len(ours), value.n)), provenance, detail=detail)


def measurement_of_videos(
    metric: Metric, outcomes: Mapping[str, VideoValue], provenance: Mapping[str, Any]
) -> Measurement:
    """Return the number over videos, sample -> value in the order given."""
    score = score_of_videos(metric, outcomes)
    details = (event.detail for one in outcomes.values() for event in one.events if event.kind == score.reason)
    return _measurement(
        metric,
        score,
        provenance,
        detail=next(details, "") if score.reason else "",
        values=tuple(one.value for one in outcomes.values()),
        reasons=tuple(one.reason for one in outcomes.values()),
        events=tuple(one.events for one in outcomes.values()),
    )


def _measurement(metric: Metric, score: MetricScore, provenance: Mapping[str, Any], **fields: Any) -> Measurement:
    record = metric.record
    return Measurement(
        metric=record.id,
        title=record.title,
        value=score.value,
        reason=score.reason,
        unit=record.unit,
        higher_is_better=record.higher_is_better,
        protocol=record.protocol,
        n=score.n,
        coverage=score.coverage,
        ci95=score.ci95,
        details=dict(score.details),
        notes=tuple(Event(note.kind, note.detail) for note in score.notes),
        provenance=provenance,
        **fields,
    )
