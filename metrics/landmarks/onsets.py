"""When sounds begin in the test set's speech: ``speech_onsets``, by spectral flux.

The flux of Böck, Krebs and Schedl, "Evaluating the Online Capabilities of Onset Detection Methods" (ISMIR 2012), and
their way of picking its peaks, with the constants of librosa. Definition: docs/definitions/landmarks.md#beats.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.features.audio import RATE, Samples, official_audio
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


@dataclass(frozen=True)
class OnsetOptions(FeatureOptions):
    """How onsets are found.

    Args:
        window, hop: samples at 16 kHz of the spectrum's window (Hann) and between two windows.
        bands: mel bands from 0 to 8 kHz.
        depth: decibels below the loudest band of the audio, under which nothing counts.
        before: an onset is the highest of so many strengths up to its own; also the fewest between two onsets.
        around: strengths on each side over which the mean is taken.
        delta: how far an onset is above that mean, as a share of the largest strength.
    """

    audio: str = described("the test set's, 16 kHz mono")
    window: int = 512
    hop: int = 160
    bands: int = 40
    depth: float = 80.0
    before: int = 3
    around: int = 10
    delta: float = 0.07


@lru_cache(maxsize=4)
def _mel_filters(window: int, bands: int) -> NDArray[np.float64]:
    """Return triangles of height 1 over the bins of the spectrum (bands, window / 2 + 1), on Young's mel scale."""
    corners = np.linspace(0, 2595 * np.log10(1 + RATE / 2 / 700), bands + 2)
    hertz = 700 * (10 ** (corners / 2595) - 1)
    bins = np.arange(window // 2 + 1) * RATE / window
    rising = (bins - hertz[:-2, None]) / np.diff(hertz)[:-1, None]
    falling = (hertz[2:, None] - bins) / np.diff(hertz)[1:, None]
    return np.maximum(0, np.minimum(rising, falling))


def onset_strength(samples: Samples, options: OnsetOptions) -> NDArray[np.float64]:
    """Return by how many decibels the bands rise from one window to the next: (T,), at least 0.

    Number t belongs to the window whose middle is sample ``t * hop``; the audio is continued by zeros. The first three,
    whose windows see the audio begin, are 0.

    Args:
        samples: (N,) int16 at 16 kHz.
        options: of the feature.
    """
    half = options.window // 2
    wave = np.pad(samples / 32768.0, half)
    windows = np.lib.stride_tricks.sliding_window_view(wave, options.window)[:: options.hop]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(options.window) / options.window)
    strength = np.zeros(len(windows))
    level = np.empty((len(windows), options.bands))
    for start in range(0, len(windows), 4096):  # a spectrum at a time would be slow, all of an hour large
        part = slice(start, start + 4096)
        power = np.abs(np.fft.rfft(windows[part] * hann)) ** 2
        level[part] = 10 * np.log10(np.maximum(power @ _mel_filters(options.window, options.bands).T, 1e-10))
    level = np.maximum(level, level.max() - options.depth)
    whole = 1 + -(-half // options.hop)  # before that, one of the two windows reaches beyond the audio's start
    strength[whole:] = np.maximum(np.diff(level[whole - 1 :], axis=0), 0).mean(axis=1)
    return strength


def pick_onsets(strength: NDArray[np.float64], options: OnsetOptions) -> NDArray[np.int64]:
    """Return the numbers (K,) of the strengths that are onsets, in order; none where nothing changes."""
    relative = strength - strength.min(initial=np.inf)
    if not relative.any():
        return np.empty(0, np.int64)
    relative = relative / relative.max()
    found: list[int] = []
    at = 1
    while at < len(relative):
        highest = relative[max(0, at - options.before) : at + 1].max()
        mean = relative[max(0, at - options.around) : at + options.around + 1].mean()
        if relative[at] == highest and relative[at] >= mean + options.delta:
            found.append(at)
            at += options.before
        at += 1
    return np.array(found, np.int64)


class OnsetsExtractor(Extractor):
    """Onsets of the test set's audio; the same for every team."""

    record = FeatureRecord(
        name="speech_onsets",
        version=1,
        title="onsets of the test set's speech",
        inputs=frozenset({"audio"}),
        options=OnsetOptions(),
        arrays={"onsets": "(K,) float64: seconds from the start"},
    )

    def open(self, item: Item, upstream: Mapping[str, Any]) -> OnsetsSession:
        """Start on a sample.

        Raises:
            FeatureUnavailableError: ``no_official_audio``, ``official_audio_unreadable``.
        """
        sound = official_audio(item.audio)
        if sound is None:
            raise FeatureUnavailableError("no_official_audio", "the sample has no audio")
        return OnsetsSession(sound.samples, self.record.options)


class OnsetsSession(Session):
    """Selects no frame: it hears the audio."""

    def __init__(self, samples: Samples, options: OnsetOptions) -> None:
        self._samples, self._options = samples, options

    def finish(self) -> Arrays:
        """Return the onsets."""
        found = pick_onsets(onset_strength(self._samples, self._options), self._options)
        return {"onsets": found * self._options.hop / RATE}


FEATURES = (OnsetsExtractor,)
