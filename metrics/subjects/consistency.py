"""VBench's consistency of subject and background: each frame against the one before it and the first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.base import VideoValue, definition_beside, metric, unscored
from evalkit.metrics.clip.cosines import UNUSABLE, unit_rows

Arrays = Mapping[str, NDArray[Any]]
_BLIND = "Whether anything moves, and whether it is what was asked for: a still picture is perfect."
_NOTES = (
    "A still picture has 1, the best value: read it beside a measure of motion. VBench's total over a data set weighs "
    "frames on one GPU, so that long videos count more, and videos on several; here it is the mean over videos."
)


def consistency(vectors: NDArray[Any], rows: NDArray[Any]) -> VideoValue:
    """Return the mean over the frames but the first of (cosine to the one before + cosine to the first) / 2.

    Args:
        vectors: (F, D), one row per frame looked at.
        rows: (K,) which row each frame of the video shows.
    """
    units = unit_rows(vectors)
    if units is None:
        return unscored(UNUSABLE)
    if len(rows) < 2:
        return unscored("too_few_frames")
    units = units[rows]
    before = np.maximum((units[1:] * units[:-1]).sum(axis=1), 0.0)
    first = np.maximum(units[1:] @ units[0], 0.0)
    return VideoValue(float(np.minimum((before + first) / 2, 1.0).mean()))


@metric(
    id="vbench.subject_consistency",
    title="Subject consistency (VBench)",
    higher_is_better=True,
    unit="cosine",
    range=(0.0, 1.0),
    features=("dino_frames",),
    blind_to=_BLIND,
    citation="Huang et al., VBench, CVPR 2024; Vchitect/VBench, vbench/subject_consistency.py",
    missing_policy="a video with fewer than two frames is unscored",
    notes=_NOTES,
    definition=definition_beside(__file__, "consistency.md"),
)
def subject_consistency(frames: Arrays) -> VideoValue:
    """Mean cosine of each frame to the one before it and to the first, DINO ViT-B/16."""
    return consistency(frames["activation"], frames["row"])


@metric(
    id="vbench.background_consistency",
    title="Background consistency (VBench)",
    higher_is_better=True,
    unit="cosine",
    range=(0.0, 1.0),
    features=("clip_frames_vbench",),
    blind_to=_BLIND,
    citation="Huang et al., VBench, CVPR 2024; Vchitect/VBench, vbench/background_consistency.py",
    missing_policy="a video with fewer than two frames is unscored",
    notes=_NOTES + " The whole frame is compared, not the background alone; VBench runs the network in float16 on a "
    "GPU, evalkit in float32.",
    definition=definition_beside(__file__, "consistency.md"),
)
def background_consistency(frames: Arrays) -> VideoValue:
    """Mean cosine of each frame to the one before it and to the first, CLIP ViT-B/32."""
    return consistency(frames["embedding"], frames["row"])


METRICS = (subject_consistency, background_consistency)
