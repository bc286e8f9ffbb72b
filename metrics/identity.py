"""Identity: does the face of the video stay the face of the reference (METRICS.md 4)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics import identity_arithmetic as arithmetic
from evalkit.metrics.base import Event, Metric, MetricRecord, Outcome, unscored

Arrays = Mapping[str, NDArray[Any]]
Cosines = list[float | None]
FEATURES = ("faces", "arcface", "arcface_reference")
WITHOUT_SECOND_DETECTOR = 2  # attempts 0 and 1 use the first detector only
SECOND_FACE_SHARE = 0.2


def subject_cosines(faces: Arrays, arcface: Arrays, reference: NDArray[np.float64]) -> Cosines:
    """Return, for each of the sampled frames, the cosine of the subject's face to ``reference``.

    ``None`` where the subject's track has no face. Frames sampled twice (short videos) count twice.
    """
    subject = int(faces["subject"])
    by_frame: dict[int, float] = {}
    for row, embedding in zip(arcface["face"], arcface["embedding"], strict=True):
        if faces["track"][row] == subject:
            by_frame[int(faces["face_frame"][row])] = cosine(embedding, reference)
    return [by_frame.get(int(frame)) for frame in faces["sampled"]]


def largest_face_cosines(faces: Arrays, arcface: Arrays, reference: NDArray[np.float64]) -> Cosines:
    """Return the cosine of the largest face per sampled frame, found by the first detector only, as ConsisID does."""
    embedded = dict(zip((int(row) for row in arcface["face"]), arcface["embedding"], strict=True))
    box = faces["box"].astype(np.float64)
    with np.errstate(invalid="ignore"):
        area = (box[:, 2] - box[:, 0]) * (box[:, 3] - box[:, 1])
    area = np.where(np.isfinite(area), area, 0.0)  # a box without a size is never the largest
    by_frame: dict[int, float] = {}
    for frame, attempt in enumerate(faces["attempt"]):
        rows = np.flatnonzero(faces["face_frame"] == frame)
        if len(rows) == 0 or not 0 <= attempt < WITHOUT_SECOND_DETECTOR:
            continue
        row = int(rows[np.argmax(area[rows])])
        if row in embedded:
            by_frame[frame] = cosine(embedded[row], reference)
    return [by_frame.get(int(frame)) for frame in faces["sampled"]]


def cosine(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Return the cosine of two vectors in float64; NaN where one is zero or not finite."""
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if not (np.isfinite(a).all() and np.isfinite(b).all() and a.any() and b.any()):
        return math.nan
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def face_events(faces: Arrays) -> tuple[Event, ...]:
    """Return what a reader should know about the faces of a video."""
    events = []
    sampled = len(faces["sampled"])
    if int(faces["subject"]) < 0:
        return (Event("no_face", f"no face in any of {sampled} frames"),)
    subject = int(faces["subject"])
    others = [track for track in np.unique(faces["track"]) if track != subject]
    longest = max((int((faces["track"] == track).sum()) for track in others), default=0)
    if longest >= max(2, SECOND_FACE_SHARE * len(faces["frame_index"])):
        events.append(Event("several_faces", f"{len(others) + 1} tracks; the longest is the subject"))
    helped = int((faces["attempt"] > 0).sum())
    if helped:
        events.append(Event("face_found_on_retry", f"{helped} of {len(faces['attempt'])} frames needed a retry"))
    return tuple(events)


