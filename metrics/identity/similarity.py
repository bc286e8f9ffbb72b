"""Identity: does the face of the video stay the face of the reference (docs/definitions/identity.md).

The same arithmetic for each face network (`NETWORKS`): one metric per network and statistic.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.base import ArrayMetric, MetricRecord, VideoValue, definition_beside, unscored
from evalkit.metrics.identity import arithmetic
from evalkit.metrics.identity.face_frames import Arrays, FaceChoice, face_events

Statistic = Callable[[Sequence[float | None]], float | None]


def cosine(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Return the cosine of two vectors in float64; NaN where one is zero or not finite."""
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if not (np.isfinite(a).all() and np.isfinite(b).all() and a.any() and b.any()):
        return math.nan
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def similarity(
    statistic: Statistic,
    faces: Arrays,
    embedded: Arrays,
    reference: Arrays,
    choice: FaceChoice,
) -> VideoValue:
    """Return ``statistic`` of the per-frame cosines; a video without a face is scored, with an event."""
    if len(faces["sampled"]) == 0:
        return unscored("no_frame")
    usable, why = choice.usable_references(reference)
    if len(usable) == 0:
        return unscored("reference_no_face", why)
    try:
        target = arithmetic.reference_embedding(usable)
    except ValueError as error:
        return unscored("reference_embedding_unusable", str(error))
    cosines = [None if vector is None else cosine(vector, target) for vector in choice.vectors(faces, embedded)]
    if any(value is not None and not math.isfinite(value) for value in cosines):
        return unscored("embedding_not_finite")
    value = statistic(cosines)
    return unscored("too_few_frames") if value is None else VideoValue(value, events=face_events(faces))


@dataclass(frozen=True)
class FaceMetricNames:
    """A face network as the metrics know it.

    Args:
        suffix: the end of its metrics' ids.
        name: for titles.
        feature: the name of its feature; that of the reference images is named after it.
        citation: the work to cite.
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
    FaceMetricNames("arc", "ArcFace", "arcface", "Deng et al., ArcFace, CVPR 2019", "identity", "face_arc"),
    FaceMetricNames(
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


def _strict(network: FaceMetricNames) -> ArrayMetric:
    record = MetricRecord(
        id=f"identity.strict.{network.suffix}",
        title=f"Identity ({network.name})",
        summary="Mean cosine of the subject's face to the reference over 16 frames; a frame without the face counts 0.",
        higher_is_better=True,
        unit="cosine",
        range=(0.0, 1.0),
        features=network.features,
        people_only=True,
        blind_to="Motion and lip sync: a still picture of the person is perfect.",
        citation=f"{network.citation}; frames and clamping as ConsisID, arXiv 2411.17440",
        role="ranked",
        missing_policy="a frame without a face counts as 0, the worst value",
        aliases=(network.alias,) if network.alias else (),
        notes="Several reference images: mean of their normalised embeddings. The subject is the longest face track. "
        f"Numbers of different face networks are not comparable.{network.note}",
        definition=definition_beside(__file__, "strict.md"),
    )
    return ArrayMetric(record, partial(similarity, arithmetic.strict_mean), FaceChoice())


def _consisid(network: FaceMetricNames) -> ArrayMetric:
    return _strict(network).variant(
        partial(similarity, arithmetic.consisid_mean),
        options=FaceChoice("largest", "first"),
        id=f"identity.consisid.{network.suffix}",
        title=f"Identity ({network.name}, ConsisID)",
        summary="Mean cosine of the largest face over those of 16 frames that have one; 0 when none has.",
        blind_to="Motion and lip sync: a still picture of the person is perfect.",
        citation="PKU-YuanGroup/ConsisID, evaluation code; arXiv 2411.17440",
        role="secondary",
        missing_policy="as the reference implementation: frames without a face are skipped, no face at all is 0",
        aliases=(network.consisid_alias,),
        notes="Uses the first reference image and the first detector only. It rewards hiding a bad face; rank on "
        f"identity.strict.{network.suffix}.{network.note}",
        definition=definition_beside(__file__, "consisid.md"),
    )


def _parts(strict: ArrayMetric, network: FaceMetricNames) -> list[ArrayMetric]:
    """Return the other statistics of the same per-frame values."""
    title = "Identity" if network.alias else f"Identity ({network.name})"

    def part(
        statistic: Statistic,
        suffix: str,
        title: str,
        summary: str,
        **fields: Any,
    ) -> ArrayMetric:
        fields = {"role": "secondary", "aliases": (), "notes": "", **fields}
        name = f"{strict.record.id}.{suffix}"
        return strict.variant(partial(similarity, statistic), id=name, title=title, summary=summary, **fields)

    values = f"of the per-frame values of {strict.record.id}."
    parts = [
        part(arithmetic.worst, "worst", f"{title}, worst frame", f"Smallest per-frame value of {strict.record.id}."),
        part(arithmetic.percentile_5, "p05", f"{title}, 5th percentile", f"5th percentile {values}"),
        part(
            arithmetic.drift,
            "drift",
            f"{title} drift",
            "How much identity is lost from first to last frame: fall of the least-squares line through the values.",
            higher_is_better=False,
            range=(-1.5, 1.5),
            missing_policy="a frame without a face counts as 0",
        ),
    ]
    if network.alias:  # once, for the default network: all networks use the same detections
        parts.append(
            part(
                arithmetic.detection_rate,
                "detection",
                "Face detection rate",
                "Share of the 16 frames in which the subject's face is found.",
                unit="share",
                missing_policy="no face is 0",
            )
        )
    return parts


METRICS = tuple(
    metric
    for network in NETWORKS
    for strict in (_strict(network),)
    for metric in (strict, *_parts(strict, network), _consisid(network))
)
