"""OpenS2V's motion amplitude: the mean of signed optical flow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.base import VideoValue, definition_beside, metric, unscored
from evalkit.metrics.features.base import FeatureUnavailableError, Picture, described
from evalkit.metrics.features.declare import SamplingOptions, step_feature


@dataclass(frozen=True)
class FarnebackOptions(SamplingOptions):
    """Farneback's method as OpenS2V calls it, and the width to which the flow is averaged."""

    grey: str = described("OpenCV's BGR to grey on RGB frames, as the script has it")
    pyramid_scale: float = 0.5
    levels: int = 3
    window: int = 15
    iterations: int = 3
    neighbourhood: int = 5
    deviation: float = 1.2
    width: int = 16


@step_feature(
    name="farneback_flow",
    version=1,
    title="Farneback's optical flow, averaged to 16 columns",
    options=FarnebackOptions(),
    arrays={"flow": "(K, h, 16, 2) float32: pixels of the video, horizontal and vertical; h as the frame's shape asks"},
)
def farneback_flow(previous: Picture, current: Picture, options: FarnebackOptions) -> Mapping[str, NDArray[np.float32]]:
    """Return the flow from one frame to the next."""
    import cv2

    height = int(current.shape[0] * (options.width / current.shape[1]))
    if height < 1:
        raise FeatureUnavailableError("frame_too_wide", f"{current.shape[1]}x{current.shape[0]} pixels")
    before, after = (cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY) for frame in (previous, current))
    start = np.zeros((*after.shape, 2), np.float32)
    flow = cv2.calcOpticalFlowFarneback(
        before,
        after,
        start,
        options.pyramid_scale,
        options.levels,
        options.window,
        options.iterations,
        options.neighbourhood,
        options.deviation,
        0,
    )
    small = cv2.resize(flow, (options.width, height), interpolation=cv2.INTER_AREA)
    return {"flow": small.astype(np.float32, copy=False)}


@metric(
    id="motion.opens2v_amplitude",
    title="Motion amplitude (OpenS2V)",
    summary="Absolute mean of the signed Farneback flow over all frames, pixels and both directions, as OpenS2V does.",
    higher_is_better=None,
    unit="px",
    range=(0.0, None),
    features=("farneback_flow",),
    role="diagnostic",
    blind_to="Motion that cancels itself: a head that moves left and back again has amplitude 0, as has a still one.",
    citation="Yuan et al., OpenS2V-Nexus, 2025: get_motionscore.py, motion_fb",
    missing_policy="a video with fewer than two frames is unscored",
    notes="In pixels of the video: a larger or slower video has another number. To tell moving from still videos, use "
    "motion.flow.",
    definition=definition_beside(__file__, "opens2v_amplitude.md"),
)
def amplitude(frames: Mapping[str, NDArray[Any]]) -> VideoValue:
    """Return the absolute mean, in the script's order of single precision."""
    if len(frames["flow"]) == 0:
        return unscored("too_few_frames")
    mean = float(np.mean(np.mean(frames["flow"], axis=0)))
    return VideoValue(abs(mean)) if np.isfinite(mean) else unscored("not_finite")


FEATURES, METRICS = (farneback_flow,), (amplitude,)
