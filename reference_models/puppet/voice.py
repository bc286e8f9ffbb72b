"""The voice of a puppet: a formant synthesizer; pulses and noise pass resonators that move from phoneme to phoneme.

A small version of Klatt, "Software for a cascade/parallel formant synthesizer", JASA 67, 1980.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from evalkit.reference_models.puppet.phonemes import SpokenPhoneme

RATE = 16_000
BLOCK = 80  # samples in which the resonators are constant: 5 ms
BANDWIDTHS = (70.0, 110.0, 170.0)
LEVELS = {"vowel": 1.0, "nasal": 0.45, "glide": 0.6, "fricative": 0.22, "stop": 0.12, "silence": 0.0}
GLIDE = 0.022  # seconds in which formants move


@dataclass(frozen=True)
class Voice:
    """A speaker: pitch in Hz, length of the vocal tract as a factor on formants, share of breath."""

    pitch: float
    tract: float
    breath: float


def make_voice(seed: int) -> Voice:
    """Return the voice of puppet ``seed``."""
    rng = np.random.Generator(np.random.PCG64([seed, 0x701CE]))
    pitch, tract, breath = (float(rng.random()) for _ in range(3))
    height = 95.0 + 140.0 * pitch
    return Voice(height, 0.92 + 0.20 * pitch + 0.08 * tract, 0.01 + 0.04 * breath)


def synthesize(spoken: Sequence[SpokenPhoneme], voice: Voice, seed: int) -> NDArray[np.float32]:
    """Return the audio of an utterance: (N,) float32 mono at 16 kHz, peak 0.5, up to the end of the last phoneme."""
    count = round(spoken[-1].end * RATE)
    blocks = -(-count // BLOCK)
    rng = np.random.Generator(np.random.PCG64([seed, 0x50C0]))
    times = (np.arange(blocks) + 0.5) * BLOCK / RATE
    formants, voicing, level, hiss, hiss_level = _controls(spoken, voice, times)
    source = _pulses(blocks, voice, voicing, spoken, rng)
    noise = rng.random(blocks * BLOCK) * 2 - 1
    source += voice.breath * noise * np.repeat(voicing, BLOCK)
    out = np.zeros(blocks * BLOCK)
    states = np.zeros((3, 2))
    noise_state = np.zeros(2)
    for block in range(blocks):
        part = slice(block * BLOCK, (block + 1) * BLOCK)
        wave = source[part] * level[block]
        for k in range(3):
            wave, states[k] = _resonate(wave, formants[block, k], BANDWIDTHS[k], states[k])
        rustle, noise_state = _resonate(noise[part], hiss[block], 0.25 * hiss[block], noise_state)
        out[part] = wave + hiss_level[block] * rustle
    out = lfilter([1.0, -0.6], [1.0], out)[:count]
    return (0.5 * out / max(1e-9, float(np.abs(out).max()))).astype(np.float32)


def _controls(
    spoken: Sequence[SpokenPhoneme], voice: Voice, times: NDArray[np.float64]
) -> tuple[NDArray[np.float64], ...]:
    starts = np.array([part.start for part in spoken])
    at = np.clip(np.searchsorted(starts, times, side="right") - 1, 0, len(spoken) - 1)
    sounds = [part.phoneme for part in spoken]
    formants = np.array([sound.formants for sound in sounds], dtype=np.float64)[at] * voice.tract
    level = np.array([LEVELS[sound.kind] * part.stress for sound, part in zip(sounds, spoken, strict=True)])[at]
    voicing = np.array([float(sound.voiced) for sound in sounds])[at]
    hiss = np.array([sound.hiss or 3000.0 for sound in sounds])[at]
    rustle = np.array([{"fricative": 0.042, "stop": 0.0}.get(sound.kind, 0.0) for sound in sounds])[at]
    for part, sound in zip(spoken, sounds, strict=True):
        if sound.kind == "stop":  # closed, then a burst
            burst = (times >= part.end - 0.018) & (times < part.end + 0.004)
            rustle[burst] = 0.09
            level[(times >= part.start) & (times < part.end - 0.012)] *= 0.5 if sound.voiced else 0.0
    kernel = _kernel(GLIDE)
    formants = np.stack([_smoothed(track, kernel) for track in formants.T], 1)
    return formants, voicing, _smoothed(level, np.ones(5) / 5), hiss, rustle


def _smoothed(track: NDArray[np.float64], kernel: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.convolve(np.pad(track, len(kernel) // 2, "edge"), kernel, "valid"))


def _kernel(seconds: float) -> NDArray[np.float64]:
    half = max(1, round(seconds * RATE / BLOCK))
    window = np.hanning(2 * half + 3)[1:-1]
    return np.asarray(window / window.sum())


def _pulses(
    blocks: int, voice: Voice, voicing: NDArray[np.float64], spoken: Sequence[SpokenPhoneme], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return the glottal pulses, one per period; the pitch falls over the utterance and rises with stress."""
    middle = np.array([(part.start + part.end) / 2 for part in spoken])
    lift = np.array([part.stress for part in spoken])
    times = np.arange(blocks * BLOCK) / RATE
    contour = 1.06 - 0.12 * times / times[-1] + 0.12 * (np.interp(times, middle, lift) - 1.0)
    knots = np.arange(0, times[-1] + 0.2, 0.1)
    wander = np.interp(times, knots, 0.03 * (rng.random(len(knots)) - 0.5))
    phase = np.cumsum(voice.pitch * (contour + wander) / RATE) % 1.0
    opening = np.clip(phase / 0.4, 0, 1)
    closing = np.clip((phase - 0.4) / 0.2, 0, 1)
    flow = np.where(phase < 0.4, 3 * opening**2 - 2 * opening**3, 1 - closing**2)
    return np.asarray(np.diff(flow, prepend=flow[0]) * 12.0 * np.repeat(voicing, BLOCK))


def _resonate(
    wave: NDArray[np.float64], frequency: float, bandwidth: float, state: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return ``wave`` through one resonance of unit gain at 0 Hz, and the filter's state."""
    radius = np.exp(-np.pi * bandwidth / RATE)
    cosine = 2 * radius * np.cos(2 * np.pi * min(frequency, 7600.0) / RATE)
    gain = 1 - cosine + radius * radius
    result, state = lfilter([gain], [1.0, -cosine, radius * radius], wave, zi=state)
    return result, state
