"""CSIM as papers on talking heads and dubbing mean it: the mean of the frames' cosines, nothing clamped.

What a frame is compared with differs from paper to paper, so each pairing has an id of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from evalkit.metrics.base import ArrayMetric, Event, MetricRecord, VideoValue, definition_beside, unscored
from evalkit.metrics.features.base import PairCoverage
from evalkit.metrics.identity import arithmetic
from evalkit.metrics.identity.face_frames import Arrays, FaceChoice, face_events
from evalkit.metrics.identity.similarity import Statistic, cosine, similarity

LEAST_SHARE = 0.8  # of the reference's frames: a mean over less is not the video's


@dataclass(frozen=True)
class PairingOptions:
    """Against what a frame is compared."""

    pairing: str


def paired_similarity(statistic: Statistic, vectors: Arrays, options: PairingOptions) -> VideoValue:
    """Return ``statistic`` of the cosines of frame t and the reference's frame t.

    Frames in which the reference has no face are left out: there is nothing to compare with.
    """
    coverage = PairCoverage.of(vectors["compared"])
    compared = f"{coverage.pairs} of {coverage.reference_frames} frames of the reference are compared"
    if coverage.share < LEAST_SHARE:
        return unscored("too_little_compared", f"{compared}; at least {LEAST_SHARE:.0%} must be")
    there, ours = vectors["reference_found"], vectors["candidate_found"]
    if not there.any():
        return unscored("reference_video_no_face", f"no face in {len(there)} frames of it")
    cosines = [
        cosine(vectors["candidate"][row], vectors["reference"][row]) if ours[row] else None
        for row in np.flatnonzero(there)
    ]
    if any(value is not None and not math.isfinite(value) for value in cosines):
        return unscored("embedding_not_finite")
    value = statistic(cosines)
    if value is None:
        return unscored("no_face", f"no face in any of {len(cosines)} frames in which the reference has one")
    missing = sum(one is None for one in cosines)
    events = (Event("frames_without_a_face", f"{missing} of {len(cosines)}"),) if missing else ()
    return VideoValue(value, events=events)


def similarity_to_first(statistic: Statistic, faces: Arrays, embedded: Arrays, choice: FaceChoice) -> VideoValue:
    """Return ``statistic`` of the cosines of all later sampled frames and the first one."""
    vectors = choice.vectors(faces, embedded)
    if len(vectors) < 2:
        return unscored("too_few_frames")
    first, later = vectors[0], vectors[1:]
    if first is None:
        return unscored("no_face_in_first_frame", "the first frame shows no face that could be compared with")
    cosines = [None if vector is None else cosine(vector, first) for vector in later]
    if any(value is not None and not math.isfinite(value) for value in cosines):
        return unscored("embedding_not_finite")
    value = statistic(cosines)
    if value is None:
        return unscored("no_face", "no face in any frame but the first")
    return VideoValue(value, events=face_events(faces))


def similarity_to_images(
    statistic: Statistic, faces: Arrays, embedded: Arrays, reference: Arrays, choice: FaceChoice
) -> VideoValue:
    """Return ``statistic`` of the cosines of the sampled frames and the reference images' mean vector."""
    outcome = similarity(statistic, faces, embedded, reference, choice)
    return unscored("no_face", "no face in any sampled frame") if outcome.reason == "too_few_frames" else outcome


_TRAP = (
    "Papers call each of these CSIM; none is comparable with another, nor with one of another face network. The cosine "
    "of the mean vectors is another number too."
)


def _pair_of(
    function: Callable[..., VideoValue], features: tuple[str, ...], options: Any, **fields: Any
) -> tuple[ArrayMetric, ArrayMetric]:
    """Return the metric that leaves out frames without a face, and the strict one, in which they count 0."""
    summary = fields.pop("summary")
    record = MetricRecord(
        **fields,
        summary=f"{summary}; mean over the frames with a face.",
        higher_is_better=True,
        unit="cosine",
        range=(-1.0, 1.0),
        features=features,
        people_only=True,
        missing_policy="frames without a face are left out; a video without one is unscored",
        notes=_TRAP,
        definition=definition_beside(__file__, "csim.md"),
    )
    plain = ArrayMetric(record, partial(function, arithmetic.mean_found), options)
    strict = plain.variant(
        partial(function, arithmetic.mean_missing_zero),
        id=f"{record.id}.strict",
        title=f"{record.title}, strict",
        summary=f"{summary}; a frame without a face counts 0.",
        missing_policy="a frame without a face counts as 0",
    )
    return plain, strict


_PAIRED = _pair_of(
    paired_similarity,
    ("arcface_paired",),
    PairingOptions("reference frame shown at the same time"),
    id="csim.paired",
    title="CSIM (paired)",
    summary="Cosine of the subject's face in each of 16 frames to the reference video's face at that time",
    blind_to="Lip sync, and everything outside the face.",
    citation="Deng et al., ArcFace, CVPR 2019; paired as in papers on dubbing",
)
_SOURCE = _pair_of(
    similarity_to_images,
    ("faces", "arcface", "arcface_reference"),
    FaceChoice(),
    id="csim.source",
    title="CSIM (source)",
    summary="Cosine of the subject's face in each of 16 frames to the reference image",
    blind_to="Motion and lip sync: a still picture of the person is perfect.",
    citation="Deng et al., ArcFace, CVPR 2019; to the source image as in papers on talking heads",
)
_FIRST = _pair_of(
    similarity_to_first,
    ("faces", "arcface"),
    FaceChoice(),
    id="csim.first",
    title="CSIM (first frame)",
    summary="Cosine of the subject's face in each of 15 frames to the same video's first frame",
    blind_to="Who it is: a stranger who stays the same is perfect. Motion and lip sync.",
    citation="Deng et al., ArcFace, CVPR 2019; drift of identity only",
)
_IDLOSS = _PAIRED[0].variant(
    options=PairingOptions("reference frame shown at the same time, fixed crop"),
    id="csim.idloss",
    title="CSIM (fixed crop)",
    summary="Cosine of a fixed crop of each of 16 frames to that of the reference video at that time; no alignment.",
    features=("arcface_idloss",),
    people_only=False,
    blind_to="Whether a face is in the crop at all: anything that stays alike is similar.",
    citation="Crop of the identity losses of GAN inversion, as in Richardson et al., Encoding in Style, CVPR 2021",
    missing_policy="unscored without a reference video; faces are not looked for",
    notes="For videos of 256 x 256 that are aligned face crops already; elsewhere the crop holds something else. "
    f"{_TRAP}",
)

_GLINT = _PAIRED[0].variant(
    options=PairingOptions("reference frame shown at the same time"),
    id="csim.r100_glint",
    title="CSIM (ResNet-100, Glint360K)",
    summary="As csim.paired, by a ResNet-100 trained on Glint360K; mean over the frames with a face.",
    features=("glint_paired",),
    citation="Deng et al., ArcFace, CVPR 2019; An et al., Partial FC, CVPR 2022; paired as in papers on dubbing",
    notes="Networks give different cosines for the same faces: never compared with csim.paired. evalkit's choice of "
    f"file is insightface's ONNX (role arcface_r100_glint); papers often name none. {_TRAP}",
)

METRICS = (*_PAIRED, *_SOURCE, *_FIRST, _IDLOSS, _GLINT)
