"""Mel-cepstra of speech and their distance.

The mel-cepstrum is the cepstrum on a frequency scale bent by an all-pass filter (A. Oppenheim, D. Johnson, "Discrete
Representation of Signals", Proc. IEEE 60(6), 1972); alpha 0.42 at 16 kHz is near the mel scale. The distance is that of
R. Kubichek, "Mel-cepstral distance measure for objective speech quality assessment", 1993.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

ORDER = 24
ALPHA = 0.42
WINDOW = 400  # samples at 16 kHz, 25 ms
HOP = 80  # 5 ms
TRANSFORM = 1024
FLOOR = 1e-10  # of power: silence has a finite logarithm
_TOGETHER = 4096  # frames worked on at once

Signal = NDArray[np.float64]


@cache
def bending(order: int, alpha: float, length: int) -> NDArray[np.float64]:
    """Return the matrix (order + 1, length) from a cepstrum to a mel-cepstrum.

    Column m has the coefficients of the m-th power of the all-pass filter. With alpha 0 it cuts the cepstrum.
    """
    columns = np.zeros((order + 1, length))
    column = np.zeros(order + 1)
    column[0] = 1.0
    for m in range(length):
        columns[:, m] = column
        after = np.zeros(order + 1)
        after[0] = alpha * column[0]
        if order:
            after[1] = (1 - alpha**2) * column[0] + alpha * column[1]
        for k in range(2, order + 1):
            after[k] = column[k - 1] + alpha * (column[k] - after[k - 1])
        column = after
    return columns


def mel_cepstra(signal: Signal, order: int = ORDER, alpha: float = ALPHA) -> NDArray[np.float64]:
    """Return the mel-cepstra (K, order + 1) of a signal (N,) at 16 kHz, every 5 ms; at least one frame.

    A Blackman window of 25 ms, the logarithm of the spectrum, its cepstrum folded to that of minimum phase, bent.
    """
    signal = np.pad(signal, (0, max(0, WINDOW - len(signal))))
    frames = np.lib.stride_tricks.sliding_window_view(signal, WINDOW)[::HOP]
    matrix = bending(order, alpha, TRANSFORM // 2 + 1)
    found = np.empty((len(frames), order + 1))
    for start in range(0, len(frames), _TOGETHER):
        spectrum = np.fft.rfft(frames[start : start + _TOGETHER] * np.blackman(WINDOW), TRANSFORM, axis=1)
        power = np.square(spectrum.real) + np.square(spectrum.imag)
        cepstrum = np.fft.irfft(np.log(power + FLOOR), TRANSFORM, axis=1)[:, : TRANSFORM // 2 + 1]
        cepstrum[:, [0, -1]] /= 2
        found[start : start + _TOGETHER] = cepstrum @ matrix.T
    return found


def distortion(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mel-cepstral distortion in dB of each pair of frames (K,); coefficient 0, the loudness, is left out.

    Args:
        ours, theirs: (K, D + 1) mel-cepstra.
    """
    if ours.shape != theirs.shape or ours.ndim != 2:
        raise ValueError(f"both must be (K, D + 1) of one shape, found {ours.shape} and {theirs.shape}")
    return np.asarray(10 / np.log(10) * np.sqrt(2 * np.square(ours[:, 1:] - theirs[:, 1:]).sum(axis=1)))
