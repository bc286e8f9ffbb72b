"""The "FID" of ConsisID and of the IPVG leaderboard: a squared distance of two faces' activations.

See docs/definitions/face-fid.md. It is not a distance of distributions, and its best value, 0, is what the published
script gives to a video without a face. So there are two ids: the script's number, and one that leaves such a video
unscored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evalkit.metrics.base import Event, VideoValue, definition_beside, metric, unscored
from evalkit.metrics.identity.face_frames import Arrays, FaceChoice, Vector, face_events
from evalkit.text import count


def squared_distances(vectors: Sequence[Vector], target: Vector) -> list[float]:
    """Return the squared Euclidean distance of each vector (D,) to ``target`` (D,), in float64."""
    center = np.asarray(target, dtype=np.float64)
    return [float(np.square(np.asarray(vector, dtype=np.float64) - center).sum()) for vector in vectors]


@dataclass(frozen=True)
class FaceDistanceOptions(FaceChoice):
    """Whose face counts, and whether a video without one gets 0, as the published script has it, or a reason."""

    zero_without_a_face: bool = False


@metric(
    id="facefid.consisid",
    title="Face distance (ConsisID's FID)",
    summary="Mean squared distance of the ImageNet activations of the largest face of 16 frames to the reference's.",
    higher_is_better=False,
    range=(0.0, None),
    features=("faces", "face_inception", "face_inception_reference"),
    people_only=True,
    blind_to="Motion, lip sync, and everything outside the face: single frames are compared.",
    citation="PKU-YuanGroup/ConsisID, evaluation code; arXiv 2411.17440; network by torchvision",
    missing_policy="as the reference implementation: frames without a face are skipped, no face at all is 0, the best",
    notes="Called FID by ConsisID and on the IPVG 2025 board, but no FID: it compares single pictures, and belongs "
    "into no column with one. Uses the first reference image and the first detector only. A video without a face gets "
    "0, the best value, with an event; facefid.strict leaves it unscored.",
    definition=definition_beside(__file__, "face_distance.md"),
    options=FaceDistanceOptions("largest", "first", zero_without_a_face=True),
)
def face_distance(faces: Arrays, embedded: Arrays, reference: Arrays, options: FaceDistanceOptions) -> VideoValue:
    """Return the mean over the frames with a face of the squared distance to the mean vector of the references."""
    sampled = len(faces["sampled"])
    if sampled == 0:
        return unscored("no_frame")
    usable, why = options.usable_references(reference)
    if len(usable) == 0:
        return unscored("reference_no_face", why)
    vectors = [vector for vector in options.vectors(faces, embedded) if vector is not None]
    if not np.isfinite(usable).all() or not all(np.isfinite(vector).all() for vector in vectors):
        return unscored("activation_not_finite")
    events = face_events(faces)
    if not vectors:
        found = f"no face in any of {count(sampled, 'frame')}"
        if not options.zero_without_a_face:
            return unscored("no_face", found)
        detail = f"{found}: the published script gives 0, its best value; facefid.strict is unscored"
        others = tuple(event for event in events if event.kind != "no_face")
        return VideoValue(0.0, events=(Event("no_face", detail), *others))
    target = np.asarray(usable, dtype=np.float64).mean(axis=0)
    if len(vectors) < sampled:
        events += (Event("frames_without_a_face", f"{sampled - len(vectors)} of {sampled} are left out"),)
    return VideoValue(float(np.mean(squared_distances(vectors, target))), events=events)


METRICS = (
    face_distance,
    face_distance.variant(
        options=FaceDistanceOptions(),
        id="facefid.strict",
        title="Face distance",
        summary="Mean squared distance of the ImageNet activations of the subject's face to the reference's.",
        missing_policy="frames without the subject's face are left out; a video without a face is unscored",
        notes="facefid.consisid over the subject of identity.strict.arc, with its way to find faces. Several "
        "reference images: the mean of their activations. No FID. Read it with identity.strict.arc.detection: a "
        "distance has no worst value that a frame without a face could count as.",
        definition=definition_beside(__file__, "face_distance_strict.md"),
    ),
)
