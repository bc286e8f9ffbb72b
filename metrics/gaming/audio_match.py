"""Whether a video's audio is the official speech, and by how much it is delayed.

Both are reduced to the loudness of nine bands between 100 and 3400 Hz, 100 times a second. These are the bands of
telephone speech: they survive 8 kHz sampling and every lossy codec. J. Haitsma and T. Kalker, "A Highly Robust Audio
Fingerprinting System", 2002, correlate such envelopes too, but keep only the signs of their differences. The offset is
where the normalised correlation is largest. Gain, resampling, mono or stereo, AAC, MP3 and Opus hardly change it;
another speech does, and so does another voice with the same words.

Not detected: changes inside a band (pitch, a filtered voice), and speech mixed with other audio that is much softer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

State = Literal["compared", "no_official_sound", "no_sound", "silent", "too_short", "official_silent"]
Envelope = NDArray[np.float64]

RATE = 16000
HOP = 160
WINDOW = 512
EDGES = (100, 250, 400, 600, 850, 1150, 1550, 2050, 2700, 3400)  # Hz
DEPTH = 40.0  # decibels below the loud parts; everything softer counts as silence
MAX_SHIFT = 200  # hundredths of a second
MIN_OVERLAP = 100  # hundredths of a second in common
SILENCE = 10 ** (-60 / 20)  # of full scale, root mean square
BLOCK = 100  # hundredths of a second
_ROWS = 6000  # windows transformed at once, a minute
SIMILAR = 0.7  # correlation of a block that is found again
PEAK_TOLERANCE = 0.05  # peaks this far below the largest correlation compete by their distance from 0


@dataclass(frozen=True)
class AudioMatch:
    """How a video's audio compares with the official speech.

    Args:
        state: "compared", or why not.
        match: largest normalised correlation of the envelopes, -1..1; unrelated speech stays below 0.5.
        offset: delay in seconds relative to the official speech.
        share: of the seconds of the official speech in which something changes, the share found again, 0..1.
    """

    state: State
    match: float = 0.0
    offset: float = 0.0
    share: float = 0.0


def match_audio(own: NDArray[np.int16] | None, official: NDArray[np.int16] | None) -> AudioMatch:
    """Compare two mono signals at 16 kHz, (N,) and (M,) int16; ``None`` where there is none.

    What a video plays long after the speech ended is not compared: it says nothing of the speech before.
    """
    if official is None:
        return AudioMatch("no_official_sound")
    if own is None or not len(own):
        return AudioMatch("no_sound")
    own = own[: len(official) + RATE * MAX_SHIFT // 100]
    if min(len(own), len(official)) < RATE * MIN_OVERLAP // 100 + WINDOW:
        return AudioMatch("too_short")
    if loudness(official) < SILENCE:
        return AudioMatch("official_silent")
    if loudness(own) < SILENCE:
        return AudioMatch("silent")
    ours, theirs = envelope(own), envelope(official)
    shifts, values = _correlation(ours, theirs)
    best = _nearest_peak(shifts, values)
    shift = int(shifts[best])
    return AudioMatch(
        "compared", float(values[best]), (shift + _vertex(values, best)) / 100, _share(ours, theirs, shift)
    )


def envelope(audio: NDArray[np.int16]) -> Envelope:
    """Return the level of each band in decibels (T, 9), 100 times a second, at least `DEPTH` below the loud parts."""
    count = 1 + max(0, len(audio) - WINDOW) // HOP
    bands = np.empty((count, len(EDGES) - 1))
    for start in range(0, count, _ROWS):
        some = min(_ROWS, count - start)
        part = np.asarray(audio[start * HOP : (start + some - 1) * HOP + WINDOW], np.float32) / 32768
        bands[start : start + some] = _band_power(np.pad(part, (0, (some - 1) * HOP + WINDOW - len(part))))
    level = 10 * np.log10(bands + 1e-12)
    return np.asarray(np.maximum(level, np.percentile(level.max(axis=1), 95) - DEPTH))


def _band_power(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the power of each band (T, 9) of the windows in samples (N,)."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP]
    spectrum = np.fft.rfft(frames * np.hanning(WINDOW).astype(np.float32), axis=1)
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    edges = np.searchsorted(np.fft.rfftfreq(WINDOW, 1 / RATE), EDGES)
    return np.add.reduceat(power[:, : edges[-1]], edges[:-1], axis=1).astype(np.float64)


def loudness(audio: NDArray[np.int16]) -> float:
    """Return the root mean square of samples (N,), N > 0, as a share of full scale."""
    blocks = (audio[start : start + RATE * 60].astype(np.int64) for start in range(0, len(audio), RATE * 60))
    return float(np.sqrt(sum(int(block @ block) for block in blocks) / len(audio))) / 32768


def _correlation(ours: Envelope, theirs: Envelope) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the shifts and, for each, the correlation over the common part (at least half of the shorter one)."""
    ours, theirs = ours - ours.mean(axis=0), theirs - theirs.mean(axis=0)
    count, other = len(ours), len(theirs)
    shifts = np.arange(-(other - 1), count)
    products = _products(ours, theirs)[shifts]
    start, end = np.maximum(shifts, 0), np.minimum(count, other + shifts)
    first = np.concatenate([[0.0], np.cumsum(np.square(ours).sum(axis=1))])
    second = np.concatenate([[0.0], np.cumsum(np.square(theirs).sum(axis=1))])
    energy = (first[end] - first[start]) * (second[end - shifts] - second[start - shifts])
    needed = max(MIN_OVERLAP, min(count, other) // 2)
    usable = (end - start >= needed) & (np.abs(shifts) <= MAX_SHIFT) & (energy > 1e-9)
    values = np.where(usable, products / np.sqrt(np.maximum(energy, 1e-9)), -1.0)
    return shifts, np.asarray(values)


def _products(ours: Envelope, theirs: Envelope) -> NDArray[np.float64]:
    """Return the sum of products over all bands for each shift; those of negative shifts are at the end.

    By Fourier transforms of NumPy: importing SciPy's signals takes longer than comparing a video.
    """
    size = 1 << (len(ours) + len(theirs) - 1).bit_length()
    spectrum = np.fft.rfft(ours, size, axis=0) * np.conj(np.fft.rfft(theirs, size, axis=0))
    return np.asarray(np.fft.irfft(spectrum.sum(axis=1), size))


def _nearest_peak(shifts: NDArray[np.int64], values: NDArray[np.float64]) -> int:
    """Return the index of the best peak; of several about as high (a steady tone has many) the nearest to shift 0."""
    padded = np.concatenate([[-1.0], values, [-1.0]])
    peak = (values >= padded[:-2]) & (values >= padded[2:]) & (values >= values.max() - PEAK_TOLERANCE)
    peaks = np.flatnonzero(peak)
    return int(peaks[np.argmin(np.abs(shifts[peaks]))])


def _vertex(values: NDArray[np.float64], best: int) -> float:
    """Return the sub-sample position of the peak, -0.5..0.5: the top of a parabola through it and its neighbours."""
    if not 0 < best < len(values) - 1 or min(values[best - 1], values[best + 1]) <= -1.0:
        return 0.0
    before, top, after = values[best - 1 : best + 2]
    bend = before - 2 * top + after
    return float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5)) if bend < 0 else 0.0


def _share(ours: Envelope, theirs: Envelope, shift: int) -> float:
    """Return the share of the official speech's non-silent seconds that are found again ``shift`` later."""
    same = counted = 0
    for start in range(0, len(theirs) - BLOCK + 1, BLOCK):
        block = theirs[start : start + BLOCK]
        block = block - block.mean(axis=0)
        if np.sqrt(np.mean(np.square(block))) < 1.0:
            continue
        begin = start + shift
        other = ours[max(begin, 0) : begin + BLOCK] if begin + BLOCK > 0 else ours[:0]
        if len(other) < BLOCK // 2:
            continue  # beyond the video's end: another rule checks its length
        counted += 1
        block = block[max(-begin, 0) :][: len(other)]
        other, block = other - other.mean(axis=0), block - block.mean(axis=0)
        energy = float(np.square(other).sum() * np.square(block).sum())
        same += energy > 0 and float((other * block).sum()) / energy**0.5 >= SIMILAR
    return same / counted if counted else 0.0
