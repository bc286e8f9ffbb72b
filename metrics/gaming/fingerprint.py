"""The fingerprint of a video: what copies, stills, replaced sound and pasted things are found by. No number uses it."""

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
from evalkit.metrics.gaming import overlay, signature, sound_match, stillness

FINGERPRINT = "fingerprint"


@dataclass(frozen=True)
class FingerprintOptions(SamplingOptions):
    """Options of ``fingerprint``: no more than so many samples of the clock are looked at."""

    sampling: Sampling = field(default_factory=lambda: AtRate(signature.RATE))
    pictures: int = 300
    signature: int = described(signature.TICKS)


OPTIONS = FingerprintOptions()


class FingerprintSession(Session):
    """Ten small grey pictures a second, of the first half minute."""

    def __init__(self, item: Item, options: FingerprintOptions = OPTIONS) -> None:
        self._item, self._options = item, options
        self._start = 0.0
        self._repeats: NDArray[np.int64] = np.empty(0, np.int64)
        self._pictures: list[NDArray[np.float32]] = []
        self._sums = overlay.OverlaySums()

    def plan(self, times: Times) -> NDArray[np.bool_]:
        """Want the frames nearest to a clock of ten ticks a second, 300 ticks at most."""
        self._pictures, self._sums = [], overlay.OverlaySums()
        self._start = float(times[0]) if len(times) else 0.0
        chosen = self._options.sampling.select(times)[: self._options.pictures]
        self._repeats = np.bincount(chosen, minlength=len(times))
        return self._repeats > 0

    def frame(self, index: int, time: float, rgb: Picture) -> None:
        """Shrink the frame; one that several ticks show counts as often."""
        grey = overlay.small_grey(rgb)
        self._sums.add(grey)
        small = square(grey)
        self._pictures += [small] * int(self._repeats[index])

    def finish(self) -> Arrays:
        """Return what the pictures and the sound say."""
        if not self._pictures:
            raise FeatureUnavailableError("no_frames", "no frame could be decoded")
        pictures = np.stack(self._pictures)
        bits, motion = signature.motion_bits(pictures)
        distinct = stillness.distinct_pictures(pictures)
        sound = self._sound()
        islands = self._sums.islands()
        return {
            "bits": bits,
            "motion": np.array(motion),
            "picture": np.round(pictures[len(pictures) // 2]).astype(np.uint8),
            "hash": signature.picture_hash(pictures.mean(axis=0)),
            "ticks": np.array(len(pictures)),
            "distinct": np.array(distinct),
            "warped": np.array(stillness.one_picture_residual(pictures)),
            "islands": np.array([[i.left, i.top, i.width, i.height] for i in islands], np.float64).reshape(-1, 4),
            "sound": np.array([sound.match, sound.offset, sound.share], np.float64),
            "sound_state": np.array(sound.state),
        }

    def _sound(self) -> sound_match.SoundMatch:
        official = self._item.audio
        if official is None or not official.is_file():
            return sound_match.SoundMatch("no_official_sound")
        return sound_match.match_sounds(own_audio(self._item.video, self._start), _official(official))


def _official(path: Path) -> NDArray[np.int16] | None:
    try:
        return official_audio(path)
    except FeatureUnavailableError:
        return None


def square(grey: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return a grey picture (H, W) as (64, 64): the whole of it, whatever its shape."""
    import cv2

    size = (stillness.SIZE, stillness.SIZE)
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.float32)


class FingerprintExtractor(Extractor):
    """Signature of what moves, number of pictures, pasted islands, and how the sound fits the official speech."""

    record = FeatureRecord(
        name=FINGERPRINT,
        version=1,
        title="what copies and stills are known by",
        inputs=frozenset({"video", "audio"}),
        options=OPTIONS,
        arrays={
            "bits": "(K, 24) bool, K up to 64: what moves, tenths of a second",
            "motion": "() float64: grey levels of what moves",
            "picture": "(64, 64) uint8: the middle picture",
            "hash": "(63,) bool: of the mean picture",
            "ticks": "() int64: pictures looked at",
            "distinct": "() int64: different pictures, at most 13",
            "warped": "() float64 in 0..100: what the middle picture can't explain of the others",
            "islands": "(N, 4) float64: left, top, width, height of what looks pasted, as shares",
            "sound": "(3,) float64: correlation with the official sound, seconds later, share of seconds found again",
            "sound_state": "() str: compared, or why not",
        },
    )

    def open(self, item: Item, upstream: Mapping[str, Any]) -> FingerprintSession:
        """Start on a video."""
        return FingerprintSession(item, self.record.options)


FEATURES = (FingerprintExtractor,)
