"""What must hold for every metric that is registered, a new one included."""

from __future__ import annotations

import copy
import math
import re

import numpy as np
import pytest
from plausible import FEATURES, declared, perfect, plausible

from evalkit.metrics.base import (
    FeatureData,
    Metric,
    MetricRecord,
    SetMetric,
    VideoInputs,
    VideoValue,
    metric_registry,
    unscored,
)
from evalkit.metrics.features.base import Extractor, feature_registry
from evalkit.scoring.aggregate import score_of_videos, set_score
from evalkit.scoring.plan import PSEUDO

METRICS = sorted(metric_registry().items())
SEEDS = range(12)
# What a metric says of a video that is its own reference, where that is not the best end of its range.
OF_ITSELF: dict[str, float | str] = {
    "identity.strict.arc.drift": 0.0,  # constant identity doesn't fade; negative values mean that it improves
    "identity.strict.cur.drift": 0.0,
}
every_metric = pytest.mark.parametrize("metric", [pytest.param(metric, id=name) for name, metric in METRICS])


def inputs(metric: Metric, seed: int) -> VideoInputs:
    arrays = plausible(metric.record.features, seed)
    return VideoInputs(f"s{seed:02}", {name: FeatureData(content) for name, content in arrays.items()})


def number(metric: Metric, videos: list[VideoInputs]) -> float | None:
    """Return the submission's number."""
    if isinstance(metric, SetMetric):
        return set_score(metric.record, metric.score_set(iter(videos)), len(videos)).value
    return score_of_videos(metric, {video.sample: metric.score_video(video) for video in videos}).value


def check(record: MetricRecord, outcome: VideoValue) -> None:
    """An outcome has a finite value inside the declared range, or a reason in machine-readable form."""
    assert isinstance(outcome, VideoValue)
    if outcome.value is None:
        assert re.fullmatch(r"[a-z0-9_]+(:[a-z0-9_.-]+)?", outcome.reason)
    else:
        low, high = record.range
        assert math.isfinite(outcome.value)
        assert low is None or outcome.value >= low - 1e-9
        assert high is None or outcome.value <= high + 1e-9
    for event in outcome.events:
        assert re.fullmatch(r"[a-z0-9_]+", event.kind)


@every_metric
def test_the_record_is_complete(metric):
    record = metric.record
    assert re.fullmatch(r"[a-z0-9_]+(\.[a-z0-9_]+)+", record.id), "an id is family.variant"
    assert record.title
    assert record.title == record.title.strip()
    assert record.summary.endswith(".")
    assert not record.summary[0].islower()
    assert "\n" not in record.summary
    assert record.citation
    assert record.missing_policy
    assert record.blind_to.endswith(".")
    assert record.protocol >= 1
    low, high = record.range
    assert low is None or high is None or low < high
    assert record.features
    assert set(record.features) <= {*feature_registry(), *PSEUDO}
    assert len(set(record.features)) == len(record.features)
    assert record.role in {"ranked", "secondary", "diagnostic"}
    assert record.role == "diagnostic" or record.higher_is_better is not None, "what is ranked has a better side"
    for alias in record.aliases:
        assert re.fullmatch(r"[a-z0-9_]+", alias)


def test_no_two_metrics_have_the_same_title_or_alias():
    titles = [metric.record.title for _, metric in METRICS]
    assert len(set(titles)) == len(titles)
    aliases = [alias for _, metric in METRICS for alias in metric.record.aliases]
    assert len(set(aliases)) == len(aliases)


@pytest.mark.parametrize("name", sorted(feature_registry()))
def test_every_feature_declares_its_arrays(name):
    """What a record declares can be made up, and what this project's tests make up is what it declares."""
    record = feature_registry()[name].record
    made = declared(record, np.random.default_rng(0))
    assert made
    assert record.title
    assert record.version >= 1
    planted = plausible((name,), 1)[name]
    assert set(planted) == set(record.arrays)
    for array, told in record.arrays.items():
        dimensions = len([part for part in told[1 : told.index(")")].split(",") if part.strip()])
        assert made[array].ndim == planted[array].ndim == dimensions
        assert planted[array].dtype.kind == made[array].dtype.kind


@every_metric
@pytest.mark.parametrize("seed", SEEDS)
def test_plausible_arrays_give_a_value_in_range_or_a_reason(metric, seed):
    check(metric.record, metric.score_video(inputs(metric, seed)))


@every_metric
def test_most_plausible_videos_are_scored(metric):
    scored = sum(metric.score_video(inputs(metric, seed)).value is not None for seed in SEEDS)
    assert isinstance(metric, SetMetric) or scored > len(SEEDS) / 2


@every_metric
def test_twice_the_same_and_nothing_changed(metric):
    for seed in SEEDS:
        video = inputs(metric, seed)
        before = copy.deepcopy(video)
        assert metric.score_video(video) == metric.score_video(video)
        for name, data in video.features.items():
            for array, content in data.arrays.items():
                assert content.tobytes() == before.features[name].arrays[array].tobytes()
    videos = [inputs(metric, seed) for seed in SEEDS]
    assert number(metric, videos) == number(metric, videos)


