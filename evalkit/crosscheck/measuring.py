"""Measure the lip sync of one video in a confined worker process: nothing of it is decoded in evalkit's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from evalkit.errors import MediaError
from evalkit.media.audio import read_audio
from evalkit.media.inspect import inspect_media
from evalkit.metrics.base import FeatureData
from evalkit.metrics.features.audio import RATE
from evalkit.metrics.features.base import Extractor, Item, WeightFile
from evalkit.metrics.features.declared_arrays import array_mismatch
from evalkit.metrics.sync.features import SyncExtractor
from evalkit.metrics.sync.replicate import ReplicateExtractor
from evalkit.scoring.engine import absolute
from evalkit.scoring.guard import Guard, GuardedSession
from evalkit.workers.messages import answer_record
from evalkit.workers.pool import Workers
from evalkit.workers.sandbox import JOB_SECONDS, Limits, default_level

EXTRACTORS: dict[str, type[Extractor]] = {"syncnet": SyncExtractor, "syncnet_replicate": ReplicateExtractor}
HANDLER = f"{__name__}:handler"


@dataclass(frozen=True)
class MeasuringConfig:
    """What a worker measures with: a key of `EXTRACTORS`, the checked weights, the device."""

    feature: str
    weights: Mapping[str, WeightFile]
    device: str


@answer_record
@dataclass(frozen=True)
class Measured:
    """A worker's answer: the arrays, or the reason why there are none."""

    arrays: Mapping[str, Any] = field(default_factory=dict)
    reason: str | None = None
    detail: str = ""


def measure(feature: str, item: Item, weights: Mapping[str, WeightFile], device: str) -> FeatureData:
    """Return the arrays of ``feature``, a key of `EXTRACTORS`, or the reason why there are none.

    Raises:
        MediaError: the video or the speech can't be read.
    """
    record = EXTRACTORS[feature].resolved_record(weights)
    level = default_level()
    if record.programs and level == "full":
        level = "limits"  # LatentSync's files are made by ffmpeg, which the sandbox's system call filter forbids
    config = absolute(MeasuringConfig(feature, weights, device))
    limits = Limits(level, job_cpu_seconds=2 * JOB_SECONDS, graphics=device != "cpu")
    with closing(Workers(HANDLER, config, 1, JOB_SECONDS, limits).run([absolute(item)])) as results:
        (result,) = results
    if result.failure is not None:
        lines = result.detail.strip().splitlines()
        raise MediaError(f"{item.video} can't be read as a video.", found=lines[-1] if lines else result.failure)
    return _checked(feature, result.value)


def _checked(feature: str, answer: Any) -> FeatureData:
    problem: str | None = "the worker gave a false answer"
    if isinstance(answer, Measured):
        if answer.reason is not None:
            return FeatureData(None, answer.reason, answer.detail)
        if all(isinstance(array, np.ndarray) for array in answer.arrays.values()):
            problem = array_mismatch(EXTRACTORS[feature].record, answer.arrays)
    return FeatureData(answer.arrays) if problem is None else FeatureData(None, "failed", problem)


def handler(config: MeasuringConfig) -> Callable[[Item], Measured]:
    """Return what a worker runs."""
    extractor = EXTRACTORS[config.feature](config.weights, config.device)

    def handle(item: Item) -> Measured:
        if item.audio is not None:
            read_audio(item.audio, RATE)  # a speech that can't be read is an error, not a missing value
        guard = Guard(partial(extractor.open, item, {}))
        facts = inspect_media(item.video, [GuardedSession(guard)]).facts
        if facts.video is None or facts.video.frames == 0:
            raise MediaError(f"{item.video} can't be read as a video.", found=facts.open_error or "no frame")
        data = guard.finish({})
        if data is None:
            lines = (guard.error or "").strip().splitlines()
            return Measured(reason="failed", detail=lines[-1] if lines else "")
        return Measured(data.arrays or {}, data.reason, data.detail)

    return handle
