"""How much the frames of a video resemble each other, and the reference images, by CLIP's vectors."""

from __future__ import annotations

import numpy as np

from evalkit.metrics.base import VideoValue, definition_beside, metric, unscored
from evalkit.metrics.clip.cosines import UNUSABLE, Arrays, unit_rows


@metric(
    id="clip.frame_consistency",
    title="Frame consistency (CLIP)",
    higher_is_better=True,
    unit="cosine",
    range=(-1.0, 1.0),
    features=("clip_frames",),
    blind_to="Whether anything moves, and whether it is what was asked for: a still picture is perfect.",
    citation="Radford et al., CLIP, ICML 2021; consecutive frames as in text-to-video papers",
    missing_policy="a video with fewer than two frames is unscored",
    notes="Typically 0.9 to 0.99. A still picture is perfect: read it beside a measure of motion. A long video's "
    "frames lie farther apart. A frame that a short video would show twice counts once.",
    definition=definition_beside(__file__, "image_cosines.md"),
)
def frame_consistency(frames: Arrays) -> VideoValue:
    """Mean cosine of neighbouring frames among 16 spread over the video, CLIP ViT-B/32."""
    images = unit_rows(frames["embedding"])
    if images is None:
        return unscored(UNUSABLE)
    if len(images) < 2:
        return unscored("too_few_frames")
    cosines = np.clip((images[1:] * images[:-1]).sum(axis=1), -1.0, 1.0)
    return VideoValue(float(cosines.mean()))


@metric(
    id="clip.image_sim",
    title="Image similarity (CLIP)",
    higher_is_better=True,
    unit="cosine",
    range=(-1.0, 1.0),
    features=("clip_frames", "clip_reference"),
    blind_to="Motion, and who the person is: background and framing weigh as much as the face.",
    citation="Radford et al., CLIP, ICML 2021; Ruiz et al., DreamBooth, CVPR 2023 (CLIP-I)",
    missing_policy="a sample without a reference image is unscored",
    aliases=("clip_i",),
    notes="Typically 0.8 to 0.97. Background and framing weigh as much as the face: it is not a measure of identity. "
    "Several reference images: the mean over all pairs.",
    definition=definition_beside(__file__, "image_cosines.md"),
)
def image_similarity(frames: Arrays, reference: Arrays) -> VideoValue:
    """Mean cosine between 16 frames and the reference images, CLIP ViT-B/32."""
    images, references = unit_rows(frames["embedding"]), unit_rows(reference["embedding"])
    if images is None or references is None:
        return unscored(UNUSABLE)
    if len(images) == 0 or len(frames["row"]) == 0:
        return unscored("no_frame")
    if len(references) == 0:
        return unscored("no_reference_image")
    cosines = np.clip(images @ references.T, -1.0, 1.0)[frames["row"]]
    return VideoValue(float(cosines.mean()))


METRICS = (frame_consistency, image_similarity)
