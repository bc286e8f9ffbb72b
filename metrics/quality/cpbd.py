"""CPBD, sharpness without a reference: the feature ``cpbd`` and its mean over a video."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.media.sampling import Sampling, Uniform
from evalkit.metrics.base import VideoValue, definition_beside, metric, unscored
from evalkit.metrics.features.base import FeatureUnavailableError, Picture, described
from evalkit.metrics.features.declare import SamplingOptions, frame_feature


@dataclass(frozen=True)
class CpbdOptions(SamplingOptions):
    """Options of ``cpbd``: every frame up to 64, else 64 spread evenly."""

    sampling: Sampling = field(default_factory=lambda: Uniform(64, "round"))
    region: str = described("full frame, native size, whole blocks of 64x64 pixels")
    edges: str = described("Canny of scikit-image 0.26, Sobel thinned as Octave does")


@frame_feature(
    name="cpbd",
    version=1,
    title="sharpness (CPBD) of up to 64 frames",
    options=CpbdOptions(),
    arrays={
        "score": "(K,) float64 in 0..1: share of edges whose blur is not seen, NaN for a frame without an edge",
        "edges": "(K,) int64: number of edges that have a width",
    },
)
def cpbd(rgb: Picture, options: CpbdOptions) -> Mapping[str, Any]:
    """Measure the widths of the frame's edges."""
    from evalkit.metrics.quality.edge_widths import BLOCK, sharpness
    from evalkit.metrics.quality.pixels import matlab_gray

    height, width = rgb.shape[:2]
    if min(height, width) < BLOCK:
        raise FeatureUnavailableError("frame_too_small", f"{width}x{height} pixels hold no block of {BLOCK}x{BLOCK}")
    found = sharpness(matlab_gray(rgb))
    return {"score": found.share, "edges": np.int64(found.edges)}


@metric(
    id="iqa.cpbd",
    title="Sharpness (CPBD)",
    summary="Share of edges whose blur is not seen, mean over every frame up to 64, else 64 spread evenly.",
    higher_is_better=True,
    range=(0.0, 1.0),
    features=("cpbd",),
    blind_to="Everything but the widths of edges: noise, blocks and ringing count as sharp.",
    citation="Narvekar and Karam, IEEE TIP 20(9), 2011; as the package cpbd 1.0.7 computes it",
    role="diagnostic",
    missing_policy="frames without an edge are left out; unscored when all are",
    aliases=("cpbd",),
    definition=definition_beside(__file__, "cpbd.md"),
    notes="Another Canny or Sobel moves it by a fifth: numbers of the authors' MATLAB code are not comparable. Widths "
    "are in pixels, so the same picture enlarged is less sharp: compare only videos of one size.",
)
def mean_cpbd(frames: Mapping[str, NDArray[Any]]) -> VideoValue:
    """Return the mean over the frames that have an edge."""
    scores = frames["score"][np.isfinite(frames["score"])]
    if len(scores) == 0:
        return unscored("no_edge", "no frame has an edge with a width")
    return VideoValue(float(scores.mean()))


FEATURES, METRICS = (cpbd,), (mean_cpbd,)
