"""How late the generated speech is against the sample's own speech."""

from __future__ import annotations

import numpy as np

from evalkit.metrics.base import ArrayMetric, MetricRecord, VideoValue, unscored
from evalkit.metrics.speech.comparing import Arrays
from evalkit.metrics.speech.pairing import why_not_compared


def delay(pair: Arrays, activity: Arrays) -> VideoValue:
    """Return the delay in milliseconds."""
    missing, events = why_not_compared(pair, activity)
    if missing is not None:
        return missing
    milliseconds = 1000 * float(pair["delay"])
    return VideoValue(milliseconds, events=events) if np.isfinite(milliseconds) else unscored("not_finite")


DELAY = ArrayMetric(
    MetricRecord(
        id="speech.delay",
        title="Delay of speech",
        summary="By how many milliseconds the generated speech is late (negative: early).",
        higher_is_better=None,
        unit="ms",
        range=(-50.0, 50.0),
        features=("speech_pair", "voice_activity"),
        blind_to="Delays of more than 50 ms, and those of a waveform that has nothing in common with the reference.",
        citation="evalkit",
        role="diagnostic",
        missing_policy="unscored without speech on either side",
        aggregate="median",
        definition="The lag of at most 50 ms at which the magnitude of the correlation of both waveforms at 16 kHz is "
        "largest, each lag over the part that both have in common.",
    ),
    delay,
)

METRICS = (DELAY,)