class IdentityMetric(Metric):
    """One statistic of the per-frame cosines.

    Args:
        record: what it means.
        select: cosines per sampled frame from faces, embeddings and the reference's embedding.
        statistic: the number from the cosines; ``None`` where it is undefined.
        all_references: average several reference images, or take the first only.
    """

    def __init__(
        self,
        record: MetricRecord,
        select: Callable[[Arrays, Arrays, NDArray[np.float64]], Cosines],
        statistic: Callable[[Sequence[float | None]], float | None],
        *,
        all_references: bool,
    ) -> None:
        self.record = record
        self._select = select
        self._statistic = statistic
        self._all_references = all_references

    def compute(self, features: Mapping[str, Arrays]) -> Outcome:
        """Return the statistic; a video without a face is scored, with an event."""
        faces, arcface, reference = (features[name] for name in FEATURES)
        if len(faces["sampled"]) == 0:
            return unscored("no_frame")
        target = self._target(reference)
        if isinstance(target, Outcome):
            return target
        cosines = self._select(faces, arcface, target)
        if any(value is not None and not math.isfinite(value) for value in cosines):
            return unscored("embedding_not_finite")
        value = self._statistic(cosines)
        if value is None:
            return unscored("too_few_frames")
        return Outcome(value, events=face_events(faces))

    def _target(self, reference: Arrays) -> NDArray[np.float64] | Outcome:
        """Return the reference's embedding, or why there is none."""
        usable = reference["found"]
        if not self._all_references:
            first_detector = reference["attempt"] < WITHOUT_SECOND_DETECTOR
            usable = usable & first_detector & (np.arange(len(usable)) == 0)
        if not usable.any():
            narrow = "" if self._all_references else "the first detector finds no face in the first reference image"
            return unscored("reference_no_face", narrow)
        try:
            return arithmetic.reference_embedding(reference["embedding"][usable])
        except ValueError as error:
            return unscored("reference_embedding_unusable", str(error))


_STRICT = MetricRecord(
    id="identity.strict.arc",
    title="Identity (ArcFace)",
    summary="Mean cosine of the subject's face to the reference over 16 frames; a frame without the face counts 0.",
    higher_is_better=True,
    unit="cosine",
    range=(0.0, 1.0),
    features=FEATURES,
    protocol=1,
    citation="Deng et al., ArcFace, CVPR 2019; frames and clamping as ConsisID, arXiv 2411.17440",
    role="ranked",
    missing_policy="a frame without a face counts as 0, the worst value",
    aliases=("identity",),
    notes="Several reference images: mean of their normalised embeddings. The subject is the longest face track. "
    "Numbers of different face networks are not comparable.",
)


def _strict(suffix: str, title: str, summary: str, **changes: Any) -> MetricRecord:
    changes = {"role": "secondary", "aliases": (), "notes": "", **changes}
    return replace(_STRICT, id=f"{_STRICT.id}.{suffix}", title=title, summary=summary, **changes)


METRICS: tuple[Metric, ...] = (
    IdentityMetric(_STRICT, subject_cosines, arithmetic.strict_mean, all_references=True),
    IdentityMetric(
        _strict("worst", "Identity, worst frame", "Smallest per-frame value of identity.strict.arc."),
        subject_cosines,
        arithmetic.worst,
        all_references=True,
    ),
    IdentityMetric(
        _strict("p05", "Identity, 5th percentile", "5th percentile of the per-frame values of identity.strict.arc."),
        subject_cosines,
        arithmetic.percentile_5,
        all_references=True,
    ),
    IdentityMetric(
        _strict(
            "drift",
            "Identity drift",
            "How much identity is lost from first to last frame: fall of the least-squares line through the values.",
            higher_is_better=False,
            range=(-1.5, 1.5),
            missing_policy="a frame without a face counts as 0",
        ),
        subject_cosines,
        arithmetic.drift,
        all_references=True,
    ),
    IdentityMetric(
        _strict(
            "detection",
            "Face detection rate",
            "Share of the 16 frames in which the subject's face is found.",
            unit="share",
            missing_policy="no face is 0",
        ),
        subject_cosines,
        arithmetic.detection_rate,
        all_references=True,
    ),
    IdentityMetric(
        replace(
            _STRICT,
            id="identity.consisid.arc",
            title="Identity (ArcFace, ConsisID)",
            summary="Mean cosine of the largest face over those of 16 frames that have one; 0 when none has.",
            citation="PKU-YuanGroup/ConsisID, evaluation code; arXiv 2411.17440",
            role="secondary",
            missing_policy="as the reference implementation: frames without a face are skipped, no face at all is 0",
            aliases=("face_arc",),
            notes="Uses the first reference image and the first detector only. It rewards hiding a bad face; rank on "
            "identity.strict.arc.",
        ),
        largest_face_cosines,
        arithmetic.consisid_mean,
        all_references=False,
    ),
)
