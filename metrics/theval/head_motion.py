"""How lively the head moves: THEval's head motion on 68 points."""

from __future__ import annotations

import numpy as np

from evalkit.metrics.base import VideoValue, metric
from evalkit.metrics.landmarks.head_motion import head_track
from evalkit.metrics.theval.arithmetic import head_motion
from evalkit.metrics.theval.points68 import CITATION, MISSING, P68, Arrays, track_of


@metric(
    id="theval.head_motion.p68",
    title="Head motion dynamics, 68 points",
    summary="Spread of the head's angles times the unrest of their steps, plus the spread of its place in pixels.",
    higher_is_better=None,
    range=(0.0, None),
    features=("landmarks68_video",),
    people_only=True,
    role="diagnostic",
    blind_to="Whether the motion is natural: a head that trembles is lively. Degrees and pixels are added, so the size "
    "of the frames and of the face is part of the number.",
    citation=f"{CITATION}: Naturalness/head_motion_dynamics.py",
    missing_policy=MISSING,
    notes=f"{P68[:1].upper()}{P68[1:]}. THEval takes FaceXFormer's angles and RetinaFace's box.",
)
def head_motion_68(landmarks: Arrays) -> VideoValue:
    """Return THEval's formula over the frames that have angles.

    1. 25 frames a second; the head's yaw, pitch and roll as in motion.pose_std, and the middle of the box around the 68
       points in pixels.
    2. `sqrt(s * d + c)`: s the mean of the angles' standard deviations, d the mean of the variances of their steps from
       frame to frame, c the mean of the variances of the middle's two coordinates (all population).
    """
    track, turned = track_of(landmarks), head_track(landmarks)
    if isinstance(track, VideoValue):
        return track
    if isinstance(turned, VideoValue):
        return turned
    there = np.isfinite(turned.angles).all(axis=1) & track.there
    points = track.points[there]
    centres = (points.min(axis=1) + points.max(axis=1)) / 2
    return VideoValue(head_motion(turned.angles[there], centres), events=turned.events)


METRICS = (head_motion_68,)
