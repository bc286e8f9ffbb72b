"""Landmark distances as the scripts of papers and organizers compute them, each with its own points and norm.

Sources and what is odd about each: docs/definitions/landmarks.md#published-forms.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.base import VideoValue, definition_beside, metric, unscored
from evalkit.metrics.landmarks.arithmetic import (
    FACE,
    MOUTH,
    Points,
    coordinate_distances,
    point_distances,
    velocity_distances,
)
from evalkit.metrics.landmarks.frames import common_frames

Norm = Literal["centred", "centred_sum", "euclidean", "absolute", "velocity"]
_NORMS: Mapping[Norm, Callable[[Points, Points, slice], Points]] = {
    "centred": lambda a, b, points: point_distances(a, b, points, centre=True).mean(axis=1),
    "centred_sum": lambda a, b, points: point_distances(a, b, points, centre=True).sum(axis=1),
    "euclidean": lambda a, b, points: point_distances(a, b, points, centre=False).mean(axis=1),
    "absolute": lambda a, b, points: coordinate_distances(a, b, points).mean(axis=(1, 2)),
    "velocity": lambda a, b, points: velocity_distances(a, b, points).mean(axis=1),
}


@dataclass(frozen=True)
class PublishedOptions:
    """How a published script measures.

    Args:
        region: ``mouth`` for points 48-67, ``face`` for all 68.
        norm: of a frame: mean or sum over points of the Euclidean distance, after subtracting the points' mean or not;
            mean of absolute differences of coordinates; or mean distance between steps to the next frame.
        divisor: of the sum over frames: the number of its terms, or of frames (one more term than there are steps).
    """

    region: Literal["mouth", "face"]
    norm: Norm
    divisor: Literal["terms", "frames"] = "terms"


_UNCENTRED = (
    "Where the head is counts in full: a good video whose head moves otherwise than in the recording scores badly."
)


@metric(
    id="landmark.er_lmd",
    title="LMD (ER-NeRF, SyncTalk)",
    summary="Mouth landmarks against the reference, centred; mean over 20 points, then over frames.",
    higher_is_better=False,
    unit="px",
    range=(0.0, None),
    features=("landmarks68",),
    people_only=True,
    blind_to="Where the head is and how it turns, as far as the mouth keeps its shape; the face's size in the frame "
    "changes the number.",
    citation="Li et al., ER-NeRF, ICCV 2023; Peng et al., SyncTalk, CVPR 2024: LMDMeter of their code, with dlib",
    missing_policy="frames without landmarks in one of the videos are left out; the script stops at them",
    aliases=("lmd",),
    definition=definition_beside(__file__, "published.md"),
    notes="Pixels of the reference's frame: compare equal sizes only. Their code also offers another detector, whose "
    "numbers differ.",
    options=PublishedOptions("mouth", "centred"),
)
def published_distance(landmarks: Mapping[str, NDArray[Any]], options: PublishedOptions) -> VideoValue:
    """Return the mean over the frames that have landmarks in both videos."""
    frames = common_frames(landmarks, strict=False)
    if isinstance(frames, VideoValue):
        return frames
    points = MOUTH if options.region == "mouth" else FACE
    terms = _NORMS[options.norm](frames.candidate, frames.reference, points)
    if not len(terms):
        return unscored("too_few_frames", "a step takes two frames")
    value = float(terms.sum() / (len(terms) if options.divisor == "terms" else len(frames.candidate)))
    return VideoValue(value, events=frames.events) if np.isfinite(value) else unscored("not_finite")


synctalk = published_distance.variant(
    id="landmark.synctalk_lmd",
    title="LMD (SyncTalk, FAN)",
    summary="Mouth landmarks of the last face of the list against the reference's, centred; mean over 20 and frames.",
    features=("landmarks68_last",),
    citation="Peng et al., SyncTalk, CVPR 2024: LMDMeter('fan') of its nerf_triplane/utils.py",
    aliases=(),
    notes="As landmark.er_lmd, of the face with the lowest score where the network finds several, as the script takes "
    "it with face_alignment; with dlib it takes the first, and so does this. The script cuts the network's own floats "
    "to 8 bit; frames of a file are 8 bit already, and none of the 256 values changes. It stops at the end of the "
    "shorter video without a word. Pixels of the reference's frame: compare equal sizes only.",
)

_PARITY = published_distance.variant(
    missing_policy="as the reference implementation: frames without landmarks are left out", aliases=()
)
_MAY_DIFFER = "The landmarks are those of landmark.er_lmd:"
atvg = _PARITY.variant(
    options=PublishedOptions("mouth", "centred_sum"),
    id="landmark.atvg_lmd",
    title="LMD (ATVGnet)",
    summary="Mouth landmarks against the reference, centred; sum over 20 points, mean over frames.",
    citation="Chen et al., ATVGnet, CVPR 2019: evaluation_matrix.py",
    notes=f"Twenty times landmark.er_lmd: the script sums over the points. {_MAY_DIFFER} the script detects on grey "
    "images, and takes the last face of a frame. It pools the frames of all videos.",
)
eat_mouth = _PARITY.variant(
    options=PublishedOptions("mouth", "centred"),
    id="landmark.eat_mlmd",
    title="M-LMD (EAT)",
    summary="Mouth landmarks against the reference, centred; mean over 20 points, frames and videos.",
    citation="Gan et al., Efficient Emotional Adaptation for Audio-Driven Talking-Head Generation, ICCV 2023: "
    "evaluation_eat",
    notes=f"{_MAY_DIFFER} the script detects on grey images without doubling them, on faces that it aligned before, "
    "and spreads both videos over the shorter one's frames where their lengths differ.",
)
eat_face = eat_mouth.variant(
    options=PublishedOptions("face", "centred"),
    id="landmark.eat_flmd",
    title="F-LMD (EAT)",
    summary="All 68 landmarks against the reference, centred; mean over points, frames and videos.",
)
eat_velocity = eat_mouth.variant(
    options=PublishedOptions("mouth", "velocity", "frames"),
    id="landmark.eat_lvd",
    title="LVD (EAT)",
    summary="Steps of the mouth landmarks to the next frame against the reference's; mean over 20 points.",
    blind_to="Any error that stays the same from frame to frame.",
    notes="As the script, divides by the number of frames, one more than there are steps; a step leads over frames "
    "without landmarks; nothing is centred, so the head's motion counts. The script's LVD of the face sums the mouth's "
    f"steps and divides by 68: it is this number times 20/68. {_MAY_DIFFER} see landmark.eat_mlmd.",
)
vico = _PARITY.variant(
    options=PublishedOptions("mouth", "absolute"),
    id="landmark.vico_liplmd",
    title="LipLMD (ViCo)",
    summary="Absolute difference of the mouth landmarks' coordinates from the reference's, mean over 40 and frames.",
    blind_to=_UNCENTRED,
    citation="Zhou et al., Responsive Listening Head Generation, ECCV 2022: evaluations/compute_lmd.py",
    notes=f"{_MAY_DIFFER} the script uses face_alignment with mirrored images. It pools the frames of all videos, and "
    "stops where the video alone has no face.",
)
akd = vico.variant(
    options=PublishedOptions("face", "absolute"),
    id="landmark.akd",
    title="AKD",
    summary="Absolute difference of all landmarks' coordinates from the reference's; mean over all 136 and frames.",
    citation="Siarohin et al., Animating Arbitrary Objects via Deep Motion Transfer, CVPR 2019: pose-evaluation",
    aliases=("akd",),
    notes=f"{_MAY_DIFFER} the script uses face_alignment, and pools the frames of all videos. Average keypoint "
    "distance sounds Euclidean and is not: the script takes the mean of absolute differences.",
)
organiser_akd = _PARITY.variant(
    options=PublishedOptions("face", "euclidean"),
    id="landmark.organiser_akd",
    title="AKD (MM Asia 2025)",
    summary="Euclidean distance of all landmarks from the reference's, not centred; mean over points and frames.",
    blind_to=_UNCENTRED,
    citation="organizers' code, https://github.com/fenghe12/DiTalker-CVIU, calculate_akd.py",
    notes="The script reads landmark files of any detector and pairs frames by number; which detector and size the "
    "organizers used is not published. With 68 points it is the same number as landmark.organiser_flmd.",
)
organiser_face = organiser_akd.variant(
    id="landmark.organiser_flmd",
    title="F-LMD (MM Asia 2025)",
    citation="organizers' code, https://github.com/fenghe12/DiTalker-CVIU, calculate_f_lmd.py",
    notes="The script reads landmark files of any detector and pairs frames by number; which detector and size the "
    "organizers used is not published. The same number as landmark.organiser_akd.",
)
organiser_mouth = organiser_akd.variant(
    options=PublishedOptions("mouth", "euclidean"),
    id="landmark.organiser_lse_d",
    title="LSE-D of landmarks (MM Asia 2025)",
    summary="Euclidean distance of the mouth landmarks from the reference's, not centred; mean over points and frames.",
    citation="organizers' code, https://github.com/fenghe12/DiTalker-CVIU, calculate_lse_d.py",
    notes="The script calls it LSE-D, and the site's Sync-D may be it; it is not SyncNet's distance "
    "(sync.latentsync.dist). It reads landmark files of any detector and pairs frames by number.",
)

METRICS = (
    published_distance,
    synctalk,
    atvg,
    eat_mouth,
    eat_face,
    eat_velocity,
    vico,
    akd,
    organiser_akd,
    organiser_face,
    organiser_mouth,
)
