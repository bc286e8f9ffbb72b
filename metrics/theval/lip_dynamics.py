"""How much the lips move: THEval's lip dynamics, on imported FaceMesh points and on 68 points."""

from __future__ import annotations

import numpy as np

from evalkit.metrics.base import Event, VideoValue, definition_beside, metric
from evalkit.metrics.theval.arithmetic import lip_dynamics
from evalkit.metrics.theval.facemesh import LIPS as MESH_LIPS
from evalkit.metrics.theval.facemesh import SIDE
from evalkit.metrics.theval.points68 import CITATION, LIPS, MISSING, P68, Arrays, track_of

BLIND = "Whether the lips move to the speech: a mouth that opens at random is lively. Head scale and roll leak in."


@metric(
    id="theval.lip_dynamics",
    title="Lip dynamics (THEval)",
    summary="Standard deviation over time of the distances between 40 FaceMesh lip points, mean over all pairs.",
    higher_is_better=None,
    range=(0.0, None),
    features=("facemesh",),
    people_only=True,
    role="diagnostic",
    blind_to=BLIND,
    citation=f"{CITATION}: Naturalness/lip_dynamics.py",
    missing_policy="as the reference implementation: 0 without a face in any frame, with an event; frames without one "
    "are left out",
    definition=definition_beside(__file__, "lip_dynamics.md"),
    notes="Rests on FaceMesh points that the organizer imported (--features facemesh=DIR). The script's tracker keeps "
    "its state from video to video, so the order of the videos is part of its number.",
)
def mesh_lip_dynamics(mesh: Arrays) -> VideoValue:
    """Return the mean spread over the frames with a face."""
    points = mesh["points"].astype(np.float64)
    there = np.isfinite(points).all(axis=(1, 2))
    if not there.any():
        return VideoValue(0.0, events=(Event("no_face", "no frame has FaceMesh points; the script gives 0"),))
    return VideoValue(lip_dynamics(points[there][:, MESH_LIPS] * SIDE))


def lip_dynamics_68(landmarks: Arrays) -> VideoValue:
    """Return the mean spread over the frames with landmarks."""
    track = track_of(landmarks)
    if isinstance(track, VideoValue):
        return track
    return VideoValue(lip_dynamics(track.squashed[track.there][:, LIPS]), events=track.events)


METRICS = (
    mesh_lip_dynamics,
    mesh_lip_dynamics.variant(
        lip_dynamics_68,
        id="theval.lip_dynamics.p68",
        title="Lip dynamics, 68 points",
        summary="Standard deviation over time of the distances between 20 lip points, mean over all pairs.",
        features=("landmarks68_video",),
        missing_policy=MISSING,
        notes=f"{P68[:1].upper()}{P68[1:]}.",
    ),
)
