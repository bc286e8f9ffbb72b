"""How much the eyebrows move: THEval's eyebrow dynamics, on imported FaceMesh points and on 68 points."""

from __future__ import annotations

import numpy as np

from evalkit.metrics.base import Event, VideoValue, definition_beside, metric, unscored
from evalkit.metrics.theval import facemesh
from evalkit.metrics.theval.arithmetic import brow_distances, mean_step
from evalkit.metrics.theval.points68 import BROWS, CITATION, EYES, MISSING, P68, Arrays, track_of


@metric(
    id="theval.eyebrow_dynamics",
    title="Eyebrow dynamics (THEval)",
    summary="Mean change from frame to frame of the distance between brow and eye, by the distance of the eyes.",
    higher_is_better=None,
    range=(0.0, None),
    features=("facemesh", "facts"),
    people_only=True,
    role="diagnostic",
    blind_to="Whether a movement means anything: landmarks that tremble count as lively brows.",
    citation=f"{CITATION}: Naturalness/eyebrow_dynamics.py",
    missing_policy="as the reference implementation: 0 with fewer than two frames with a face, with an event; a gap "
    "without a face is bridged",
    definition=definition_beside(__file__, "eyebrow_dynamics.md"),
    notes="Rests on FaceMesh points that the organizer imported (--features facemesh=DIR). A mean over frames: at "
    "twice the frame rate the steps are half as large.",
)
def mesh_eyebrow_dynamics(mesh: Arrays, facts: Arrays) -> VideoValue:
    """Return the mean step over the frames with a face, both sides together."""
    points = mesh["points"].astype(np.float64)
    points = points[np.isfinite(points).all(axis=(1, 2))]
    width, height = (float(facts[name]) if name in facts else np.nan for name in ("width", "height"))
    if not (np.isfinite(width) and np.isfinite(height)):
        return unscored("no_frame_size", "the size of the frames is not known")
    values = brow_distances(points * np.array([width, height]), facemesh.BROWS, facemesh.EYES)
    values = values[np.isfinite(values).all(axis=1)]
    if len(values) < 2:
        return VideoValue(0.0, events=(Event("no_face", "fewer than two frames with a face; the script gives 0"),))
    return VideoValue(mean_step(values))


def eyebrow_dynamics_68(landmarks: Arrays) -> VideoValue:
    """Return the mean step between neighbouring frames that both have landmarks."""
    track = track_of(landmarks)
    if isinstance(track, VideoValue):
        return track
    steps = np.abs(np.diff(brow_distances(track.points, BROWS, EYES), axis=0))
    both = np.isfinite(steps).all(axis=1)
    if not both.any():
        return unscored("too_few_frames", "no two neighbouring frames have landmarks")
    return VideoValue(float(steps[both].mean()), events=track.events)


METRICS = (
    mesh_eyebrow_dynamics,
    mesh_eyebrow_dynamics.variant(
        eyebrow_dynamics_68,
        id="theval.eyebrow_dynamics.p68",
        title="Eyebrow dynamics, 68 points",
        features=("landmarks68_video",),
        missing_policy=f"{MISSING}; a step over a gap doesn't count",
        notes=f"{P68[:1].upper()}{P68[1:]}.",
    ),
)
