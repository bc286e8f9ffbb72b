"""SECS: whether the generated speech is in the voice of the sample's own speech."""

from __future__ import annotations

import numpy as np

from evalkit.metrics.base import ArrayMetric, MetricRecord, VideoValue, unscored
from evalkit.metrics.speech.comparing import FEATURES_READ, UNSCORED, Arrays, compared, with_strict


def cosine(speakers: Arrays) -> VideoValue | float:
    """Return the cosine of both vectors."""
    ours, theirs = (speakers[side].astype(np.float64) for side in ("generated", "reference"))
    if ours.shape != theirs.shape or ours.ndim != 1 or not len(ours):
        return unscored("not_finite")
    lengths = [float(np.linalg.norm(side)) for side in (ours, theirs)]
    if not all(np.isfinite(lengths)):
        return unscored("not_finite")
    for length, reason in zip(lengths, ("no_speech", "no_reference_speech"), strict=True):
        if length < 1e-6:
            return unscored(reason, "the detector of voice hears none")
    return float(np.clip(ours @ theirs / (lengths[0] * lengths[1]), -1.0, 1.0))


SECS = ArrayMetric(
    MetricRecord(
        id="speech.secs",
        title="Speaker similarity",
        summary="Cosine of the vectors of the voices of the generated speech and of the reference speech.",
        higher_is_better=True,
        range=(-1.0, 1.0),
        features=(*FEATURES_READ, "speakers"),
        blind_to="What is said, and how natural it sounds.",
        citation="Wan et al., ICASSP 2018; network and preparation of Resemblyzer 0.1.4",
        missing_policy=UNSCORED,
        definition="""1. Both sounds as mono at 16 kHz, whole; each is raised to -30 dB of full scale if it is softer.
2. The WebRTC detector of voice, at its strictest, judges every 30 ms; smoothed over 8 of them; what is further than 3
   from voice is cut out.
3. Mel spectra of 40 bands (25 ms every 10 ms, power), slices of 1.6 s at 1.3 a second; the last one counts when at
   least 75 % of it is speech.
4. Resemblyzer's GE2E network gives a vector for each slice; their mean, of length 1.
5. The cosine of both sides.""",
        aliases=("secs",),
        notes="None of a vector's numbers is negative, so that strangers reach 0.5 and more. Values of other networks "
        "(ECAPA, WavLM) have another scale. Needs the extra speech.",
    ),
    compared(cosine),
)

METRICS = with_strict(SECS, cosine, 0.0)
