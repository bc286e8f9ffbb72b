"""What a speech is recognized by without the speech: the rise and fall of its bands, 80 bits a second.

The level of nine bands (`audio_match`) is averaged over tenths of a second. A bit says whether a band is louder than
its lower neighbour, more than it is on average. Gain and a fixed filter change nothing, lossy codecs little. J. Haitsma
and T. Kalker, "A Highly Robust Audio Fingerprinting System", 2002, take differences of neighbouring bands too, and
their change from frame to frame; without it the bits vary slowly, so that tenths of a second need not coincide.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.gaming.audio_match import SILENCE, envelope, loudness
from evalkit.metrics.gaming.signature import TICKS

BITS = 8  # of a tenth of a second
STEPS = 10  # of the envelope in a tenth of a second
RATE = 16_000
LONGEST = RATE * (TICKS + 11) // 10  # samples that can matter, with a start up to a second late


def sound_bits(samples: NDArray[np.int16], start: int = 0) -> NDArray[np.bool_]:
    """Return the bits (K, 8), K up to `TICKS`, of a mono signal (N,) at 16 kHz; none of silence.

    Args:
        samples: the signal.
        start: hundredths of a second that are left out at its beginning.
    """
    heard = samples[start * RATE // 100 : LONGEST]
    if len(heard) < RATE // 10 or loudness(heard) < SILENCE:
        return np.zeros((0, BITS), bool)
    levels = envelope(heard)
    count = min(TICKS, len(levels) // STEPS)
    ticks = levels[: count * STEPS].reshape(count, STEPS, BITS + 1).mean(axis=1)
    across = np.diff(ticks, axis=1)
    return np.asarray(across > across.mean(axis=0))
