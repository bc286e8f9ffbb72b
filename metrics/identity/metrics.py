"""Identity: does the face of the video stay the face of the reference (docs/definitions/identity.md).

The same arithmetic for each face network (`NETWORKS`): one metric per network and statistic.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.base import Metric, MetricRecord, VideoValue, definition_beside, unscored
from evalkit.metrics.identity import arithmetic
from evalkit.metrics.identity.face_frames import (
    Arrays,
    Selection,
    face_events,
    largest_face_vectors,
    subject_vectors,
    usable_references,
)

Statistic = Callable[[Sequence[float | None]], float | None]


def cosine(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Return the cosine of two vectors in float64; NaN where one is zero or not finite."""
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if not (np.isfinite(a).all() and np.isfinite(b).all() and a.any() and b.any()):
        return math.nan
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


class IdentityMetric(Metric):
    """One statistic of the per-frame cosines.

    Args:
        record: what it means; its features are the faces, their vectors, and those of the reference images.
        select: vector per sampled frame.
        statistic: the number from the cosines; ``None`` where it is undefined.
        all_references: average several reference images, or take the first only.
    """

    def __init__(self, record: MetricRecord, select: Selection, statistic: Statistic, *, all_references: bool) -> None:
        self.record = record
        self._select = select
        self._statistic = statistic
        self._all_references = all_references

    def compute(self, features: Mapping[str, Arrays]) -> VideoValue:
        """Return the statistic; a video without a face is scored, with an event."""
        faces, embedded, reference = (features[name] for name in self.record.features)
        if len(faces["sampled"]) == 0:
            return unscored("no_frame")
        target = self._target(reference)
        if isinstance(target, VideoValue):
            return target
        cosines = [None if vector is None else cosine(vector, target) for vector in self._select(faces, embedded)]
        if any(value is not None and not math.isfinite(value) for value in cosines):
            return unscored("embedding_not_finite")
        value = self._statistic(cosines)
        if value is None:
            return unscored("too_few_frames")
        return VideoValue(value, events=face_events(faces))

    def _target(self, reference: Arrays) -> NDArray[np.float64] | VideoValue:
        """Return the reference's embedding, or why there is none."""
        usable, why = usable_references(reference, all_references=self._all_references)
        if len(usable) == 0:
            return unscored("reference_no_face", why)
        try:
            return arithmetic.reference_embedding(usable)
        except ValueError as error:
            return unscored("reference_embedding_unusable", str(error))


@dataclass(frozen=True)
class FaceNetwork:
    """A face network as the metrics know it.

    Args:
        suffix: the end of its metrics' ids.
        name: for titles.
        feature: the name of its feature; that of the reference images is named after it.
        citation: whom to cite.
        alias: short name of its strict number, for the default network.
        consisid_alias: short name of its number as ConsisID computes it.
        note: how its crops differ from what the definition says.
    """

    suffix: str
    name: str
    feature: str
    citation: str
    alias: str | None
    consisid_alias: str
    note: str = ""

    @property
    def features(self) -> tuple[str, str, str]:
        """The features that its metrics read."""
        return ("faces", self.feature, f"{self.feature}_reference")


NETWORKS = (
    FaceNetwork("arc", "ArcFace", "arcface", "Deng et al., ArcFace, CVPR 2019", "identity", "face_arc"),
    FaceNetwork(
        "cur",
        "CurricularFace",
        "curricularface",
        "Huang et al., CurricularFace, CVPR 2020",
        None,
        "face_cur",
        " Crops are aligned at 224 and halved, and cut from the image itself also where a grey margin helped to find "
        "the face.",
    ),
)


def _strict(network: FaceNetwork) -> MetricRecord:
    return MetricRecord(
        id=f"identity.strict.{network.suffix}",
        title=f"Identity ({network.name})",
        summary="Mean cosine of the subject's face to the reference over 16 frames; a frame without the face counts 0.",
        higher_is_better=True,
        unit="cosine",
        range=(0.0, 1.0),
        features=network.features,
        protocol=1,
        citation=f"{network.citation}; frames and clamping as ConsisID, arXiv 2411.17440",
        role="ranked",
        missing_policy="a frame without a face counts as 0, the worst value",
        aliases=(network.alias,) if network.alias else (),
        notes="Several reference images: mean of their normalised embeddings. The subject is the longest face track. "
        f"Numbers of different face networks are not comparable.{network.note}",
        definition=definition_beside(__file__, "identity.md"),
    )


def _consisid(network: FaceNetwork) -> MetricRecord:
    return replace(
        _strict(network),
        id=f"identity.consisid.{network.suffix}",
        title=f"Identity ({network.name}, ConsisID)",
        summary="Mean cosine of the largest face over those of 16 frames that have one; 0 when none has.",
        citation="PKU-YuanGroup/ConsisID, evaluation code; arXiv 2411.17440",
        role="secondary",
        missing_policy="as the reference implementation: frames without a face are skipped, no face at all is 0",
        aliases=(network.consisid_alias,),
        notes="Uses the first reference image and the first detector only. It rewards hiding a bad face; rank on "
        f"identity.strict.{network.suffix}.{network.note}",
        definition=definition_beside(__file__, "identity_consisid.md"),
    )


def _parts(network: FaceNetwork) -> list[tuple[MetricRecord, Statistic]]:
    """Return what is read beside the mean of the strict values, with its statistic."""
    strict = _strict(network)
    title = "Identity" if network.alias else f"Identity ({network.name})"

    def part(suffix: str, ending: str, summary: str, **changes: Any) -> MetricRecord:
        changes = {"role": "secondary", "aliases": (), "notes": "", **changes}
        return replace(strict, id=f"{strict.id}.{suffix}", title=f"{title}{ending}", summary=summary, **changes)

    parts: list[tuple[MetricRecord, Statistic]] = [
        (part("worst", ", worst frame", f"Smallest per-frame value of {strict.id}."), arithmetic.worst),
        (
            part("p05", ", 5th percentile", f"5th percentile of the per-frame values of {strict.id}."),
            arithmetic.percentile_5,
        ),
        (
            part(
                "drift",
                " drift",
                "How much identity is lost from first to last frame: fall of the least-squares line through the "
                "values.",
                higher_is_better=False,
                range=(-1.5, 1.5),
                missing_policy="a frame without a face counts as 0",
            ),
            arithmetic.drift,
        ),
    ]
    if network.alias:  # the default network stands for all: the faces found are the same
        detection = part(
            "detection",
            "",
            "Share of the 16 frames in which the subject's face is found.",
            unit="share",
            missing_policy="no face is 0",
        )
        parts.append((replace(detection, title="Face detection rate"), arithmetic.detection_rate))
    return parts


def _metrics(network: FaceNetwork) -> list[Metric]:
    strict: list[tuple[MetricRecord, Statistic]] = [(_strict(network), arithmetic.strict_mean), *_parts(network)]
    return [
        *(IdentityMetric(record, subject_vectors, number, all_references=True) for record, number in strict),
        IdentityMetric(_consisid(network), largest_face_vectors, arithmetic.consisid_mean, all_references=False),
    ]


METRICS: tuple[Metric, ...] = tuple(metric for network in NETWORKS for metric in _metrics(network))
