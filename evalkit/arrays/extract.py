"""Features of one video in memory: the sessions of a run, in this process and without a cache."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.media.held import HeldVideo
from evalkit.media.inspect import inspect_media
from evalkit.media.readers import STILL_GREY_LEVELS
from evalkit.metrics.base import FeatureData
from evalkit.metrics.features.base import Extractor, FeatureUnavailableError, Item, PairSession, Session
from evalkit.scoring.guard import Guard, UpstreamFailedError, finish_guards, frame_sinks


def extract(
    extractors: Mapping[str, Extractor], item: Item, known: Mapping[str, FeatureData] | None = None
) -> dict[str, FeatureData]:
    """Return the features of one video; a failed one has a reason, and costs no other.

    Args:
        extractors: feature -> what makes it, each after those that it needs.
        item: the video and its references, in memory.
        known: features that need not be computed again: those of the references.
    """
    known = known or {}
    guards: dict[str, Guard] = {}
    for name, extractor in extractors.items():
        if name not in known:
            guards[name] = Guard(partial(_open, extractor, item, extractors, guards, known))
    sinks, together = frame_sinks(guards, item.reference_video)
    if any("video" in extractors[name].record.inputs for name in guards):
        inspect_media(item.video, sinks)
    finished = finish_guards(guards, {name: extractors[name].record for name in guards}, together)
    errors = {name: FeatureData(None, "extractor_error", _last_line(text)) for name, text in finished.errors.items()}
    return {**known, **finished.data, **errors}


def _open(
    extractor: Extractor,
    item: Item,
    extractors: Mapping[str, Extractor],
    guards: Mapping[str, Guard],
    known: Mapping[str, FeatureData],
) -> Session | PairSession:
    upstream: dict[str, Any] = {}
    for need in extractor.record.needs:
        if need in guards:
            upstream[need] = guards[need].live(need)
            continue
        data = known.get(need)
        if data is None:
            raise UpstreamFailedError(f"the feature '{need}', which this one needs, was not computed")
        if data.arrays is None:
            raise FeatureUnavailableError(data.reason or "feature_missing", data.detail)
        upstream[need] = extractors[need].view(dict(data.arrays))
    return extractor.open(item, upstream)


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[-1]


def facts_of(video: HeldVideo) -> dict[str, NDArray[Any]]:
    """Return what the pseudo-feature ``facts`` says of a video in memory, as `evalkit.media.readers` finds it."""
    import av
    import cv2

    from evalkit.media.colour import luma

    times = video.times
    steps = np.diff(times)
    typical = float(np.median(steps)) if len(steps) else 0.0
    greys = (luma(av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")) for rgb in video.frames)
    previous, still = next(greys), 0
    for grey in greys:
        still += cv2.norm(grey, previous, cv2.NORM_L1) / grey.size < STILL_GREY_LEVELS
        previous = grey
    facts: dict[str, float] = {
        "duration_seconds": float(times[-1] - times[0] + typical),
        "duplicate_share": still / len(steps) if len(steps) else 0.0,
        "frames": len(times),
        "width": video.frames[0].shape[1],
        "height": video.frames[0].shape[0],
    }
    if typical > 0:
        facts["fps"] = round(1.0 / typical, 6)
    return {name: np.asarray(value) for name, value in facts.items()}


def order_of(names: Iterable[str], everything: Iterable[str]) -> list[str]:
    """Return ``names`` in the order of ``everything``."""
    wanted = set(names)
    return [name for name in everything if name in wanted]
