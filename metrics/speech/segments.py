"""The feature ``speech_intelligibility``: STOI and ESTOI of every segment, as submitted and without the delay."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evalkit.metrics.features.audio import RATE
from evalkit.metrics.features.base import Arrays, FeatureRecord, Item, described
from evalkit.metrics.speech import intelligibility as stoi
from evalkit.metrics.speech.delay import LARGEST, delay_of, without_delay
from evalkit.metrics.speech.signals import (
    SOUNDS,
    Signal,
    Speech,
    SpeechExtractor,
    SpeechOptions,
    SpeechPair,
    reference_speech,
    resampled,
)


@dataclass(frozen=True)
class IntelligibilityOptions(SpeechOptions):
    """Options of ``speech_intelligibility``.

    Args:
        largest_delay: seconds looked through on either side for the aligned values.
    """

    rate: int = described(stoi.RATE)
    window: int = described(stoi.WINDOW)
    hop: int = described(stoi.HOP)
    transform: int = described(stoi.TRANSFORM)
    bands: int = described(stoi.BANDS)
    lowest: float = described(stoi.LOWEST)
    segment: int = described(stoi.SEGMENT)
    dynamic_range: float = described(stoi.DYNAMIC_RANGE)
    lowest_sdr: float = described(stoi.LOWEST_SDR)
    largest_delay: float = LARGEST


class IntelligibilityExtractor(SpeechExtractor):
    """Compares both sides in third octaves, segment by segment."""

    record = FeatureRecord(
        name="speech_intelligibility",
        version=1,
        title="STOI and ESTOI of each segment of 384 ms against the sample's own speech",
        inputs=frozenset({"video", "audio"}),
        reads=SOUNDS,
        options=IntelligibilityOptions(),
        arrays={
            "stoi": "(M,) float64 in -1..1: of each segment; empty with fewer than 30 frames",
            "estoi": "(M,) float64 in -1..1",
            "stoi_aligned": "(A,) float64 in -1..1: without the delay",
            "estoi_aligned": "(A,) float64 in -1..1",
        },
    )

    def measure(self, item: Item, generated: Speech) -> Arrays:
        """Return the arrays."""
        pair = SpeechPair(generated, reference_speech(item))
        lag, _ = delay_of(*pair.signals(), RATE, self.record.options.largest_delay)
        # One resampler for both, before the cut: a cut of the resampled signals is the same cut.
        ours, theirs = (resampled(side.samples, stoi.RATE) for side in (pair.generated, pair.reference))
        plain, extended = _segments(*without_delay(ours, theirs, 0))
        aligned, extended_aligned = _segments(*without_delay(ours, theirs, round(lag * stoi.RATE / RATE)))
        return {"stoi": plain, "estoi": extended, "stoi_aligned": aligned, "estoi_aligned": extended_aligned}


def _segments(generated: Signal, reference: Signal) -> tuple[Signal, Signal]:
    try:
        return stoi.intelligibility(reference, generated)
    except stoi.TooShortError:  # no value: the metrics say `too_short`
        return np.empty(0), np.empty(0)


FEATURES = (IntelligibilityExtractor,)
