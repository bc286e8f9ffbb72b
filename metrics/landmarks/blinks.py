"""How often the eyes blink, by the eye aspect ratio."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.base import Event, VideoValue, metric, unscored
from evalkit.metrics.landmarks.features import RATE
from evalkit.metrics.landmarks.frames import found

Ratios = NDArray[np.float64]
_EYES = (36, 42)  # the first of six points: outer corner, two of the upper lid, inner corner, two of the lower lid


@dataclass(frozen=True)
class BlinkOptions:
    """What counts as a blink.

    Args:
        threshold: share of the video's median ratio below which the eyes count as closed.
        shortest: frames at 25 a second.
        longest: frames at 25 a second; eyes that stay closed longer do not blink.
        least_found: share of the frames that must have landmarks.
        least_frames: with landmarks.
    """

    threshold: float = 0.75
    shortest: int = 2
    longest: int = 12
    least_found: float = 0.8
    least_frames: int = 25


def eye_aspect_ratios(points: NDArray[np.float64]) -> Ratios:
    """Return ``(|p2 - p6| + |p3 - p5|) / (2 |p1 - p4|)`` of each frame, mean of both eyes: (T,).

    Soukupová and Čech, "Real-Time Eye Blink Detection using Facial Landmarks", CVWW 2016. NaN where an eye has no
    width.

    Args:
        points: (T, 68, 2) pixels.
    """
    both = []
    for first in _EYES:
        eye = points[:, first : first + 6]
        height = np.linalg.norm(eye[:, 1] - eye[:, 5], axis=-1) + np.linalg.norm(eye[:, 2] - eye[:, 4], axis=-1)
        width = np.linalg.norm(eye[:, 0] - eye[:, 3], axis=-1)
        both.append(np.divide(height, 2 * width, out=np.full(len(points), np.nan), where=width > 0))
    ratios: Ratios = np.mean(both, axis=0)
    return ratios


def count_blinks(ratios: Ratios, options: BlinkOptions) -> int:
    """Return how many runs of frames below the threshold are as long as a blink; NaN is no frame below it."""
    limit = options.threshold * float(np.nanmedian(ratios))
    edges = np.diff(np.concatenate([[0], (ratios < limit).astype(np.int8), [0]]))
    lengths = np.flatnonzero(edges < 0) - np.flatnonzero(edges > 0)
    return int(((lengths >= options.shortest) & (lengths <= options.longest)).sum())


@metric(
    id="blink.rate",
    title="Blinks",
    summary="Blinks per second: short runs of frames in which the eye aspect ratio is far below its median.",
    higher_is_better=None,
    unit="1/s",
    range=(0.0, RATE),
    features=("landmarks68_video",),
    people_only=True,
    role="diagnostic",
    blind_to="Whether blinks look natural; eyes that are always half closed; blinks of less than 80 ms.",
    citation="Soukupova and Cech, Real-Time Eye Blink Detection using Facial Landmarks, CVWW 2016",
    missing_policy="unscored where fewer than 80 % of the frames, or fewer than 25, have landmarks",
    definition="1. 25 frames a second; in each, landmarks as in landmark.m_lmd.\n"
    "2. Eye aspect ratio: the mean height of an eye by its width, mean of both eyes.\n"
    "3. The eyes are closed below 0.75 times the video's median ratio. A run of 2 to 12 closed frames (80 to 480 ms) "
    "is a blink; a frame without landmarks ends a run.\n"
    "4. Blinks by the seconds of the frames that have landmarks.",
    notes="Landmarks in whole pixels are coarse for small eyes: below about 20 pixels of width a lid that moves by one "
    "pixel counts as closed. Few seconds hold few blinks: compare means over many videos.",
    options=BlinkOptions(),
)
def blink_rate(landmarks: Mapping[str, NDArray[Any]], options: BlinkOptions) -> VideoValue:
    """Return the number of blinks by the seconds with landmarks."""
    there = found(landmarks["points"])
    without = f"{int((~there).sum())} of {len(there)} frames have no landmarks"
    if not there.any() or there.mean() < options.least_found:
        return unscored("landmarks_missing", without)
    if there.sum() < options.least_frames:
        return unscored("too_few_frames", f"{int(there.sum())} of at least {options.least_frames}")
    ratios = np.full(len(there), np.nan)
    ratios[there] = eye_aspect_ratios(landmarks["points"][there].astype(np.float64))
    if not np.isfinite(ratios).any() or not np.nanmedian(ratios) > 0:
        return unscored("eyes_without_size", "the landmarks of an eye lie in one point")
    events = () if there.all() else (Event("frames_without_landmarks", without),)
    return VideoValue(count_blinks(ratios, options) / (float(there.sum()) / RATE), events=events)


METRICS = (blink_rate,)
