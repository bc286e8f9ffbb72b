"""Which face of a video counts in each sampled frame, and what a reader should know of it.

What the metrics of faces share. They read ``faces``, a feature with a vector per face, and that of the references.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.base import Event
from evalkit.text import count

Arrays = Mapping[str, NDArray[Any]]
Vector = NDArray[Any]
Vectors = list[Vector | None]
WITHOUT_SECOND_DETECTOR = 2  # attempts 0 and 1 use the first detector only
SECOND_FACE_SHARE = 0.2


def subject_vectors(faces: Arrays, embedded: Arrays) -> Vectors:
    """Return, for each of the sampled frames, the vector of the subject's face.

    ``None`` where the subject's track has no face. Frames sampled twice (short videos) count twice.
    """
    subject = int(faces["subject"])
    by_frame: dict[int, Vector] = {}
    for row, vector in zip(embedded["face"], embedded["embedding"], strict=True):
        if faces["track"][row] == subject:
            by_frame[int(faces["face_frame"][row])] = vector
    return [by_frame.get(int(frame)) for frame in faces["sampled"]]


def largest_face_vectors(faces: Arrays, embedded: Arrays) -> Vectors:
    """Return the vector of the largest face per sampled frame, found by the first detector only, as ConsisID does."""
    vectors = dict(zip((int(row) for row in embedded["face"]), embedded["embedding"], strict=True))
    box = faces["box"].astype(np.float64)
    with np.errstate(invalid="ignore"):
        area = (box[:, 2] - box[:, 0]) * (box[:, 3] - box[:, 1])
    area = np.where(np.isfinite(area), area, 0.0)  # a box without a size is never the largest
    by_frame: dict[int, Vector] = {}
    for frame, attempt in enumerate(faces["attempt"]):
        rows = np.flatnonzero(faces["face_frame"] == frame)
        if len(rows) == 0 or not 0 <= attempt < WITHOUT_SECOND_DETECTOR:
            continue
        row = int(rows[np.argmax(area[rows])])
        if row in vectors:
            by_frame[frame] = vectors[row]
    return [by_frame.get(int(frame)) for frame in faces["sampled"]]


@dataclass(frozen=True)
class FaceChoice:
    """Whose face counts: the options of the metrics of faces.

    Args:
        face: in each frame, the subject's; or the largest that the first detector finds, as ConsisID does.
        references: every reference image with a face; or the first only, and by the first detector.
    """

    face: Literal["subject", "largest"] = "subject"
    references: Literal["all", "first"] = "all"

    def vectors(self, faces: Arrays, embedded: Arrays) -> Vectors:
        """Return the vector of the chosen face per sampled frame; ``None`` where there is none."""
        return (subject_vectors if self.face == "subject" else largest_face_vectors)(faces, embedded)

    def usable_references(self, reference: Arrays) -> tuple[Vector, str]:
        """Return the vectors of the reference images that count, (K, D), and, for K = 0, why there is none."""
        usable = reference["found"]
        if self.references == "all":
            return reference["embedding"][usable], ""
        usable = usable & (reference["attempt"] < WITHOUT_SECOND_DETECTOR) & (np.arange(len(usable)) == 0)
        return reference["embedding"][usable], "the first detector finds no face in the first reference image"


def face_events(faces: Arrays) -> tuple[Event, ...]:
    """Return what a reader should know about the faces of a video."""
    events = []
    sampled = len(faces["sampled"])
    if int(faces["subject"]) < 0:
        return (Event("no_face", f"no face in any of {count(sampled, 'frame')}"),)
    subject = int(faces["subject"])
    others = [track for track in np.unique(faces["track"]) if track != subject]
    longest = max((int((faces["track"] == track).sum()) for track in others), default=0)
    if longest >= max(2, SECOND_FACE_SHARE * len(faces["frame_index"])):
        events.append(Event("several_faces", f"{len(others) + 1} tracks; the longest is the subject"))
    helped = int((faces["attempt"] > 0).sum())
    if helped:
        events.append(Event("face_found_on_retry", f"{helped} of {len(faces['attempt'])} frames needed a retry"))
    return tuple(events)
