"""The feature ``fingerprint``: finds copies, stills, replaced audio and overlays. No metric reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.media.sampling import AtRate, Sampling
from evalkit.metrics.features.audio import official_audio, own_audio
from evalkit.metrics.features.base import (
    Arrays,
    Extractor,
    FeatureRecord,
    FeatureUnavailableError,
    Item,
    Picture,
    Session,
    Times,
    described,
)
from evalkit.metrics.features.declare import SamplingOptions
from evalkit.metrics.gaming import audio_match, overlay, signature, stillness

FINGERPRINT = "fingerprint"


@dataclass(frozen=True)
class FingerprintOptions(SamplingOptions):
    """Options of ``fingerprint``.

    Args:
        pictures: sampled frames that are used at most, from the first on.
    """

    sampling: Sampling = field(default_factory=lambda: AtRate(signature.RATE))
    pictures: int = 300
    signature: int = described(signature.TICKS)


OPTIONS = FingerprintOptions()


class FingerprintSession(Session):
    """Ten small grey images per second of the first half minute."""

    def __init__(self, item: Item, options: FingerprintOptions = OPTIONS) -> None:
        self._item, self._options = item, options
        self._start = 0.0
        self._repeats: NDArray[np.int64] = np.empty(0, np.int64)
        self._images: list[NDArray[np.float32]] = []
        self._sums = overlay.OverlaySums()

    def plan(self, times: Times) -> NDArray[np.bool_]:
        """Select the frames shown at ten evenly spaced times per second, 300 at most."""
        self._images, self._sums = [], overlay.OverlaySums()
        self._start = float(times[0]) if len(times) else 0.0
        chosen = self._options.sampling.select(times)[: self._options.pictures]
        self._repeats = np.bincount(chosen, minlength=len(times))
        return self._repeats > 0

    def frame(self, index: int, time: float, rgb: Picture) -> None:
        """Shrink the frame; it counts as often as it is shown."""
        grey = overlay.small_grey(rgb)
        self._sums.add(grey)
        small = square(grey)
        self._images += [small] * int(self._repeats[index])

    def finish(self) -> Arrays:
        """Return the fingerprint."""
        if not self._images:
            raise FeatureUnavailableError("no_frames", "no frame could be decoded")
        images = np.stack(self._images)
        bits, motion = signature.motion_bits(images)
        distinct = stillness.distinct_images(images)
        audio = self._audio()
        islands = self._sums.islands()
        return {
            "bits": bits,
            "motion": np.array(motion),
            "picture": np.round(images[len(images) // 2]).astype(np.uint8),
            "hash": signature.image_hash(images.mean(axis=0)),
            "ticks": np.array(len(images)),
            "distinct": np.array(distinct),
            "warped": np.array(stillness.single_image_residual(images)),
            "islands": np.array([[i.left, i.top, i.width, i.height] for i in islands], np.float64).reshape(-1, 4),
            "sound": np.array([audio.match, audio.offset, audio.share], np.float64),
            "sound_state": np.array(audio.state),
        }

    def _audio(self) -> audio_match.AudioMatch:
        official = self._item.audio
        if official is None or not official.is_file():
            return audio_match.AudioMatch("no_official_sound")
        own = own_audio(self._item.video, self._start)
        return audio_match.match_audio(None if own is None else own.samples, _official(official))


def _official(path: Path) -> NDArray[np.int16] | None:
    try:
        sound = official_audio(path)
    except FeatureUnavailableError:
        return None
    return None if sound is None else sound.samples


def square(grey: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return a grey image (H, W) resized to (64, 64); the aspect ratio is not kept."""
    import cv2

    size = (stillness.SIZE, stillness.SIZE)
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.float32)


class FingerprintExtractor(Extractor):
    """Motion signature, number of different images, overlays, and how the audio matches the official speech."""

    record = FeatureRecord(
        name=FINGERPRINT,
        version=3,
        title="signs of copies, stills, replaced audio and overlays",
        inputs=frozenset({"video", "audio"}),
        options=OPTIONS,
        arrays={
            "bits": "(K, 24) bool, K up to 64: motion signature, a row per tenth of a second",
            "motion": "() float64: amount of motion in grey levels",
            "picture": "(64, 64) uint8: the middle image",
            "hash": "(63,) bool: perceptual hash of the mean image",
            "ticks": "() int64: images examined",
            "distinct": "() int64: different images, at most 13",
            "warped": "() float64 in 0..100: percent of the others that the middle image does not explain",
            "islands": "(N, 4) float64: left, top, width, height of each overlay, as shares",
            "sound": "(3,) float64: correlation with the official speech, delay in s, share of seconds found again",
            "sound_state": "() str: compared, or why not",
        },
    )

    def open(self, item: Item, upstream: Mapping[str, Any]) -> FingerprintSession:
        """Start on a video."""
        return FingerprintSession(item, self.record.options)


FEATURES = (FingerprintExtractor,)
