"""What a video's audio holds besides the official speech: what is left after the best linear filter of it.

Loudness, tone, band limits and a constant delay are linear filters, so they leave nothing; lossy codecs leave a few
percent of the power. Other speech or noise that is mixed in stays. The filter is the least-squares one of each
frequency (H = sum of Y conj(X) over sum of |X|^2), and what it leaves is one minus the magnitude-squared coherence,
weighted by power: J. Bendat and A. Piersol, "Random Data", 2010, chapter 6.

What is left is large, too, of speech that was stretched or whose delay changes: the phase of a frequency then drifts.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.gaming.audio_match import RATE, AudioMatch

WINDOW = 1024
HOP = 512
BAND = (300.0, 3400.0)  # Hz; codecs and telephones keep it
NEAR = 640  # samples around the offset of the envelopes in which the waves are aligned
LONGEST = 60 * RATE  # samples compared
LEAST_WINDOWS = 30
SPEECH_SHARE = 0.1  # of the official sound's power within the band; speech has 0.36 and more, and a hum nearly none
RELATED = 0.4  # correlation of envelopes; below it there is no speech to filter out

Wave = NDArray[np.float32]


def left_over(own: NDArray[np.int16], official: NDArray[np.int16], match: AudioMatch) -> float:
    """Return the share of the power of ``own`` that no filter of ``official`` explains, 0..1; NaN where none can be.

    Args:
        own: (N,) mono at 16 kHz.
        official: (M,), the same.
        match: of both, for the offset.
    """
    if match.state != "compared" or match.match < RELATED:
        return float("nan")
    offset = round(match.offset * RATE)
    theirs = official[max(0, -offset) :][:LONGEST].astype(np.float32)
    ours = own[max(0, offset) :][:LONGEST].astype(np.float32)
    fine = _offset(ours, theirs)
    ours, theirs = ours[max(0, fine) :], theirs[max(0, -fine) :]
    length = min(len(ours), len(theirs))
    if length < WINDOW + (LEAST_WINDOWS - 1) * HOP:
        return float("nan")
    (heard, _), (played, share) = _spectra(ours[:length]), _spectra(theirs[:length])
    power = float(np.square(np.abs(heard)).sum())
    if power <= 0 or share < SPEECH_SHARE:
        return float("nan")
    response = (heard * np.conj(played)).sum(axis=0) / (np.square(np.abs(played)).sum(axis=0) + 1e-3)
    return float(np.square(np.abs(heard - response * played)).sum()) / power


def _offset(ours: Wave, theirs: Wave) -> int:
    """Return by how many samples ``ours`` is later, at most `NEAR` either way: the largest correlation."""
    size = 1 << (len(ours) + len(theirs) - 1).bit_length()
    products = np.fft.irfft(np.fft.rfft(ours, size) * np.conj(np.fft.rfft(theirs, size)), size)
    lags = np.arange(-NEAR, NEAR + 1)
    return int(lags[np.argmax(np.abs(products[lags]))])


def _spectra(wave: Wave) -> tuple[NDArray[np.complex128], float]:
    """Return the spectrum of each window within `BAND` (windows, frequencies), and the band's share of the power."""
    windows = np.lib.stride_tricks.sliding_window_view(wave, WINDOW)[::HOP] * np.hanning(WINDOW)
    frequency = np.fft.rfftfreq(WINDOW, 1 / RATE)
    spectra = np.fft.rfft(windows, axis=1)
    within = spectra[:, (frequency >= BAND[0]) & (frequency <= BAND[1])]
    total = float(np.square(np.abs(spectra)).sum())
    return within, float(np.square(np.abs(within)).sum()) / total if total > 0 else 0.0
