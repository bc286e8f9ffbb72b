"""M-LMD and F-LMD: how far landmarks are from those of the reference video; what is missing, and jitter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.base import VideoValue, definition_beside, metric, unscored
from evalkit.metrics.landmarks.arithmetic import (
    FACE,
    MOUTH,
    accelerations,
    extents,
    eye_distances,
    point_distances,
)
from evalkit.metrics.landmarks.frames import common_frames, found, missed_share

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class DistanceOptions:
    """What is compared, and in which unit.

    Args:
        region: ``mouth`` for points 48-67, ``face`` for all 68.
        unit: ``crop`` for pixels of a square of ``crop`` pixels around the reference's face, ``eyes`` for the distance
            between the reference's eyes.
        crop: side of that square in its own pixels.
        crop_by_face: side of that square by the larger side of the box around the reference's landmarks.
    """

    region: Literal["mouth", "face"] = "mouth"
    unit: Literal["crop", "eyes"] = "crop"
    crop: int = 256
    crop_by_face: float = 2.0


@metric(
    id="landmark.m_lmd",
    title="M-LMD",
    summary="Distance of the mouth's 20 landmarks from those of the reference video, centred; mean over frames.",
    higher_is_better=False,
    unit="px",
    range=(0.0, None),
    features=("landmarks68",),
    people_only=True,
    blind_to="Where the head is and how it turns, as far as the mouth keeps its shape; teeth, skin and sharpness; a "
    "mouth that is right for the speech but not the one of the recording scores badly.",
    citation="Chen et al., Hierarchical Cross-Modal Talking Face Generation with Dynamic Pixel-Wise Loss, CVPR 2019; "
    "landmarks by Kazemi and Sullivan, CVPR 2014",
    missing_policy="unscored without a reference video, and where more than 5 % of the frames lack landmarks, which "
    "lowers the coverage",
    aliases=("m_lmd",),
    definition=definition_beside(__file__, "distances.md"),
    notes="Pixels of a square of 256 around the reference's face, so that the number does not depend on the video's "
    "size. Papers give other units: see the other metrics of this family.",
    options=DistanceOptions(),
)
def landmark_distance(landmarks: Arrays, options: DistanceOptions) -> VideoValue:
    """Return the mean distance over the frames that have landmarks in both videos."""
    frames = common_frames(landmarks, strict=True)
    if isinstance(frames, VideoValue):
        return frames
    points = MOUTH if options.region == "mouth" else FACE
    distances = point_distances(frames.candidate, frames.reference, points, centre=True).mean(axis=1)
    if options.unit == "eyes":
        sizes = eye_distances(frames.reference)
    else:
        side = options.crop_by_face * float(np.median(extents(frames.reference)))
        sizes = np.full(len(distances), side / options.crop)
    if not (sizes > 0).all():
        return unscored("face_without_size", "the reference's landmarks lie in one point")
    return VideoValue(float((distances / sizes).mean()), events=frames.events)


_BY_EYES = "By the distance between the reference's eyes in the same frame, the means of six points each."
face_distance = landmark_distance.variant(
    options=DistanceOptions("face"),
    id="landmark.f_lmd",
    title="F-LMD",
    summary="Distance of all 68 landmarks from those of the reference video, centred; mean over frames.",
    blind_to="Where the head is; teeth, skin and sharpness; a head that moves well but not as in the recording scores "
    "badly.",
    aliases=("f_lmd",),
)
mouth_nme = landmark_distance.variant(
    options=DistanceOptions("mouth", "eyes"),
    id="landmark.m_lmd.nme",
    title="M-LMD by eye distance",
    summary="As landmark.m_lmd, divided by the distance between the reference's eyes in the frame.",
    unit="eye distances",
    aliases=(),
    notes=_BY_EYES,
)
face_nme = face_distance.variant(
    options=DistanceOptions("face", "eyes"),
    id="landmark.f_lmd.nme",
    title="F-LMD by eye distance",
    summary="As landmark.f_lmd, divided by the distance between the reference's eyes in the frame.",
    unit="eye distances",
    aliases=(),
    notes=_BY_EYES,
)


@metric(
    id="landmark.missed",
    title="Frames without landmarks",
    summary="Share of frames without landmarks, among those in which the reference video has them.",
    higher_is_better=False,
    unit="share",
    range=(0.0, 1.0),
    features=("landmarks68",),
    people_only=True,
    role="diagnostic",
    blind_to="Whether the landmarks that were found are on the face.",
    citation="docs/definitions/landmarks.md",
    missing_policy="unscored without a reference video, and where the reference video has no landmarks",
    definition="Frames are paired as in psnr.rgb. A frame has landmarks when the detector finds a face in it.",
)
def missed(landmarks: Arrays) -> VideoValue:
    """Return the share."""
    share = missed_share(landmarks)
    return unscored("reference_without_landmarks") if share is None else VideoValue(share)


@metric(
    id="landmark.jitter",
    title="Landmark jitter",
    summary="Mean length of the landmarks' second difference in time, by the distance between the eyes.",
    higher_is_better=None,
    unit="eye distances",
    range=(0.0, None),
    features=("landmarks68",),
    people_only=True,
    role="diagnostic",
    blind_to="Whether the face trembles or speaks: a frozen face has 0, and the detector's own noise is in it.",
    citation="docs/definitions/landmarks.md",
    missing_policy="unscored without a reference video, whose frames are the clock, and where no three neighbouring "
    "frames have landmarks",
    definition="1. Landmarks of the video at the times of the reference's frames, less their mean in each frame.\n"
    "2. `|x(t+1) - 2 x(t) + x(t-1)|` of each point, where all three frames have landmarks.\n"
    "3. The mean over points and frames, divided by the mean distance between the eyes.",
    notes="dlib gives whole pixels, so a still face in a noisy video has some jitter too. It grows with the time "
    "between frames: compare equal frame rates only.",
)
def jitter(landmarks: Arrays) -> VideoValue:
    """Return the mean over runs of frames with landmarks."""
    there = found(landmarks["candidate"])
    triples = there[:-2] & there[1:-1] & there[2:]
    if not triples.any():
        return unscored("too_few_frames", "no three neighbouring frames have landmarks")
    points = np.where(there[:, None, None], landmarks["candidate"], 0.0).astype(np.float64)
    size = float(eye_distances(points[there]).mean())
    if not size > 0:
        return unscored("face_without_size", "the landmarks lie in one point")
    return VideoValue(float(accelerations(points)[triples].mean()) / size)


METRICS = (landmark_distance, face_distance, mouth_nme, face_nme, missed, jitter)
