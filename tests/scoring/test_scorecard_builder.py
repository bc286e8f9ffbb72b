"""After the map: a metric with a bug, or an entry that got lost on the way, costs one number and not the run."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evalkit import api
from evalkit.errors import InputError
from evalkit.metrics.base import Metric, MetricRecord, SetMetric, SetValue, VideoValue
from evalkit.scoring.engine import Engine, LocalEngine
from evalkit.scoring.jobs import Config, Job
from evalkit.scoring.plan import make_plan
from evalkit.scoring.run import RunOptions, validate_run
from evalkit.scoring.scorecard import Scorecard
from evalkit.submission.model import Submission
from evalkit.weights.manifest import Backbones
from evalkit.workers.pool import Accept, JobResult

NOTHING = Backbones(name="nothing", title="no weights at all", roles={})
RECORD = MetricRecord(
    id="planted.x",
    title="P",
    summary="Planted.",
    higher_is_better=True,
    unit="dB",
    range=(0, 1),
    features=("facts",),
    protocol=4,
    citation="none",
    role="diagnostic",
)


class Planted(Metric):
    record = RECORD

    def __init__(self, act: Callable[[], Any]) -> None:
        self.act = act

    def compute(self, features):
        return VideoValue(self.act())


class PlantedSet(SetMetric):
    record = RECORD

    def __init__(self, act: Callable[[], Any]) -> None:
        self.act = act

    def compute(self, features):
        return VideoValue(0.5)

    def score_set(self, videos):
        return SetValue(self.act(), sum(1 for _ in videos))


def run(world: Any, folder: Path, *planted: Metric) -> Scorecard:
    plan = make_plan(world.challenge(), NOTHING, names=["psnr", "duration"])
    plan = replace(plan, metrics={**{metric.record.id: metric for metric in planted}, **plan.metrics})
    options = RunOptions(cache=folder / "cache", engine=LocalEngine(1))
    return api.run_score(
        world.submission(), world.challenge(), world.samples(), plan, out=None, options=options
    ).scorecard


def bug() -> float:
    raise KeyError("a planted bug")


@pytest.mark.parametrize(
    ("act", "told"),
    [(bug, "KeyError: 'a planted bug'"), (lambda: math.nan, "ValueError: a value of a video is finite")],
)
def test_a_metric_with_a_bug_costs_its_own_number(world, tmp_path, act, told):
    card = run(world, tmp_path, Planted(act))
    score = card.metrics["planted.x"]
    assert (score.value, score.reason, score.n, score.coverage) == (None, "metric_error", 0, 0.0)
    for video in card.videos:
        assert (video.values["planted.x"], video.reasons) == (None, {"planted.x": "metric_error"})
        assert [event.kind for event in video.events] == ["metric_error"]
        assert f"planted.x: {told}" in video.events[0].detail
    assert card.metrics["psnr.rgb"].n == card.metrics["video.duration"].n == 4
    assert not card.complete


@pytest.mark.parametrize("act", [bug, lambda: math.nan, lambda: math.inf])
def test_a_metric_of_the_set_with_a_bug_costs_its_own_number(world, tmp_path, act):
    card = run(world, tmp_path, PlantedSet(act))
    score = card.metrics["planted.x"]
    assert (score.value, score.reason, score.unit, score.protocol, score.role) == (
        None,
        "metric_error",
        "dB",
        4,
        "diagnostic",
    )
    assert {video.values["planted.x"] for video in card.videos} == {0.5}
    assert card.metrics["psnr.rgb"].n == 4


class PlainNumber(Planted):
    """Returns what it computed, without a `VideoValue`."""

    def compute(self, features):
        return self.act()


@pytest.mark.parametrize("value", [0.25, np.float32(0.25), 1, np.int64(0)])
def test_a_plain_number_is_a_value(world, tmp_path, value):
    card = run(world, tmp_path, PlainNumber(lambda: value))
    assert card.metrics["planted.x"].value == float(value)


@pytest.mark.parametrize(
    ("value", "reason", "detail"),
    [
        (math.nan, "not_finite", None),
        (None, "metric_error", "planted.x: returned a NoneType; expected a VideoValue or a number"),
        ({"a": 1}, "metric_error", "planted.x: returned a dict; expected a VideoValue or a number"),
        (1.5, "out_of_declared_range", "planted.x: 1.5 is outside of the declared range 0..1"),
    ],
)
def test_anything_else_costs_the_metrics_own_value(world, tmp_path, value, reason, detail):
    card = run(world, tmp_path, PlainNumber(lambda: value))
    assert {video.reasons["planted.x"] for video in card.videos} == {reason}
    assert [event.detail for event in card.videos[0].events] == ([detail] if detail else [])
    assert card.metrics["psnr.rgb"].n == 4


@pytest.mark.parametrize(
    ("act", "reason", "detail"),
    [
        (bug, "metric_error", "KeyError: 'a planted bug'"),
        (lambda: -3.0, "out_of_declared_range", "-3 is outside of the declared range 0..1"),
    ],
)
def test_what_a_metric_of_the_set_did_wrong_is_said(world, tmp_path, act, reason, detail):
    score = run(world, tmp_path, PlantedSet(act)).metrics["planted.x"]
    assert (score.value, score.reason) == (None, reason)
    assert [note.detail for note in score.notes] == [detail]


def test_a_missing_video_is_missing_for_every_metric(world, tmp_path):
    """Also for one that could not have been computed here."""
    folder = tmp_path / "team"
    with zipfile.ZipFile(world.zip) as archive:
        archive.extractall(folder)
    (folder / "d02.mp4").unlink()
    plan = make_plan(world.challenge(), NOTHING, names=["duration"])
    plan = replace(plan, unavailable={"identity.strict.arc": "weights_missing:arcface"})
    card = api.run_score(
        Submission.open(folder), world.challenge(), world.samples(), plan, out=None,
        options=RunOptions(cache=tmp_path / "cache", engine=LocalEngine(1)),
    ).scorecard  # fmt: skip
    reasons = {video.sample: video.reasons for video in card.videos}
    assert reasons["d02"] == {"identity.strict.arc": "missing", "video.duration": "missing"}
    assert reasons["d01"] == {"identity.strict.arc": "weights_missing:arcface"}


@pytest.mark.parametrize("kind", [Planted, PlantedSet])
def test_what_a_metric_says_on_purpose_stops_the_run(world, tmp_path, kind):
    def refuse() -> float:
        raise InputError("The test set is not for this metric.")

    with pytest.raises(InputError, match="not for this metric"):
        run(world, tmp_path, kind(refuse))


class Spoiler(Engine):
    """An engine that damages a cache entry before the run hears of the first video."""

    name = "spoiler"

    def __init__(self, cache: Path, how: str) -> None:
        self.cache, self.how = cache, how

    def run(self, config: Config, jobs: Sequence[Job], accept: Accept) -> Iterator[JobResult]:
        results = list(LocalEngine(1).run(config, jobs, accept))
        first = sorted(self.cache.rglob("paired_pixels/**/*.npz"))[0]
        if self.how == "removed":
            first.unlink()
        else:
            first.write_bytes(b"damaged")
        return iter(results)


@pytest.mark.parametrize(("how", "reason"), [("removed", "feature_missing"), ("damaged", "cache_entry_unreadable")])
def test_an_entry_lost_between_map_and_fold_is_a_reason(world, tmp_path, how, reason):
    plan = make_plan(world.challenge(), NOTHING, names=["psnr", "duration"])
    options = RunOptions(cache=tmp_path / "cache", engine=Spoiler(tmp_path / "cache", how))
    card = api.run_score(
        world.submission(), world.challenge(), world.samples(), plan, out=None, options=options
    ).scorecard
    lost = [video for video in card.videos if video.values["psnr.rgb"] is None]
    assert [video.reasons["psnr.rgb"] for video in lost] == [reason]
    assert lost[0].values["video.duration"] == 1.0
    assert card.metrics["psnr.rgb"].n == 3


class Backwards(Engine):
    """An engine whose answers come in the opposite order."""

    name = "backwards"

    def run(self, config: Config, jobs: Sequence[Job], accept: Accept) -> Iterator[JobResult]:
        return reversed(list(LocalEngine(1).run(config, jobs, accept)))


def test_the_order_of_the_answers_does_not_show(world, tmp_path):
    report = validate_run(
        world.submission(), world.challenge(), world.samples(), RunOptions(cache=tmp_path, engine=Backwards())
    )
    assert [file.sample for file in report.files] == ["d01", "d02", "d03", "d04"]
    straight = api.validate(world.zip, "talking-head", world.testset, workers=2, cache=tmp_path)
    assert report.to_json() == straight.to_json()
