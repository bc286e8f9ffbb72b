"""How much the subject of a video resembles its reference images, whatever it is: person, animal or object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.base import VideoValue, metric, unscored
from evalkit.metrics.clip.cosines import UNUSABLE, unit_rows

Arrays = Mapping[str, NDArray[Any]]


@metric(
    id="subject.dino",
    title="Subject similarity (DINO)",
    higher_is_better=True,
    unit="cosine",
    range=(-1.0, 1.0),
    features=("dino_frames_uniform", "dino_reference"),
    blind_to="Motion, and small differences between individuals of a kind; background and framing count too.",
    citation="Ruiz et al., DreamBooth, CVPR 2023 (DINO score; there ViT-S/16); Caron et al., DINO, ICCV 2021",
    missing_policy="a sample without a reference image is unscored",
    notes="For any subject. DINO tells individuals apart better than CLIP, which was trained on what things are called "
    "(DreamBooth, section 4.1). `clip.image_sim` is the same number by CLIP (CLIP-I). For people, `identity.*` looks "
    "at the face alone.",
)
def subject_similarity(frames: Arrays, reference: Arrays) -> VideoValue:
    """Mean cosine between 16 frames and the reference images, DINO ViT-B/16.

    1. 16 frames spread evenly over the video and each reference image: shorter side 224 (PyTorch's bilinear, not
       antialiased), nothing cut off, ImageNet's mean and deviation.
    2. DINO's vectors of the class token, normalised.
    3. The mean of the cosines of all pairs of a frame and a reference image.
    """
    images, references = unit_rows(frames["activation"]), unit_rows(reference["activation"])
    if images is None or references is None:
        return unscored(UNUSABLE)
    if len(references) == 0:
        return unscored("no_reference_image")
    cosines = np.clip(images @ references.T, -1.0, 1.0)[frames["row"]]
    return VideoValue(float(cosines.mean()))


METRICS = (subject_similarity,)