@every_metric
def test_what_is_read_only_is_enough(metric):
    video = inputs(metric, 3)
    for data in video.features.values():
        for content in data.arrays.values():
            content.setflags(write=False)
    check(metric.record, metric.score_video(video))


@every_metric
def test_the_order_of_videos_does_not_matter(metric):
    videos = [inputs(metric, seed) for seed in range(40)]
    straight = number(metric, videos)
    for seed in range(3):
        mixed = [videos[at] for at in np.random.default_rng(seed).permutation(len(videos))]
        # T1: sums in another order differ in the last bits.
        assert number(metric, mixed) == (None if straight is None else pytest.approx(straight, rel=1e-9))
    # A metric keeps nothing between videos: each alone says what it says among the others.
    alone = [metric.score_video(video) for video in videos[::-1]][::-1]
    assert alone == [metric.score_video(video) for video in videos]


@every_metric
def test_no_video_and_one_video(metric):
    if isinstance(metric, SetMetric):
        for videos in ([], [inputs(metric, 1)]):
            score = set_score(metric.record, metric.score_set(iter(videos)), len(videos))
            assert (score.value is None) != (score.reason is None)
            assert score.n <= len(videos)
        return
    empty = score_of_videos(metric, {})
    assert (empty.value, empty.reason, empty.n, empty.coverage) == (None, "no_video", 0, 0.0)
    outcome = metric.score_video(inputs(metric, 1))
    one = score_of_videos(metric, {"s": outcome})
    assert (one.value, one.ci95, one.reason) == (outcome.value, None, outcome.reason)


@every_metric
def test_a_missing_features_reason_becomes_the_metrics(metric):
    for missing in metric.record.features:
        video = inputs(metric, 1)
        features = {**video.features, missing: FeatureData(None, "planted_reason", "a planted detail")}
        outcome = metric.score_video(VideoInputs("s", features))
        assert (outcome.value, outcome.reason) == (None, "planted_reason")
        assert [(event.kind, event.detail) for event in outcome.events] == [("planted_reason", "a planted detail")]
        silent = metric.score_video(VideoInputs("s", {**video.features, missing: FeatureData(None)}))
        assert silent == unscored("feature_missing")


def floats(video: VideoInputs) -> list[tuple[str, str]]:
    return [
        (name, array)
        for name, data in video.features.items()
        for array, content in data.arrays.items()
        if content.dtype.kind == "f"
    ]


@every_metric
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("share", [1.0, 0.1])
def test_nan_and_infinity_never_become_a_value(metric, bad, share):
    """In one array after the other, everywhere or here and there."""
    for seed in range(4):
        for name, array in floats(inputs(metric, seed)):
            video = inputs(metric, seed)
            content = video.features[name].arrays[array]
            hit = np.random.default_rng(seed).random(content.shape) < share
            video.features[name].arrays[array] = np.where(hit, content.dtype.type(bad), content)
            check(metric.record, metric.score_video(video))


@every_metric
def test_zeros_and_empty_arrays_give_a_value_or_a_reason(metric):
    for name, array in floats(inputs(metric, 2)):
        video = inputs(metric, 2)
        video.features[name].arrays[array] = np.zeros_like(video.features[name].arrays[array])
        check(metric.record, metric.score_video(video))
    video = inputs(metric, 2)
    for data in video.features.values():
        for array, content in list(data.arrays.items()):
            if content.ndim:
                data.arrays[array] = content[:0]
    check(metric.record, metric.score_video(video))


def compares(metric: Metric) -> bool:
    """Return whether the metric looks at a reference."""
    if "mouth_visible" in metric.record.features:  # the reference only says where the mouth is
        return False
    registry: dict[str, type[Extractor]] = feature_registry()
    parts = {part for name in metric.record.features if name not in PSEUDO for part in registry[name].record.inputs}
    # Where several speak, pictures tell who is who.
    return "speakers" not in parts and any(part.startswith("reference") for part in parts)


@every_metric
def test_a_video_that_is_its_own_reference_is_best(metric):
    if not compares(metric) or isinstance(metric, SetMetric) or metric.record.higher_is_better is None:
        return
    arrays = perfect(metric.record.features, 5)
    outcome = metric.score_video(VideoInputs("s", {name: FeatureData(content) for name, content in arrays.items()}))
    check(metric.record, outcome)
    low, high = metric.record.range
    expected = OF_ITSELF.get(metric.record.id, high if metric.record.higher_is_better else low)
    if isinstance(expected, str):
        assert (outcome.value, outcome.reason) == (None, expected)
    else:
        assert outcome.value == pytest.approx(expected, abs=1e-6)


def test_the_exceptions_are_metrics():
    assert set(OF_ITSELF) <= {name for name, _ in METRICS}
    assert set(FEATURES) - PSEUDO <= set(feature_registry())
