"""Is one sound the other one, and how much later does it come.

Both are reduced to the loudness of nine bands between 100 and 3400 Hz, a hundred times a second (the bands of telephone
speech: they survive 8 kHz sampling and every lossy codec; correlating such envelopes after J. Haitsma and T. Kalker, "A
Highly Robust Audio Fingerprinting System", 2002, who keep the signs of their differences). The offset is where their
normalised correlation is largest. Gain, resampling, mono or stereo, AAC, MP3 and Opus hardly change it; another speech
or another voice with the same words does.

What it can't see: sound that was changed inside a band (pitch, a filtered voice), and speech under other sound that is
much softer.
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
DEPTH = 40.0  # decibels below the loud parts from which everything is equally silent
MAX_SHIFT = 200  # hundredths of a second
LEAST = 100  # hundredths of a second in common
SILENCE = 10 ** (-60 / 20)  # of full scale, root mean square
BLOCK = 100
ALIKE = 0.7
NEARLY = 0.05


@dataclass(frozen=True)
class SoundMatch:
    """How a sound compares with the official one.

    Args:
        state: "compared", or why not.
        match: largest normalised correlation of the envelopes, -1..1; unrelated speech stays below 0.5.
        offset: seconds by which the sound is later than the official one.
        share: of the seconds of the official sound in which something changes, those that are found again there, 0..1.
    """

    state: State
    match: float = 0.0
    offset: float = 0.0
    share: float = 0.0


def match_sounds(own: NDArray[np.int16] | None, official: NDArray[np.int16] | None) -> SoundMatch:
    """Compare two sounds of 16 kHz, (N,) and (M,) int16; ``None`` where there is none."""
    if official is None:
        return SoundMatch("no_official_sound")
    if own is None or not len(own):
        return SoundMatch("no_sound")
    if min(len(own), len(official)) < RATE * LEAST // 100 + WINDOW:
        return SoundMatch("too_short")
    if _loudness(official) < SILENCE:
        return SoundMatch("official_silent")
    if _loudness(own) < SILENCE:
        return SoundMatch("silent")
    ours, theirs = envelope(own), envelope(official)
    shifts, values = _correlation(ours, theirs)
    best = _nearest_peak(shifts, values)
    shift = int(shifts[best])
    return SoundMatch(
        "compared", float(values[best]), (shift + _vertex(values, best)) / 100, _share(ours, theirs, shift)
    )


def envelope(sound: NDArray[np.int16]) -> Envelope:
    """Return decibels of each band (T, 9), a hundred times a second, cut off `DEPTH` below the loud parts."""
    samples = np.asarray(sound, np.float32) / 32768
    count = 1 + max(0, len(samples) - WINDOW) // HOP
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(samples, (0, WINDOW)), WINDOW)[::HOP][:count]
    spectrum = np.fft.rfft(frames * np.hanning(WINDOW).astype(np.float32), axis=1)
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    places = np.searchsorted(np.fft.rfftfreq(WINDOW, 1 / RATE), EDGES)
    bands = np.add.reduceat(power[:, : places[-1]], places[:-1], axis=1).astype(np.float64)
    level = 10 * np.log10(bands + 1e-12)
    return np.asarray(np.maximum(level, np.percentile(level.max(axis=1), 95) - DEPTH))


def _loudness(sound: NDArray[np.int16]) -> float:
    return float(np.sqrt(np.mean(np.square(sound.astype(np.float64) / 32768))))


def _correlation(ours: Envelope, theirs: Envelope) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return shifts and, for each, the correlation over what both have in common (at least half of the shorter)."""
    from scipy.signal import correlate

    ours, theirs = ours - ours.mean(axis=0), theirs - theirs.mean(axis=0)
    count, other = len(ours), len(theirs)
    together = np.zeros(count + other - 1)
    for band in range(ours.shape[1]):
        together += correlate(ours[:, band], theirs[:, band], "full")
    shifts = np.arange(-(other - 1), count)
    start, end = np.maximum(shifts, 0), np.minimum(count, other + shifts)
    first = np.concatenate([[0.0], np.cumsum(np.square(ours).sum(axis=1))])
    second = np.concatenate([[0.0], np.cumsum(np.square(theirs).sum(axis=1))])
    energy = (first[end] - first[start]) * (second[end - shifts] - second[start - shifts])
    needed = max(LEAST, min(count, other) // 2)
    usable = (end - start >= needed) & (np.abs(shifts) <= MAX_SHIFT) & (energy > 1e-9)
    values = np.where(usable, together / np.sqrt(np.maximum(energy, 1e-9)), -1.0)
    return shifts, np.asarray(values)


def _nearest_peak(shifts: NDArray[np.int64], values: NDArray[np.float64]) -> int:
    """Return where the best peak is; of several nearly as good ones (a steady tone has many) the nearest to 0."""
    padded = np.concatenate([[-1.0], values, [-1.0]])
    peak = (values >= padded[:-2]) & (values >= padded[2:]) & (values >= values.max() - NEARLY)
    places = np.flatnonzero(peak)
    return int(places[np.argmin(np.abs(shifts[places]))])


def _vertex(values: NDArray[np.float64], best: int) -> float:
    """Return how far from the largest value the top of a parabola through it and its neighbours lies, -0.5..0.5."""
    if not 0 < best < len(values) - 1 or min(values[best - 1], values[best + 1]) <= -1.0:
        return 0.0
    before, top, after = values[best - 1 : best + 2]
    bend = before - 2 * top + after
    return float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5)) if bend < 0 else 0.0


def _share(ours: Envelope, theirs: Envelope, shift: int) -> float:
    """Return the share of the official seconds with something in them that sound the same ``shift`` later."""
    same = told = 0
    for start in range(0, len(theirs) - BLOCK + 1, BLOCK):
        block = theirs[start : start + BLOCK]
        block = block - block.mean(axis=0)
        if np.sqrt(np.mean(np.square(block))) < 1.0:
            continue
        begin, told = start + shift, told + 1
        other = ours[max(begin, 0) : begin + BLOCK] if begin + BLOCK > 0 else ours[:0]
        if len(other) < BLOCK // 2:
            told -= 1  # not part of the video: its length is another rule's
            continue
        block = block[max(-begin, 0) :][: len(other)]
        other, block = other - other.mean(axis=0), block - block.mean(axis=0)
        energy = float(np.square(other).sum() * np.square(block).sum())
        same += energy > 0 and float((other * block).sum()) / energy**0.5 >= ALIKE
    return same / told if told else 0.0
