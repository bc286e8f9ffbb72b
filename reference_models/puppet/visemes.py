"""Mouth shapes of an utterance: coarticulation by dominance functions.

Cohen and Massaro, "Modeling Coarticulation in Synthetic Visual Speech", 1993: each phoneme pulls the mouth to
its own shape, most at its middle and fading to both sides; the shape at any time is the weighted mean.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from evalkit.reference_models.puppet.phonemes import SpokenPhoneme

CHANNELS = ("gap", "jaw", "wide", "pucker", "press", "tongue")
LEAD = 0.012  # seconds by which the lips precede the audio
FADE = 0.03  # seconds


def mouth_track(spoken: Sequence[SpokenPhoneme], times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mouth at ``times`` (N,) in seconds: (N, 6) in the order of `CHANNELS`, as in `Pose`."""
    middle = np.array([(part.start + part.end) / 2 for part in spoken]) - LEAD
    half = np.array([(part.end - part.start) / 2 for part in spoken])
    hold = np.array([part.phoneme.hold for part in spoken])
    targets = np.array([[getattr(part.phoneme, name) for name in CHANNELS] for part in spoken])
    stress = np.array([part.stress if part.phoneme.kind == "vowel" else 1.0 for part in spoken])
    targets[:, :2] *= (0.6 + 0.4 * stress)[:, None]
    beyond = np.maximum(np.abs(times[:, None] - middle) - 0.5 * half, 0.0)
    pull = hold * np.exp(-beyond / FADE)
    return np.asarray(pull @ targets / pull.sum(axis=1, keepdims=True))
