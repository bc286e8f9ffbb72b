"""The delay between two recordings of the same speech, and both without it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LARGEST = 0.05  # seconds

Signal = NDArray[np.float64]


def delay_of(degraded: Signal, clean: Signal, rate: int, largest: float = LARGEST) -> tuple[int, float]:
    """Return by how many samples ``degraded`` is late (negative: early), and the correlation there, 0..1.

    The lag where the magnitude of the correlation over the common part is largest, within ``largest`` seconds: a signal
    of opposite polarity, which nobody hears, is found as well. (0, 0.0) where either is silent.

    Args:
        degraded, clean: (N,) and (M,) float64.
        rate: samples per second.
        largest: seconds.
    """
    most = min(round(largest * rate), len(degraded) - 1, len(clean) - 1)
    if most < 0:
        return 0, 0.0
    size = 1 << (len(degraded) + len(clean) - 1).bit_length()
    products = np.fft.irfft(np.fft.rfft(degraded, size) * np.conj(np.fft.rfft(clean, size)), size)
    lags = np.arange(-most, most + 1)
    ours, theirs = (np.concatenate([[0.0], np.cumsum(np.square(side))]) for side in (degraded, clean))
    start, end = np.maximum(lags, 0), np.minimum(len(degraded), len(clean) + lags)
    energy = (ours[end] - ours[start]) * (theirs[end - lags] - theirs[start - lags])
    usable = energy > 0
    values = np.abs(products[lags]) / np.sqrt(np.where(usable, energy, 1.0)) * usable
    best = int(np.argmax(values))
    if values[best] <= 0:
        return 0, 0.0
    return int(lags[best]), float(min(values[best], 1.0))


def without_delay(degraded: Signal, clean: Signal, lag: int) -> tuple[Signal, Signal]:
    """Return both cut so that they begin at the same moment of speech and have the same length."""
    degraded, clean = degraded[max(lag, 0) :], clean[max(-lag, 0) :]
    common = min(len(degraded), len(clean))
    return degraded[:common], clean[:common]
