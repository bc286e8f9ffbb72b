"""The "FID" of ConsisID and of the IPVG leaderboard: a squared distance of two faces' activations.

See docs/definitions/face-fid.md.

It is not a distance of distributions, and its best value, 0, is what the published script gives to a video without a
face.
So there are two ids: the script's number, and one that leaves such a video unscored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from evalkit.metrics.base import Event, Metric, MetricRecord, VideoValue, definition_beside, unscored
from evalkit.metrics.identity.face_frames import (
    Arrays,
    Selection,
    Vector,
    face_events,
    largest_face_vectors,
    subject_vectors,
    usable_references,
)

READS = ("faces", "face_inception", "face_inception_reference")


def squared_distances(vectors: Sequence[Vector], target: Vector) -> list[float]:
    """Return the squared Euclidean distance of each vector (D,) to ``target`` (D,), in float64."""
    center = np.asarray(target, dtype=np.float64)
    return [float(np.square(np.asarray(vector, dtype=np.float64) - center).sum()) for vector in vectors]


class FaceDistance(Metric):
    """The mean over the frames with a face of the squared distance to the reference's vector.

    Args:
        record: what it means.
        select: vector per sampled frame.
        all_references: compare with the mean vector of all reference images, or with the first only.
        zero_without_a_face: give a video without a face 0, as the published script does, instead of a reason.
    """

    def __init__(
        self, record: MetricRecord, select: Selection, *, all_references: bool, zero_without_a_face: bool
    ) -> None:
        self.record = record
        self._select = select
        self._all_references = all_references
        self._zero_without_a_face = zero_without_a_face

    def compute(self, features: Mapping[str, Arrays]) -> VideoValue:
        """Return the mean distance, or why there is none."""
        faces, embedded, reference = (features[name] for name in self.record.features)
        sampled = len(faces["sampled"])
        if sampled == 0:
            return unscored("no_frame")
        usable, why = usable_references(reference, all_references=self._all_references)
        if len(usable) == 0:
            return unscored("reference_no_face", why)
        vectors = [vector for vector in self._select(faces, embedded) if vector is not None]
        if not np.isfinite(usable).all() or not all(np.isfinite(vector).all() for vector in vectors):
            return unscored("activation_not_finite")
        if not vectors:
            return self._without_a_face(faces)
        target = np.asarray(usable, dtype=np.float64).mean(axis=0)
        events = face_events(faces)
        if len(vectors) < sampled:
            events += (Event("frames_without_a_face", f"{sampled - len(vectors)} of {sampled} are left out"),)
        return VideoValue(float(np.mean(squared_distances(vectors, target))), events=events)

    def _without_a_face(self, faces: Arrays) -> VideoValue:
        found = f"no face in any of {len(faces['sampled'])} frames"
        if not self._zero_without_a_face:
            return unscored("no_face", found)
        detail = f"{found}: the published script gives 0, its best value; facefid.strict is unscored"
        others = tuple(event for event in face_events(faces) if event.kind != "no_face")
        return VideoValue(0.0, events=(Event("no_face", detail), *others))


_CONSISID = MetricRecord(
    id="facefid.consisid",
    title="Face distance (ConsisID's FID)",
    summary="Mean squared distance of the ImageNet activations of the largest face of 16 frames to the reference's.",
    higher_is_better=False,
    unit="",
    range=(0.0, None),
    features=READS,
    protocol=1,
    citation="PKU-YuanGroup/ConsisID, evaluation code; arXiv 2411.17440; network by torchvision",
    missing_policy="as the reference implementation: frames without a face are skipped, no face at all is 0, the best",
    notes="Called FID by ConsisID and on the IPVG 2025 board, but no FID: it compares single pictures, and belongs "
    "into no column with one. Uses the first reference image and the first detector only. A video without a face gets "
    "0, the best value, with an event; facefid.strict leaves it unscored.",
    definition=definition_beside(__file__, "facefid.md"),
)

METRICS: tuple[Metric, ...] = (
    FaceDistance(_CONSISID, largest_face_vectors, all_references=False, zero_without_a_face=True),
    FaceDistance(
        replace(
            _CONSISID,
            id="facefid.strict",
            title="Face distance",
            summary="Mean squared distance of the ImageNet activations of the subject's face to the reference's.",
            missing_policy="frames without the subject's face are left out; a video without a face is unscored",
            notes="facefid.consisid over the subject of identity.strict.arc, with its way to find faces. Several "
            "reference images: the mean of their activations. No FID. Read it with identity.strict.arc.detection: a "
            "distance has no worst value that a frame without a face could count as.",
            definition=definition_beside(__file__, "facefid_strict.md"),
        ),
        subject_vectors,
        all_references=True,
        zero_without_a_face=False,
    ),
)
