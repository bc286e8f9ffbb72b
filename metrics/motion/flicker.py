"""How little a video changes from frame to frame, as VBench's temporal flickering."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.base import VideoValue, definition_beside, metric, unscored
from evalkit.metrics.features.base import Picture
from evalkit.metrics.features.declare import SamplingOptions, step_feature


@step_feature(
    name="frame_difference",
    version=1,
    title="mean absolute difference of neighbouring frames",
    options=SamplingOptions(),
    arrays={"difference": "(K,) float64: 0..255, mean over pixels and channels"},
)
def frame_difference(previous: Picture, current: Picture, options: SamplingOptions) -> Mapping[str, float]:
    """Sum the differences as integers, so that the mean doesn't depend on the order."""
    import cv2

    return {"difference": int(np.sum(cv2.absdiff(previous, current), dtype=np.int64)) / current.size}


@metric(
    id="temporal.flicker",
    title="No flicker",
    summary="How little the pixels change from frame to frame, as VBench's temporal flickering: 1 for a still picture.",
    higher_is_better=True,
    range=(0.0, 1.0),
    features=("frame_difference",),
    role="diagnostic",
    blind_to="The difference between flicker and motion: a frozen video is perfect, and a head that nods scores lower "
    "than one that doesn't.",
    citation="Huang et al., VBench, CVPR 2024",
    missing_policy="a video with fewer than two frames is unscored",
    notes="VBench computes it for prompts of still scenes only. Never rank by it alone.",
    definition=definition_beside(__file__, "flicker.md"),
)
def flicker(frames: Mapping[str, NDArray[Any]]) -> VideoValue:
    """Return 1 minus the mean difference, relative to 255."""
    difference = frames["difference"]
    if len(difference) == 0:
        return unscored("too_few_frames")
    mean = float(difference.mean())
    return VideoValue((255.0 - mean) / 255.0) if np.isfinite(mean) else unscored("not_finite")


FEATURES, METRICS = (frame_difference,), (flicker,)
