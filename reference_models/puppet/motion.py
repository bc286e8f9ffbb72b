"""The motion of a puppet while it speaks: head, eyelids, gaze, mood and requested actions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evalkit.reference_models.puppet.phonemes import SpokenPhoneme
from evalkit.reference_models.puppet.pose import Pose
from evalkit.reference_models.puppet.visemes import CHANNELS, mouth_track

FPS = 25
MOODS: dict[str, dict[str, float]] = {
    "neutral": {},
    "happy": {"smile": 0.85, "brows": 0.15, "squint": 0.35},
    "sad": {"smile": -0.7, "brows": 0.25, "frown": 0.6, "pitch": 0.08},
    "angry": {"smile": -0.35, "brows": -0.55, "frown": 1.0, "squint": 0.3},
    "surprised": {"brows": 1.0, "gap": 0.25, "jaw": 0.2, "squint": -0.3},
}
# What a puppet can be asked to do, and how a caption says it.
ACTIONS: dict[str, str] = {
    "nod": "nods",
    "shake": "shakes the head",
    "smile": "smiles",
    "frown": "frowns",
    "raise_brows": "raises the eyebrows",
    "close_eyes": "closes the eyes",
    "look_left": "turns to the left",
    "look_right": "turns to the right",
    "look_up": "looks up",
    "tilt": "tilts the head",
    "raise_hand": "raises a hand",
}
_CURVES: dict[str, tuple[tuple[str, float, float], ...]] = {  # channel, amplitude, oscillations per second (0: hold)
    "nod": (("pitch", 0.20, 1.6),),
    "shake": (("yaw", 0.28, 1.5),),
    "smile": (("smile", 0.9, 0.0), ("squint", 0.3, 0.0)),
    "frown": (("frown", 1.0, 0.0), ("smile", -0.6, 0.0), ("brows", -0.4, 0.0)),
    "raise_brows": (("brows", 1.0, 0.0),),
    "close_eyes": (("blink", 1.0, 0.0),),
    "look_left": (("yaw", -0.42, 0.0), ("gaze_x", -0.5, 0.0)),
    "look_right": (("yaw", 0.42, 0.0), ("gaze_x", 0.5, 0.0)),
    "look_up": (("pitch", -0.22, 0.0), ("gaze_y", -0.7, 0.0)),
    "tilt": (("roll", 0.26, 0.0),),
    "raise_hand": (("hand", 1.0, 0.0),),
}
_LIMITS = {
    **dict.fromkeys(("smile", "brows", "gaze_x", "gaze_y"), (-1.0, 1.0)),
    **dict.fromkeys(("frown", "blink", "gap", "jaw", "hand"), (0.0, 1.0)),
    "squint": (-0.4, 1.0),
}


@dataclass(frozen=True)
class Action:
    """A requested action, one of `ACTIONS`, from ``start`` to ``end`` seconds."""

    start: float
    end: float
    name: str


def performance(
    seed: int, spoken: Sequence[SpokenPhoneme], seconds: float, mood: str = "neutral", actions: Sequence[Action] = ()
) -> list[Pose]:
    """Return a pose per frame at 25 frames/s, taken in the middle of each frame's time."""
    rng = np.random.Generator(np.random.PCG64([seed, 0x90E5]))
    times = (np.arange(round(seconds * FPS)) + 0.5) / FPS
    tracks: dict[str, NDArray[np.float64]] = {}
    for name, size in (("yaw", 0.13), ("pitch", 0.06), ("roll", 0.05), ("x", 0.05), ("y", 0.03)):
        tracks[name] = size * _sway(times, rng)
    tracks["zoom"] = 1.0 + 0.02 * _sway(times, rng)
    mouth = mouth_track(spoken, times)
    for channel, track in zip(CHANNELS, mouth.T, strict=True):
        tracks[channel] = track.copy()
    tracks["pitch"] += 0.05 * _smooth(mouth[:, 1], 5)  # the head moves with the voice
    tracks["blink"] = _blinks(times, rng)
    tracks["gaze_x"], tracks["gaze_y"] = _saccades(times, rng, 0.45), _saccades(times, rng, 0.25)
    tracks["brows"] = 0.15 * _sway(times, rng)
    for name in ("smile", "frown", "squint", "hand"):
        tracks[name] = np.zeros(len(times))
    for name, value in MOODS[mood].items():
        tracks[name] += value
    for action in actions:
        for name, size, swings in _CURVES[action.name]:
            swing = np.sin(2 * np.pi * swings * (times - action.start)) if swings else np.ones(len(times))
            tracks[name] += size * _window(times, action) * swing
    for name, (low, high) in _LIMITS.items():
        tracks[name] = np.clip(tracks[name], low, high)
    return [Pose(**{name: float(track[frame]) for name, track in tracks.items()}) for frame in range(len(times))]


def _sway(times: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return a slow, smooth random curve within about -1..1."""
    total = np.zeros(len(times))
    for low, size in ((0.10, 0.6), (0.25, 0.3), (0.6, 0.15)):
        total += size * np.sin(2 * np.pi * (low * (0.7 + 0.6 * rng.random()) * times + rng.random()))
    return total


def _smooth(track: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    return np.asarray(np.convolve(np.pad(track, width // 2, "edge"), np.ones(width) / width, "valid"))


def _blinks(times: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    closed = np.zeros(len(times))
    clock = 0.4 + 2.0 * rng.random()
    while clock < times[-1]:
        closed = np.maximum(closed, np.clip(1.25 - np.abs(times - clock) / 0.10, 0, 1))
        clock += 1.6 + 3.2 * rng.random()
    return closed


def _saccades(times: NDArray[np.float64], rng: np.random.Generator, size: float) -> NDArray[np.float64]:
    track = np.zeros(len(times))
    clock = 0.0
    while clock < times[-1]:
        track[times >= clock] = size * (2 * rng.random() - 1) if rng.random() < 0.6 else 0.0
        clock += 0.5 + 1.5 * rng.random()
    return track


def _window(times: NDArray[np.float64], action: Action) -> NDArray[np.float64]:
    """Return the strength of an action over time, 0..1: it rises and falls within 0.2 s."""
    rise = np.clip((times - action.start) / 0.2, 0, 1)
    fall = np.clip((action.end - times) / 0.2, 0, 1)
    edge = np.minimum(rise, fall)
    return np.asarray(edge * edge * (3 - 2 * edge))
