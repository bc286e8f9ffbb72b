"""From speech to mouth motion: how far the mouth is open and how wide it is in each frame, from that frame's audio.

Loudness below 1.2 kHz, where vowels have their first formant, opens the mouth; fricative noise does not. The ratio
of the second-formant regions of u and i makes it round or spread. Silence and short dips of loudness between vowels
(the closures of p, b and m) close it. Every filter is symmetric, so the motion has no delay.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, maximum_filter1d

RATE = 16_000
HOP = 80  # samples: 5 ms
WINDOW = 480  # samples: 30 ms
FFT = 1024
SPAN_DB = 26.0  # from a closed mouth to an open one
QUIET_DBFS = -55.0  # below this there is no speech
DIP_SECONDS = 0.16
DIP_DB = 6.0
SMOOTH_SECONDS = 0.018
WIDE_SMOOTH_SECONDS = 0.04


@dataclass(frozen=True, eq=False)
class MouthMotion:
    """Motion of the mouth per frame.

    Args:
        opening: (N,) float64 in 0..1, 0 closed.
        width: (N,) float64 in -1..1, -1 rounded, 1 spread.
        loudness: (N,) float64 level of the vowels' band in dBFS.
    """

    opening: NDArray[np.float64]
    width: NDArray[np.float64]
    loudness: NDArray[np.float64]


def mouth_motion(audio: NDArray[np.float32] | None, frames: int, fps: float) -> MouthMotion:
    """Return the mouth motion of ``frames`` frames.

    Args:
        audio: (N,) float32 mono at `RATE`, or ``None`` for silence; missing audio at the end is silence.
        frames: number of frames.
        fps: frames per second; frame i is shown from i/fps to (i+1)/fps and follows the audio at its middle.
    """
    silent = MouthMotion(np.zeros(frames), np.zeros(frames), np.full(frames, -120.0))
    if audio is None or not len(audio) or not frames:
        return silent
    low, round_, spread, hiss = _bands(audio)
    loud = low.max()
    if loud < QUIET_DBFS:
        return silent
    steps = HOP / RATE
    smooth = gaussian_filter1d(low, 0.01 / steps)
    ceiling = np.percentile(smooth[smooth > max(QUIET_DBFS, loud - 40)], 90)
    opening = np.clip((smooth - (ceiling - SPAN_DB)) / SPAN_DB, 0, 1.15) ** 1.3
    around = maximum_filter1d(smooth, round(DIP_SECONDS / steps))
    opening *= 1 - np.clip((around - smooth - DIP_DB) / DIP_DB, 0, 1)  # closures
    opening *= np.clip((low - QUIET_DBFS) / 10, 0, 1)
    opening = np.where(hiss > low, np.minimum(opening, 0.2), opening)
    width = np.tanh((gaussian_filter1d(spread - round_, WIDE_SMOOTH_SECONDS / steps) + 9.0) / 8.0)
    width = np.where(smooth > ceiling - SPAN_DB, width, 0.0)
    times = (np.arange(frames) + 0.5) / fps
    grid = np.arange(len(low)) * steps

    def at_frames(curve: NDArray[np.float64], seconds: float, outside: float) -> NDArray[np.float64]:
        smoothed = gaussian_filter1d(curve, seconds / steps)
        return np.asarray(np.interp(times, grid, smoothed, right=outside), dtype=np.float64)

    return MouthMotion(
        np.clip(at_frames(opening, SMOOTH_SECONDS, 0.0), 0, 1),
        np.clip(at_frames(width, WIDE_SMOOTH_SECONDS, 0.0), -1, 1),
        at_frames(low, SMOOTH_SECONDS, -120.0),
    )


def _bands(audio: NDArray[np.float32]) -> tuple[NDArray[np.float64], ...]:
    """Return the level in dBFS of four bands every 5 ms: vowels, second formant of u and o, of i and e, fricatives."""
    padded = np.pad(audio.astype(np.float64), WINDOW // 2)
    count = 1 + (len(padded) - WINDOW) // HOP
    starts = np.arange(count) * HOP
    taper = np.hanning(WINDOW)
    levels: list[list[NDArray[np.float64]]] = [[] for _ in range(4)]
    frequency = np.fft.rfftfreq(FFT, 1 / RATE)
    edges = ((150, 1200), (600, 1300), (1600, 3000), (3800, 7600))
    masks = [(frequency >= a) & (frequency < b) for a, b in edges]
    scale = 2.0 / (taper.sum() ** 2)
    for first in range(0, count, 2000):  # in chunks, to limit memory
        index = starts[first : first + 2000, None] + np.arange(WINDOW)
        power = np.abs(np.fft.rfft(padded[index] * taper, FFT, axis=1)) ** 2 * scale
        for band, mask in zip(levels, masks, strict=True):
            band.append(10 * np.log10(power[:, mask].sum(axis=1) + 1e-12))
    return tuple(np.concatenate(band) for band in levels)
