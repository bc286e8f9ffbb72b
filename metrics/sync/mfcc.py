"""Mel-frequency cepstral coefficients exactly as python_speech_features 0.6 makes them.

Its defaults, which are what SyncNet was trained on: pre-emphasis 0.97, frames of 25 ms every 10 ms without a window,
512-point power spectrum, 26 mel filters from 0 to half the rate, logarithm, orthonormal DCT-II, 13 coefficients,
sinusoidal lifter 22, and the logarithm of the frame's energy in place of the first coefficient.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

COEFFICIENTS = 13
FILTERS = 26
FFT = 512
PRE_EMPHASIS = 0.97
LIFTER = 22
FRAME_SECONDS, HOP_SECONDS = 0.025, 0.01
_ROWS = 6000
SMALLEST = np.finfo(np.float64).eps  # replaces an energy of zero, which has no logarithm


def mfcc(samples: NDArray[np.int16], rate: int = 16000) -> NDArray[np.float64]:
    """Return the coefficients of mono audio: (T, 13) float64, one row every 10 ms.

    The last frame is filled up with zeros; audio shorter than one frame gives one row. Lengths are rounded half up. A
    minute is transformed at a time.

    Args:
        samples: (N,) int16, N >= 1. The scale matters: coefficient 0 is the logarithm of the energy.
        rate: samples per second.

    Raises:
        ValueError: for audio without a sample, of more than one channel or of another type.
    """
    if samples.ndim != 1 or len(samples) == 0 or samples.dtype != np.int16:
        raise ValueError(f"samples is a (N,) int16 array with N >= 1, found {samples.dtype} {samples.shape}")
    length, hop = int(FRAME_SECONDS * rate + 0.5), int(HOP_SECONDS * rate + 0.5)
    count = 1 if len(samples) <= length else 1 + -(-(len(samples) - length) // hop)
    rows = np.empty((count, COEFFICIENTS))
    for start in range(0, count, _ROWS):
        some = min(_ROWS, count - start)
        first = start * hop
        part = samples[max(first - 1, 0) : first + (some - 1) * hop + length].astype(np.float64)
        emphasised = part[1:] - PRE_EMPHASIS * part[:-1]
        signal = np.zeros((some - 1) * hop + length)
        if first == 0:
            signal[0] = part[0]
        signal[int(first == 0) :][: len(emphasised)] = emphasised
        frames = np.lib.stride_tricks.sliding_window_view(signal, length)[::hop]
        rows[start : start + some] = _coefficients(frames, rate)
    return rows


def _coefficients(frames: NDArray[np.float64], rate: int) -> NDArray[np.float64]:
    """Return the coefficients (T, 13) of frames (T, 0.025 rate)."""
    from scipy.fft import dct

    power = np.abs(np.fft.rfft(frames, FFT)) ** 2 / FFT
    energy = _positive(power.sum(axis=1))
    bands = np.log(_positive(power @ mel_filters(rate).T))
    cepstra = dct(bands, type=2, axis=1, norm="ortho")[:, :COEFFICIENTS]
    cepstra = cepstra * (1 + LIFTER / 2 * np.sin(np.pi * np.arange(COEFFICIENTS) / LIFTER))
    cepstra[:, 0] = np.log(energy)
    return np.asarray(cepstra, dtype=np.float64)


@lru_cache(maxsize=4)
def mel_filters(rate: int) -> NDArray[np.float64]:
    """Return the triangular filters over the bins of the power spectrum: (26, 257) float64.

    Corners are equally spaced on the mel scale ``2595 log10(1 + f / 700)`` and moved down to whole bins.
    """
    highest = 2595 * np.log10(1 + rate / 2 / 700)
    hertz = 700 * (10 ** (np.linspace(0, highest, FILTERS + 2) / 2595) - 1)
    corners = np.floor((FFT + 1) * hertz / rate)
    bins = np.arange(FFT // 2 + 1)
    filters = np.zeros((FILTERS, len(bins)))
    for row, (left, top, right) in enumerate(zip(corners, corners[1:], corners[2:], strict=False)):
        rising = (bins >= left) & (bins < top)
        falling = (bins >= top) & (bins < right)
        filters[row, rising] = (bins[rising] - left) / (top - left)
        filters[row, falling] = (right - bins[falling]) / (right - top)
    filters.flags.writeable = False
    return filters


def _positive(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(values == 0, SMALLEST, values)
