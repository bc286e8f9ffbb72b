"""Numbers from what was read: the metrics' own arithmetic over the features of both sides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest

from evalkit.errors import EvalkitError
from evalkit.metrics.base import FeatureData, Metric, SetMetric, SetValue, VideoInputs, VideoValue, unscored
from evalkit.metrics.distances.set_distance import DistributionDistance
from evalkit.metrics.features.base import FeatureRecord
from evalkit.scoring import aggregate
from evalkit.scoring.scorecard import MetricScore, ScoreEvent
from evalkit.scoring.video_scores import METRIC_ERROR, OUT_OF_RANGE, range_fault
from evalkit.text import count

REFERENCE = "_reference"  # what the names of features of reference videos end with
NO_PARTNER = "no_reference_video"  # as `evalkit score` says of a sample without one
_UNEQUAL = "sets_differ_in_size"

Load = Callable[[str, str], FeatureData]  # feature, name of a file -> its data


@dataclass(frozen=True)
class Sources:
    """Where the features come from.

    Args:
        generated: names of all generated files.
        read: names of those that were read.
        real: names of the real files whose features are there.
        partner: generated name -> real name.
        load_generated, load_real: give a feature of a file.
        unread_reason: why a generated file has no values.
    """

    generated: tuple[str, ...]
    read: tuple[str, ...]
    real: tuple[str, ...]
    partner: Mapping[str, str]
    load_generated: Load
    load_real: Load
    unread_reason: Mapping[str, str]


def sides_of(metric: Metric, records: Mapping[str, FeatureRecord]) -> tuple[str, str] | None:
    """Return the feature that a distance of distributions reads of both sides, and its name for the real side.

    ``None`` for any other metric. Both features have the same network and options: that of the real side is computed
    as if the file were a generated one, so that it is read in the same way and found in the cache.
    """
    if not isinstance(metric, DistributionDistance) or len(metric.record.features) != 2:
        return None
    ours, theirs = metric.record.features
    one, other = records.get(ours), records.get(theirs)
    if theirs != f"{ours}{REFERENCE}" or one is None or other is None:
        return None
    alike = (one.version, one.options, one.weights) == (other.version, other.options, other.weights)
    return (
        (ours, theirs) if alike and set(one.inputs) == {"video"} and set(other.inputs) == {"reference_video"} else None
    )


def measure_set(metric: SetMetric, sides: tuple[str, str] | None, sources: Sources) -> MetricScore:
    """Return a metric's number of all files; what a metric does wrong costs this number alone."""
    record = metric.record
    paired = sides is not None and metric.pairs_samples if isinstance(metric, DistributionDistance) else True
    lost: dict[str, Counter[str]] = {"generated": Counter(), "real": Counter()}
    whole = sides is not None and not paired
    inputs = _whole(sides, sources, lost) if sides and whole else _by_pair(record.features, sides, sources)
    try:
        value: object = metric.score_set(inputs)
    except EvalkitError:
        raise
    except Exception as error:  # noqa: BLE001 - a metric's bug must not cost the other metrics
        return _faulty(metric, METRIC_ERROR, f"{type(error).__name__}: {error}")
    if not isinstance(value, SetValue):
        return _faulty(metric, METRIC_ERROR, f"returned a {type(value).__name__}; expected a SetValue")
    if (outside := range_fault(record, value.value)) is not None:
        return _faulty(metric, OUT_OF_RANGE, outside)
    score = aggregate.set_score(record, value, len(sources.generated))
    if not whole:
        return score
    notes = [note for note in score.notes if note.kind != _UNEQUAL]
    notes += _left_out(lost, sources)
    return score.model_copy(update={"notes": tuple(notes)})


def measure_files(metric: Metric, outcomes: Mapping[str, Mapping[str, VideoValue]], sources: Sources) -> MetricScore:
    """Return the number of a metric per file: ``outcomes`` has its values by file and metric."""
    name = metric.record.id
    values = {
        file: outcomes[file][name] if file in outcomes else unscored(sources.unread_reason[file])
        for file in sources.generated
    }
    return aggregate.score_of_videos(metric, values)


def _whole(sides: tuple[str, str], sources: Sources, lost: Mapping[str, Counter[str]]) -> Iterator[VideoInputs]:
    """Yield all files of both sides, one of each at a time: which stands beside which has no meaning.

    Why a file lacks the feature is counted in ``lost``.
    """
    nothing = FeatureData(None, "no_counterpart")
    for ours, theirs in zip_longest(sources.read, sources.real):
        one = sources.load_generated(sides[0], ours) if ours is not None else nothing
        other = sources.load_real(sides[0], theirs) if theirs is not None else nothing
        for title, name, data in (("generated", ours, one), ("real", theirs, other)):
            if name is not None and data.arrays is None:
                lost[title][data.reason or "feature_missing"] += 1
        # The name sorts the generated side; a real file has that of a generated one, or its own where there is none.
        yield VideoInputs(ours if ours is not None else f"{theirs}\0", {sides[0]: one, sides[1]: other})


def _by_pair(names: tuple[str, ...], sides: tuple[str, str] | None, sources: Sources) -> Iterator[VideoInputs]:
    for file in sources.read:
        partner = sources.partner.get(file)
        features = {}
        for name in names:
            if sides is not None and name == sides[1]:
                known = partner in sources.real if partner is not None else False
                features[name] = sources.load_real(sides[0], partner or "") if known else FeatureData(None, NO_PARTNER)
            else:
                features[name] = sources.load_generated(name, file)
        yield VideoInputs(file, features)


def _left_out(lost: Mapping[str, Counter[str]], sources: Sources) -> list[ScoreEvent]:
    """Return how many files of either side lack the feature, by reason."""
    found = []
    for title, number in (("generated", len(sources.read)), ("real", len(sources.real))):
        if reasons := lost[title]:
            words = ", ".join(f"{reason} ({times})" for reason, times in sorted(reasons.items()))
            detail = f"{reasons.total()} of {count(number, f'{title} file')} left out: {words}"
            found.append(ScoreEvent(kind="files_left_out", detail=detail))
    return found


def _faulty(metric: Metric, reason: str, detail: str) -> MetricScore:
    score = aggregate.unavailable(metric.record.id, reason, metric.record)
    return score.model_copy(update={"notes": (ScoreEvent(kind=reason, detail=detail),)})
