"""How loud the test set's speech is in every twentieth of a second: ``speech_level``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.features.audio import Samples, official_audio
from evalkit.metrics.features.base import (
    Arrays,
    Extractor,
    FeatureOptions,
    FeatureRecord,
    FeatureUnavailableError,
    Item,
    Session,
    described,
)

HOP = 800  # samples at 16 kHz, 50 ms: the windows and the steps between them, as in THEval's script


@dataclass(frozen=True)
class LevelOptions(FeatureOptions):
    """Options of ``speech_level``."""

    audio: str = described("the test set's, 16 kHz mono")
    hop: int = HOP
    edges: str = described("windows are centred on their times; the sound is continued by zeros")


def root_mean_squares(samples: Samples, hop: int) -> NDArray[np.float64]:
    """Return the root mean square of windows of ``hop`` samples, centred on every ``hop``-th sample: (K,), 0..1.

    Args:
        samples: (N,) int16.
        hop: samples of a window and between two.
    """
    half = hop // 2
    wave = np.pad(samples / 32768.0, half)
    count = 1 + (len(wave) - hop) // hop
    windows = wave[: count * hop].reshape(count, hop)
    found: NDArray[np.float64] = np.sqrt(np.square(windows).mean(axis=1))
    return found


class LevelExtractor(Extractor):
    """The level of the test set's speech; the same for every team."""

    record = FeatureRecord(
        name="speech_level",
        version=1,
        title="root mean square of the test set's speech, every 50 ms",
        inputs=frozenset({"audio"}),
        options=LevelOptions(),
        arrays={"rms": "(K,) float64 in 0..1: of full scale, in windows centred on 0, 0.05, 0.1 s and so on"},
    )

    def open(self, item: Item, upstream: Mapping[str, Any]) -> LevelSession:
        """Start on a sample.

        Raises:
            FeatureUnavailableError: ``no_official_audio``, ``official_audio_unreadable``.
        """
        sound = official_audio(item.audio)
        if sound is None or len(sound.samples) < self.record.options.hop:
            raise FeatureUnavailableError("no_official_audio", "the sample has no audio")
        return LevelSession(sound.samples, self.record.options)


class LevelSession(Session):
    """Selects no frame: it hears the audio."""

    def __init__(self, samples: Samples, options: LevelOptions) -> None:
        self._samples, self._options = samples, options

    def finish(self) -> Arrays:
        """Return the level."""
        return {"rms": root_mean_squares(self._samples, self._options.hop)}


FEATURES = (LevelExtractor,)
