"""How much the head turns: spread and range of its angles over a video."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.base import Event, VideoValue, metric, unscored
from evalkit.metrics.landmarks.frames import found
from evalkit.metrics.landmarks.pose import head_angles

Arrays = Mapping[str, NDArray[Any]]
ANGLES = ("yaw", "pitch", "roll")
LEAST_FOUND = 0.8  # of the frames must have landmarks
DEFINITION = """1. 25 frames a second; in each, landmarks as in landmark.m_lmd. The video is unscored when fewer than
   80 % of the frames have a face.
2. The rotation of a rigid face of six points (tip of the nose, chin, outer corners of the eyes, corners of the mouth)
   that projects onto the landmarks best, for a camera whose focal length is the frame's width; as yaw, pitch and roll.
"""


@dataclass(frozen=True)
class SpreadOptions:
    """Which angles are averaged, and how their spread is measured.

    Args:
        angles: of ``yaw``, ``pitch``, ``roll``.
        spread: ``std`` for the standard deviation, ``range`` for the distance of the quantiles ``low`` and ``high``.
    """

    angles: tuple[str, ...] = ANGLES
    spread: Literal["std", "range"] = "std"
    low: float = 0.05
    high: float = 0.95


@dataclass(frozen=True)
class HeadTrack:
    """The head's angles over a video.

    Args:
        angles: (T, 3) yaw, pitch and roll in degrees at 25 frames a second, NaN where a frame has none.
        events: what a reader should know of those.
    """

    angles: NDArray[np.float64]
    events: tuple[Event, ...]


def head_track(landmarks: Arrays) -> HeadTrack | VideoValue:
    """Return the head's angles in at least 80 % of the frames, or why there are too few.

    Args:
        landmarks: arrays of ``landmarks68_video``.
    """
    there = found(landmarks["points"])
    without = f"{int((~there).sum())} of {len(there)} frames have no landmarks"
    if not there.any() or there.mean() < LEAST_FOUND:
        return unscored("landmarks_missing", without)
    width, height = (int(side) for side in np.resize(landmarks["frame_size"], 2))
    if min(width, height) < 1:
        return unscored("no_frame")
    angles = np.full((len(there), 3), np.nan)
    angles[there] = head_angles(landmarks["points"][there].astype(np.float64), width, height)
    count = int(np.isfinite(angles).all(axis=1).sum())
    if count < LEAST_FOUND * len(there):
        return unscored("no_head_pose", f"{count} of {len(there)} frames have head angles")
    return HeadTrack(angles, () if there.all() else (Event("frames_without_landmarks", without),))


@metric(
    id="motion.pose_std",
    title="Head motion",
    summary="Standard deviation of the head's yaw, pitch and roll over the video, mean of the three.",
    higher_is_better=None,
    unit="degrees",
    range=(0.0, None),
    features=("landmarks68_video",),
    people_only=True,
    role="diagnostic",
    blind_to="Whether the motion is natural and fits the speech: a head that shakes scores as one that nods. Where the "
    "head moves without turning.",
    citation="docs/definitions/landmarks.md",
    missing_policy="unscored where fewer than 80 % of the frames have landmarks",
    definition=DEFINITION
    + "3. The standard deviation of each angle over the frames (population), and the mean of the angles named.",
    notes="The model of the face is the same for everybody, so an angle may be off by a constant; its spread hardly "
    "is. Landmarks in whole pixels add noise, the more the smaller the face.",
    options=SpreadOptions(),
)
def head_motion(landmarks: Arrays, options: SpreadOptions) -> VideoValue:
    """Return the mean spread of the angles."""
    track = head_track(landmarks)
    if isinstance(track, VideoValue):
        return track
    angles = track.angles[np.isfinite(track.angles).all(axis=1)]
    chosen = angles[:, [ANGLES.index(name) for name in options.angles]]
    if options.spread == "std":
        spread = chosen.std(axis=0)
    else:
        low, high = np.quantile(chosen, [options.low, options.high], axis=0)
        spread = high - low
    return VideoValue(float(spread.mean()), events=track.events)


by_angle = tuple(
    head_motion.variant(
        options=SpreadOptions((name,)),
        id=f"motion.pose_std.{name}",
        title=f"Head motion, {name}",
        summary=f"Standard deviation of the head's {name} over the video.",
    )
    for name in ANGLES
)
dynamic_range = head_motion.variant(
    options=SpreadOptions(spread="range"),
    id="motion.dynamic_range",
    title="Head motion, range",
    summary="95th less 5th percentile of the head's yaw, pitch and roll over the video, mean of the three.",
    definition=DEFINITION
    + "3. The 95th less the 5th percentile of each angle over the frames (linear interpolation), and their mean.",
)

METRICS = (head_motion, *by_angle, dynamic_range)
