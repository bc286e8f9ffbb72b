"""How fast the picture moves, by optical flow that needs no weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from evalkit.media.sampling import AtRate, Sampling
from evalkit.metrics.base import VideoValue, definition_beside, metric, unscored
from evalkit.metrics.features.base import FeatureUnavailableError, Picture
from evalkit.metrics.features.declare import SamplingOptions, step_feature

SMALLEST_SIDE = 16  # the method fails below 12


@dataclass(frozen=True)
class FlowOptions(SamplingOptions):
    """Which frames, how large, and OpenCV's preset of the method."""

    sampling: Sampling = field(default_factory=lambda: AtRate(12.5))  # every second frame of 25 a second
    height: int = 256
    preset: str = "medium"


@step_feature(
    name="dis_flow",
    version=1,
    title="speed of the picture by DIS optical flow",
    options=FlowOptions(),
    arrays={"mean": "(K,) float64: mean length of the flow in frame heights", "p95": "(K,) float64: its 95 % quantile"},
)
def dis_flow(previous: Picture, current: Picture, options: FlowOptions) -> Mapping[str, float]:
    """Return how far the pixels move from one frame to the next, at most 256 pixels high."""
    import cv2

    presets = {"medium": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM}
    before, after = (_small_grey(frame, options.height) for frame in (previous, current))
    if min(after.shape) < SMALLEST_SIDE:
        raise FeatureUnavailableError("frame_too_small", f"{current.shape[1]}x{current.shape[0]} pixels")
    if np.array_equal(before, after):  # the method finds traces of flow between equal pictures
        return {"mean": 0.0, "p95": 0.0}
    start = np.zeros((*after.shape, 2), np.float32)
    flow = cv2.DISOpticalFlow.create(presets[options.preset]).calc(before, after, start)
    length = np.hypot(flow[..., 0], flow[..., 1], dtype=np.float64) / after.shape[0]
    return {"mean": float(length.mean()), "p95": float(np.quantile(length, 0.95))}


def _small_grey(frame: Picture, height: int) -> Picture:
    import cv2

    grey = cast("Picture", cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY))
    if grey.shape[0] <= height:
        return grey
    width = max(1, round(grey.shape[1] * height / grey.shape[0]))
    return cast("Picture", cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA))


@metric(
    id="motion.flow",
    title="Motion",
    summary="How fast the picture moves: median over time of the mean optical flow, in frame heights a second.",
    higher_is_better=None,
    unit="heights/s",
    range=(0.0, None),
    features=("dis_flow",),
    role="diagnostic",
    blind_to="What moves, and whether it should: a wobbling background counts like a nodding head.",
    citation="Kroeger et al., Fast Optical Flow using Dense Inverse Search, ECCV 2016; the statistic is evalkit's own",
    missing_policy="a video with fewer than two frames is unscored",
    notes="0 for a still picture. Read it beside consistency and flicker, which a still picture maximises.",
    definition=definition_beside(__file__, "optical_flow.md"),
)
def motion(frames: Mapping[str, NDArray[Any]]) -> VideoValue:
    """Return the median speed over the steps; cuts between scenes are few and don't move it."""
    if len(frames["mean"]) == 0:
        return unscored("too_few_frames")
    lasting = frames["seconds"] > 0
    if not lasting.any():
        return unscored("no_time", "all frames have the same time")
    speed = float(np.median(frames["mean"][lasting] / frames["seconds"][lasting]))
    return VideoValue(speed) if np.isfinite(speed) else unscored("not_finite")


FEATURES, METRICS = (dis_flow,), (motion,)
