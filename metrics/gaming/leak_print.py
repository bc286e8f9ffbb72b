"""The feature ``leak_print``: what a video is recognized by in a listing of a training set. No metric reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.media.sampling import AtRate, Sampling
from evalkit.metrics.features.audio import own_audio
from evalkit.metrics.features.base import (
    Arrays,
    Extractor,
    FeatureRecord,
    FeatureUnavailableError,
    Item,
    Picture,
    Session,
    Times,
)
from evalkit.metrics.features.declare import SamplingOptions
from evalkit.metrics.gaming import signature
from evalkit.metrics.gaming.fingerprint import square
from evalkit.metrics.gaming.overlay import small_grey
from evalkit.metrics.gaming.sound_print import sound_bits

LEAK_PRINT = "leak_print"


@dataclass(frozen=True)
class LeakPrintOptions(SamplingOptions):
    """Options of ``leak_print``.

    Args:
        pictures: sampled frames that are used at most, from the first on.
    """

    sampling: Sampling = field(default_factory=lambda: AtRate(signature.RATE))
    pictures: int = signature.TICKS


OPTIONS = LeakPrintOptions()


class LeakPrintSession(Session):
    """Ten small grey images per second of the first 6.4 s, and the sound beside them."""

    def __init__(self, item: Item) -> None:
        self._item = item
        self._start = 0.0
        self._repeats: NDArray[np.int64] = np.empty(0, np.int64)
        self._images: list[NDArray[np.float32]] = []

    def plan(self, times: Times) -> NDArray[np.bool_]:
        """Select the frames shown at ten evenly spaced times per second."""
        self._images = []
        self._start = float(times[0]) if len(times) else 0.0
        chosen = OPTIONS.sampling.select(times)[: OPTIONS.pictures]
        self._repeats = np.bincount(chosen, minlength=len(times))
        return self._repeats > 0

    def frame(self, index: int, time: float, rgb: Picture) -> None:
        """Shrink the frame; it counts as often as it is shown."""
        self._images += [square(small_grey(rgb))] * int(self._repeats[index])

    def finish(self) -> Arrays:
        """Return the bits."""
        if not self._images:
            raise FeatureUnavailableError("no_frames", "no frame could be decoded")
        bits, motion = signature.motion_bits(np.stack(self._images))
        sound = own_audio(self._item.video, self._start)
        return {
            "motion": bits if motion >= signature.MIN_MOTION else bits[:0],
            "image": signature.image_hash(self._images[0]),
            "sound": sound_bits(sound.samples if sound is not None else np.zeros(0, np.int16)),
        }


class LeakPrintExtractor(Extractor):
    """Motion signature, hash of the first picture, and the bands of the sound."""

    record = FeatureRecord(
        name=LEAK_PRINT,
        version=1,
        title="what a copy of the video, its first picture or its speech is recognized by",
        inputs=frozenset({"video"}),
        options=OPTIONS,
        arrays={
            "motion": "(K, 24) bool, K up to 64: motion signature, a row per tenth of a second; none without motion",
            "image": "(63,) bool: perceptual hash of the first frame",
            "sound": "(L, 8) bool, L up to 64: bands of the sound, a row per tenth of a second; none of silence",
        },
    )

    def open(self, item: Item, upstream: Mapping[str, Any]) -> LeakPrintSession:
        """Start on a video."""
        return LeakPrintSession(item)


FEATURES = (LeakPrintExtractor,)
