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
from evalkit.metrics.gaming import audio_match, audio_residual, overlay, repetition, signature, stillness, waves

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
        audio, left = self._audio()
        apart = repetition.distances(images)
        loop, reversal = repetition.find_loop(apart), repetition.find_reversal(apart)
        part = repetition.find_part(apart)
        islands = self._sums.islands()
        return {
            "bits": bits,
            "windows": signature.window_bits(images),
            "motion": np.array(motion),
            "picture": np.round(images[len(images) // 2]).astype(np.uint8),
            "hash": signature.image_hash(images.mean(axis=0)),
            "ticks": np.array(len(images)),
            "distinct": np.array(distinct),
            "warped": np.array(stillness.single_image_residual(images)),
            "islands": np.array([[i.left, i.top, i.width, i.height] for i in islands], np.float64).reshape(-1, 4),
            "sound": np.array([audio.match, audio.offset, audio.share], np.float64),
            "sound_state": np.array(audio.state),
            "sound_left": np.array(left if np.isfinite(left) else -1.0),
            "loop": np.array([loop.ratio, loop.seconds]),
            "reversal": np.array([reversal.ratio, reversal.seconds]),
            "part": np.array([part.ratio, part.seconds]),
            "inserted": np.array(repetition.inserted_images(apart)),
            "waves": np.array(waves.wave_share(images)),
        }

    def _audio(self) -> tuple[audio_match.AudioMatch, float]:
        """Return how the audio compares with the official speech, and the share of it that the speech leaves."""
        place = self._item.audio
        if place is None or not place.is_file():
            return audio_match.AudioMatch("no_official_sound"), float("nan")
        sound, official = own_audio(self._item.video, self._start), _official(place)
        own = None if sound is None else sound.samples
        match = audio_match.match_audio(own, official)
        if own is None or official is None:
            return match, float("nan")
        return match, audio_residual.left_over(own, official, match)


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
        version=6,
        title="signs of copies, stills, replaced audio and overlays",
        inputs=frozenset({"video", "audio"}),
        options=OPTIONS,
        arrays={
            "bits": "(K, 24) bool, K up to 64: motion signature, a row per tenth of a second",
            "windows": "(12, K, 24) bool: motion signature as cropped, moved and turned copies would have it",
            "motion": "() float64: amount of motion in grey levels",
            "picture": "(64, 64) uint8: the middle image",
            "hash": "(63,) bool: perceptual hash of the mean image",
            "ticks": "() int64: images examined",
            "distinct": "() int64: different images, at most 13",
            "warped": "() float64 in 0..100: percent of the others that the middle image does not explain",
            "islands": "(N, 4) float64: left, top, width, height of each overlay, as shares",
            "sound": "(3,) float64: correlation with the official speech, delay in s, share of seconds found again",
            "sound_state": "() str: compared, or why not",
            "sound_left": "() float64: share of the audio that no filter of the speech explains, or -1",
            "loop": "(2,) float64: difference of the best repetition as a share of the spread, its lag in s",
            "reversal": "(2,) float64: the same for a part played backwards, the moment from which on in s",
            "part": "(2,) float64: the same for the second that comes again best anywhere, the time until it does",
            "inserted": "() int64: images that differ from both neighbours, which resemble each other",
            "waves": "() float64 in 0..1: share of all change that waves through the picture explain",
        },
    )

    def open(self, item: Item, upstream: Mapping[str, Any]) -> FingerprintSession:
        """Start on a video."""
        return FingerprintSession(item, self.record.options)


FEATURES = (FingerprintExtractor,)
