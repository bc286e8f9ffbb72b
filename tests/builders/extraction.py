"""Jobs for one worker, extractors that do what a test says, and what the cache holds of their results."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from evalkit.metrics.base import FeatureData
from evalkit.metrics.features.base import (
    Extractor,
    FeatureRecord,
    Item,
    Session,
)
from evalkit.scoring.answers import accept, accept_references
from evalkit.scoring.cache import FeatureCache
from evalkit.scoring.extract import Handler
from evalkit.scoring.jobs import Config, Extraction, Job
from evalkit.scoring.reference_features import independent_of_video
from evalkit.submission.model import Submission
from evalkit.workers.messages import decode, encode


def sent(value: Any) -> Any:
    """Return ``value`` as it arrives from a worker."""
    whole = b"".join(encode(("ok", value, False)))
    text = int.from_bytes(whole[:8], "little")
    return decode(whole[16 : 16 + text], whole[16 + text :])[1]


class Extracting(Handler):
    """A worker's handler, and what the parent of a run does with its answer."""

    def __call__(self, job: Job) -> Extraction:
        shared = replace(self.lookup, records=independent_of_video(self.lookup.records))
        references = None
        if shared.of_references(job.item).missing:
            alone = replace(job, member=None)
            first = Handler(replace(self.config, features=tuple(shared.records)))
            references = accept_references(shared, alone, sent(first(alone)))
        return accept(self.lookup, job, sent(super().__call__(job)), references)


class Planted:
    """A third party's extractors: what they do is said by a table that a test changes."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.act: dict[str, Callable[[], None]] = {}

    def step(self, name: str) -> None:
        self.log.append(name)
        self.act.get(name, lambda: None)()

    def extractor(self, feature: str, **record: Any) -> type[Extractor]:
        """Return an extractor of the mean grey level; if it needs another, its values are added."""
        planted = self

        class MeanSession(Session):
            def __init__(self, upstream: Mapping[str, Any]) -> None:
                self.upstream = upstream
                self.levels: list[float] = []

            def plan(self, times):
                self.levels = []
                planted.step(f"{feature}.plan")
                return np.ones(len(times), dtype=bool)

            def frame(self, index, time, rgb):
                planted.step(f"{feature}.frame")
                self.levels.append(float(rgb.mean()))

            def mean(self):
                return float(np.mean(self.levels))

            def finish(self):
                planted.step(f"{feature}.finish")
                return {"mean": np.array(self.mean() + sum(view.mean() for view in self.upstream.values()))}

        class View:
            def __init__(self, arrays):
                self.arrays = arrays

            def mean(self):
                return float(self.arrays["mean"])

        class MeanExtractor(Extractor):
            def open(self, item, upstream):
                planted.step(f"{feature}.open")
                return MeanSession(upstream)

            def view(self, arrays):
                return View(arrays)

        MeanExtractor.record = FeatureRecord(feature, 1, f"mean grey level as {feature}", **record)
        return MeanExtractor


def jobs(submission: Submission, testset: Any) -> list[Job]:
    return [
        Job(
            sample.id,
            submission.ref(f"{sample.id}.mp4"),
            Item(
                sample.id,
                Path(),
                reference_images=tuple(testset.path(image) for image in sample.reference_images),
                reference_video=testset.path(sample.reference_video) if sample.reference_video else None,
            ),
        )
        for sample in testset
    ]


def own_job(tmp_path: Path, video: Path | bytes, **item: Any) -> Job:
    """Return a job for a video that a test made itself."""
    archive = tmp_path / "own.zip"
    data = video if isinstance(video, bytes) else video.read_bytes()
    with zipfile.ZipFile(archive, "w") as target:
        target.writestr("v.mp4", data)
    return Job("v", Submission.open(archive).ref("v.mp4"), Item("v", Path(), **item))


def stored(config: Config, extraction: Extraction) -> dict[str, FeatureData | None]:
    cache = FeatureCache(config.cache)
    return {name: cache.load(name, key) for name, key in extraction.keys.items()}


def same(first: FeatureData, second: FeatureData) -> None:
    assert (first.reason, first.detail) == (second.reason, second.detail)
    assert (first.arrays is None) == (second.arrays is None)
    for name, array in (first.arrays or {}).items():
        np.testing.assert_array_equal(array, second.arrays[name])
        assert array.dtype == second.arrays[name].dtype


def entries(config: Config, feature: str) -> list[Path]:
    return sorted(path for path in (config.cache / feature).rglob("*.npz"))
