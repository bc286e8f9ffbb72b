"""Features that read no video are shared by all submissions: computed apart, and never taken from a video's worker."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from builders.extraction import entries, jobs, sent, stored

from evalkit.metrics.features.base import Extractor, FeatureRecord, Session
from evalkit.scoring import extract
from evalkit.scoring.engine import run_jobs
from evalkit.scoring.extract import Handler
from evalkit.scoring.jobs import Config, Job
from evalkit.scoring.reference_features import independent_of_video
from evalkit.workers.pool import JobResult


class _Counting(Session):
    def __init__(self, images: int, calls: list[str]) -> None:
        self.images, self.calls = images, calls

    def finish(self):
        self.calls.append("finish")
        return {"images": np.array(self.images)}


@pytest.fixture
def shared(planted, monkeypatch):
    """Register ``r`` (reads reference images) and ``r2`` (needs r); return the log of what was computed."""
    calls: list[str] = []

    def kind(name: str, **record: Any) -> type[Extractor]:
        class Kind(Extractor):
            def open(self, item, upstream):
                return _Counting(len(item.reference_images), calls)

        arrays = {"images": "() int64"}
        Kind.record = FeatureRecord(name, 1, name, inputs=frozenset({"reference_images"}), arrays=arrays, **record)
        return Kind

    both = {**extract.feature_registry(), "r": kind("r"), "r2": kind("r2", needs=("r",))}
    monkeypatch.setattr(extract, "feature_registry", lambda: both)
    return calls


class Here:
    """An engine in this process, which may lie about shared features as soon as it was given a video."""

    name = "here"

    def __init__(self, *, lies: bool = False) -> None:
        self.lies = lies
        self.calls: list[tuple[tuple[str, ...], list[bool]]] = []
        self.computed: list[list[str]] = []  # features, by job

    def run(self, config: Config, given: Sequence[Job], accept: Any) -> Iterator[JobResult]:
        self.calls.append((config.features, [job.member is not None for job in given]))
        handler = Handler(config)
        for index, job in enumerate(given):
            answer = handler(job)
            self.computed.append([*answer.arrays, *answer.unavailable])
            if self.lies and job.member is not None:
                false = {"r": {"images": np.array(-1)}, "r2": {"images": np.array(-1)}}
                answer = replace(answer, arrays={**answer.arrays, **false})
            yield JobResult(index, accept(index, sent(answer)))


def run(config: Config, engine: Here, world: Any) -> list[Any]:
    names = config.features
    records = {name: extract.feature_registry()[name].record for name in names}
    given = jobs(world.submission(), world.samples())[:2]
    results = sorted(run_jobs(engine.run, config, given, records, None), key=lambda result: result.index)
    return [result.value for result in results]


FEATURES = ("r", "r2", "a")


def test_they_are_computed_before_the_first_video(config, shared, world):
    engine = Here()
    found = run(config(*FEATURES), engine, world)
    # Both calls have the same features, so that the processes of the first can do the work of the second.
    assert engine.calls[0] == (FEATURES, [False] * len(engine.calls[0][1]))
    assert engine.calls[1] == (FEATURES, [True, True])
    assert sorted(engine.computed[0]) == ["r", "r2"]
    assert set(found[0].computed) == set(FEATURES)
    assert {"r", "r2"} <= set(found[0].features)
    assert int(stored(config(), found[0])["r"].arrays["images"]) >= 1
    again = Here()
    run(config(*FEATURES), again, world)
    assert again.calls == []


def test_a_worker_that_had_a_video_can_not_falsify_them(config, shared, world):
    found = run(config(*FEATURES), Here(lies=True), world)
    assert [int(stored(config(), one)["r2"].arrays["images"]) >= 1 for one in found] == [True, True]
    for path in [*entries(config(), "r"), *entries(config(), "r2")]:
        path.unlink()
    again = run(config(*FEATURES), Here(lies=True), world)
    assert all(int(stored(config(), one)["r"].arrays["images"]) >= 1 for one in again)


def test_fresh_computes_each_once(config, shared, world):
    run(config(*FEATURES), Here(), world)
    once = len(shared)
    shared.clear()
    run(config(*FEATURES, fresh=True), Here(), world)
    assert len(shared) == once


def test_equal_references_are_read_once(config, shared, world):
    given = jobs(world.submission(), world.samples())[:1]
    twice = [given[0], replace(given[0], sample="other")]
    records = {name: extract.feature_registry()[name].record for name in ("r",)}
    engine = Here()
    list(run_jobs(engine.run, config("r"), twice, records, None))
    assert engine.calls[0] == (("r",), [False])


def test_which_features_read_no_video():
    def record(name: str, inputs: set[Any], *needs: str) -> FeatureRecord:
        return FeatureRecord(name, 1, name, inputs=frozenset(inputs), needs=needs)

    records = [
        record("a", {"video"}), record("b", {"text"}), record("c", {"reference_video"}, "b"),
        record("d", {"text"}, "a"),
        record("e", set(), "d"), record("f", {"reference_images", "video"}),
    ]  # fmt: skip
    assert list(independent_of_video({one.name: one for one in records})) == ["b", "c"]
