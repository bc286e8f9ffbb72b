"""STOI and ESTOI of two signals at 10 kHz.

C. Taal, R. Hendriks, R. Heusdens, J. Jensen, "An Algorithm for Intelligibility Prediction of Time-Frequency Weighted
Noisy Speech", IEEE TASLP 19(7), 2011; J. Jensen, C. Taal, "An Algorithm for Predicting the Intelligibility of Speech
Masked by Modulated Noise Maskers", IEEE/ACM TASLP 24(11), 2016. Values agree with pystoi to 1e-9.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

RATE = 10000  # Hz
WINDOW = 256  # samples
HOP = 128
TRANSFORM = 512
BANDS = 15  # third octaves
LOWEST = 150.0  # Hz, centre of the first band
SEGMENT = 30  # frames, 384 ms
DYNAMIC_RANGE = 40.0  # decibels
LOWEST_SDR = -15.0  # decibels
_EPSILON = float(np.finfo(float).eps)
_TOGETHER = 2000  # segments worked on at once: a long signal needs no more memory than a short one

Signal = NDArray[np.float64]


class TooShortError(ValueError):
    """Fewer than 30 frames are left after the silent ones are removed."""


def intelligibility(clean: Signal, degraded: Signal) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return STOI and ESTOI of each segment of 30 frames, (M,) each in -1..1; the measures are their means.

    Args:
        clean, degraded: (N,) float64 at 10 kHz, of the same length.

    Raises:
        TooShortError: where public code returns 1e-5.
    """
    if clean.shape != degraded.shape or clean.ndim != 1:
        raise ValueError(f"both signals must be (N,) of one length, found {clean.shape} and {degraded.shape}")
    clean, degraded = _without_silence(clean, degraded)
    ours, theirs = _band_levels(clean), _band_levels(degraded)
    if ours.shape[1] < SEGMENT:
        raise TooShortError(f"{ours.shape[1]} of {SEGMENT} frames")
    count = ours.shape[1] - SEGMENT + 1
    plain, extended = np.empty(count), np.empty(count)
    for start in range(0, count, _TOGETHER):
        part = slice(start, min(start + _TOGETHER, count))
        x, y = (np.lib.stride_tricks.sliding_window_view(side, SEGMENT, axis=1)[:, part] for side in (ours, theirs))
        plain[part] = _clipped_correlation(x, y)
        extended[part] = (_normalised(x) * _normalised(y)).sum(axis=(0, 2)) / SEGMENT
    return plain, extended


def _windowed(signal: Signal) -> NDArray[np.float64]:
    """Return the windowed frames (K, 256); one that would end with the signal is left out, as in public code."""
    if len(signal) <= WINDOW:
        return np.empty((0, WINDOW))
    frames = np.lib.stride_tricks.sliding_window_view(signal, WINDOW)[: len(signal) - WINDOW : HOP]
    return np.asarray(frames * np.hanning(WINDOW + 2)[1:-1])


def _without_silence(clean: Signal, degraded: Signal) -> tuple[Signal, Signal]:
    """Remove the frames of both that are more than 40 dB below the loudest of the clean signal, and join the rest."""
    ours, theirs = _windowed(clean), _windowed(degraded)
    if not len(ours):
        return clean[:0], degraded[:0]
    level = 20 * np.log10(np.linalg.norm(ours, axis=1) + _EPSILON)
    kept = level > level.max() - DYNAMIC_RANGE
    return _joined(ours[kept]), _joined(theirs[kept])


def _joined(frames: NDArray[np.float64]) -> Signal:
    """Return overlapped and added frames: (K + 1) * 128 samples."""
    signal = np.zeros((len(frames) + 1, HOP))
    signal[:-1] += frames[:, :HOP]
    signal[1:] += frames[:, HOP:]
    return signal.ravel()


@cache
def _bands() -> NDArray[np.float64]:
    """Return which bins (15, 257) belong to which third octave: edges are rounded to the nearest bin."""
    bins = np.arange(TRANSFORM // 2 + 1) * RATE / TRANSFORM
    edges = LOWEST * 2.0 ** ((2 * np.arange(BANDS)[:, None] + [-1, 1]) / 6)
    low, high = np.abs(bins[:, None, None] - edges).argmin(axis=0).T
    places = np.arange(len(bins))
    return np.asarray((places >= low[:, None]) & (places < high[:, None]), np.float64)


def _band_levels(signal: Signal) -> NDArray[np.float64]:
    """Return the root of the energy of each band (15, K)."""
    spectrum = np.fft.rfft(_windowed(signal), TRANSFORM, axis=1)
    return np.asarray(np.sqrt(_bands() @ (np.square(spectrum.real) + np.square(spectrum.imag)).T))


def _clipped_correlation(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return for segments (15, M, 30) the mean over bands (M,) of the correlation, the degraded side clipped."""
    gain = np.linalg.norm(x, axis=2, keepdims=True) / (np.linalg.norm(y, axis=2, keepdims=True) + _EPSILON)
    y = np.minimum(y * gain, x * (1 + 10 ** (-LOWEST_SDR / 20)))
    x, y = (side - side.mean(axis=2, keepdims=True) for side in (x, y))
    x, y = (side / (np.linalg.norm(side, axis=2, keepdims=True) + _EPSILON) for side in (x, y))
    return np.asarray((x * y).sum(axis=2).mean(axis=0))


def _normalised(segments: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return segments (15, M, 30) with the mean removed and length 1: of each band, then of each frame.

    What is constant becomes 0; public code adds noise of 1e-16 first, so that it becomes noise.
    """
    for axis in (2, 0):
        segments = segments - segments.mean(axis=axis, keepdims=True)
        length = np.linalg.norm(segments, axis=axis, keepdims=True)
        segments = np.divide(segments, length, out=np.zeros_like(segments), where=length > _EPSILON)
    return segments
