"""Which of the 68 points stand for THEval's FaceMesh points, and the frames of a video that have them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.base import NOT_APPLICABLE, Event, VideoValue, unscored
from evalkit.metrics.landmarks.features import RATE
from evalkit.metrics.landmarks.frames import found
from evalkit.metrics.theval.sound import HOP

Arrays = Mapping[str, NDArray[Any]]
LIPS: Final = list(range(48, 68))
BROWS: Final = (list(range(17, 22)), list(range(22, 27)))
EYES: Final = (list(range(36, 42)), list(range(42, 48)))
EYE_CORNERS: Final = (36, 45)
UPPER_LIP, LOWER_LIP = [61, 62, 63], [67, 66, 65]  # of the inner contour, above each other
SIDE: Final = 256.0  # THEval squashes frames to this width and height
LEAST_FOUND: Final = 0.8  # of the frames must have landmarks
P68: Final = "evalkit's own: on 68 points in place of FaceMesh's, at 25 frames a second; never compared with THEval's"
MISSING: Final = "unscored where fewer than 80 % of the frames have landmarks"
CITATION: Final = "Quignon et al., THEval, CVPR Findings 2026 (arXiv 2511.04520), github.com/Newbyl/THEval"


@dataclass(frozen=True)
class SpeechRule:
    """When the test set's speech is heard; evalkit's choice where THEval runs Silero's network.

    Args:
        share: of the sound's loud windows (their 95th percentile), above which a window has speech.
        floor: level below which nothing is speech, of full scale.
        silence: seconds that a pause lasts to count as silence.
        least_speech: share of the frames that must have speech.
    """

    share: float = 0.1
    floor: float = 0.001
    silence: float = 0.3
    least_speech: float = 0.1


@dataclass(frozen=True)
class Track:
    """The landmarks of a video.

    Args:
        points: (T, 68, 2) float64 pixels, NaN in frames without landmarks.
        there: (T,) which frames have them.
        size: width and height of the frames.
        events: what a reader should know of the others.
    """

    points: NDArray[np.float64]
    there: NDArray[np.bool_]
    size: tuple[int, int]
    events: tuple[Event, ...]

    @property
    def squashed(self) -> NDArray[np.float64]:
        """The points as if each frame were 256 pixels wide and high."""
        scaled: NDArray[np.float64] = self.points * SIDE / np.array(self.size, np.float64)
        return scaled

    @property
    def shares(self) -> NDArray[np.float64]:
        """The points as shares of the frame's width and height."""
        scaled: NDArray[np.float64] = self.points / np.array(self.size, np.float64)
        return scaled


def track_of(landmarks: Arrays) -> Track | VideoValue:
    """Return the landmarks in at least 80 % of the frames, or why there are too few."""
    there: NDArray[np.bool_] = found(landmarks["points"])
    without = f"{int((~there).sum())} of {len(there)} frames have no landmarks"
    if not there.any() or there.mean() < LEAST_FOUND:
        return unscored("landmarks_missing", without)
    width, height = (int(side) for side in np.resize(landmarks["frame_size"], 2))
    if min(width, height) < 1:
        return unscored("no_frame")
    events = () if there.all() else (Event("frames_without_landmarks", without),)
    return Track(landmarks["points"].astype(np.float64), there, (width, height), events)


def not_applicable(what: str, detail: str) -> VideoValue:
    """Return that the sample is none that the metric is about: its speech is the test set's, the same for everybody."""
    return VideoValue(None, f"{NOT_APPLICABLE}:{what}", (Event(what, detail),))


def is_usable(level: Arrays) -> bool:
    """Return whether the level has windows and only finite numbers."""
    return len(level["rms"]) > 0 and bool(np.isfinite(level["rms"]).all())


def volume_at_frames(level: Arrays, count: int) -> NDArray[np.float64]:
    """Return the level at each of ``count`` frames of 25 a second, linear between the windows: (count,)."""
    times = np.arange(len(level["rms"])) * HOP / 16000
    return np.interp(np.arange(count) / RATE, times, level["rms"].astype(np.float64))


def speech_frames(level: Arrays, count: int, rule: SpeechRule) -> NDArray[np.bool_]:
    """Return in which of ``count`` frames of 25 a second there is speech, by the nearest window: (count,)."""
    rms = level["rms"].astype(np.float64)
    limit = max(rule.floor, rule.share * float(np.quantile(rms, 0.95)))
    nearest = np.clip(np.rint(np.arange(count) / RATE * 16000 / HOP).astype(np.int64), 0, len(rms) - 1)
    heard: NDArray[np.bool_] = (rms > limit)[nearest]
    return heard
