"""Mel spectra on the scale of M. Slaney's Auditory Toolbox (1998), as speech networks in public code expect them."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.features.audio import RATE

_LINEAR = 200 / 3  # Hz per mel below 1000 Hz
_LOGARITHMIC = np.log(6.4) / 27  # above, per mel


def _mel(frequency: NDArray[np.float64]) -> NDArray[np.float64]:
    above = 15 + np.log(np.maximum(frequency, 1000) / 1000) / _LOGARITHMIC
    return np.where(frequency < 1000, frequency / _LINEAR, above)


def _hertz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(mel < 15, mel * _LINEAR, 1000 * np.exp(_LOGARITHMIC * (mel - 15)))


@cache
def mel_filters(transform: int, bands: int, rate: int = RATE) -> NDArray[np.float32]:
    """Return triangles (bands, transform // 2 + 1) of area 1 from 0 Hz to half the rate, as float32."""
    bins = np.arange(transform // 2 + 1) * rate / transform
    edges = _hertz(np.linspace(0, _mel(np.array(rate / 2)), bands + 2))
    rising = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    triangles = np.maximum(0, np.minimum(rising, falling))
    return (triangles * (2 / (edges[2:] - edges[:-2]))[:, None]).astype(np.float32)


def mel_spectra(signal: NDArray[np.float32], transform: int, hop: int, bands: int) -> NDArray[np.float32]:
    """Return mel power spectra (K, bands) of a signal (N,): windows around each ``hop`` samples, zeros beyond the ends.

    A periodic Hann window as long as the transform; power, not its logarithm.
    """
    half = transform // 2
    padded = np.pad(signal.astype(np.float32), half)
    frames = np.lib.stride_tricks.sliding_window_view(padded, transform)[::hop]
    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(transform) / transform)).astype(np.float32)
    filters = mel_filters(transform, bands).T
    found = np.empty((len(frames), bands), np.float32)
    for start in range(0, len(frames), 4096):
        spectrum = np.fft.rfft(frames[start : start + 4096] * window, axis=1)
        found[start : start + 4096] = (np.square(spectrum.real) + np.square(spectrum.imag)).astype(np.float32) @ filters
    return found
