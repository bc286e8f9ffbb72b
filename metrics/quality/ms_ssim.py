"""Structural similarity to the reference video at five scales (MS-SSIM)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.base import definition_beside
from evalkit.metrics.features.base import Picture, described
from evalkit.metrics.features.declare import pair_feature
from evalkit.metrics.quality.paired_pixels import (
    SCALE,
    PairedPixelsOptions,
    PixelMetricOptions,
    in_size_of,
    mean_over_frames,
)
from evalkit.metrics.quality.pixels import SSIM_C1, SSIM_C2, SSIM_TAPS

Plane = NDArray[np.float64]


@dataclass(frozen=True)
class MultiScaleOptions(PairedPixelsOptions):
    """Options of the feature ``ms_ssim``: those of ``paired_pixels``, and the scales."""

    halving: str = described("mean of 2x2 pixels; an odd last row or column is repeated")
    smallest_side: int = 161  # four times halved, 11 pixels are left: one window
    weights: tuple[float, ...] = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


@pair_feature(
    name="ms_ssim",
    version=1,
    title="MS-SSIM against the reference video, frame by frame",
    options=MultiScaleOptions(),
    arrays={
        "ms_ssim": "(K,) float64",
        "scale": SCALE,
    },
)
def ms_ssim_frames(candidate: Picture, reference: Picture, options: MultiScaleOptions) -> Mapping[str, float]:
    """Bring the candidate to the reference's size and compare channel by channel."""
    candidate, scale = in_size_of(reference, candidate, options.smallest_side)
    channels = [
        ms_ssim_plane(candidate[..., channel], reference[..., channel], options.weights) for channel in range(3)
    ]
    return {"ms_ssim": sum(channels) / 3.0, "scale": scale}


def ms_ssim_plane(x: NDArray[Any], y: NDArray[Any], weights: Sequence[float] = MultiScaleOptions.weights) -> float:
    """MS-SSIM of two planes, 0..1, higher is better.

    Wang, Simoncelli and Bovik, "Multiscale structural similarity for image quality assessment", Asilomar 2003: contrast
    and structure at every scale, luminance at the last one, each to the power of its weight. A negative mean counts
    as 0.

    Args:
        x: (H, W) in 0..255, each side above 160 for five scales.
        y: of the same shape.
        weights: exponents from the finest to the coarsest scale.

    Raises:
        ValueError: the shapes differ, or a side is too small for the scales.
    """
    a, b = x.astype(np.float64), y.astype(np.float64)
    smallest = (len(SSIM_TAPS) - 1) * 2 ** (len(weights) - 1)
    if a.shape != b.shape or a.ndim != 2 or min(a.shape) <= smallest:
        raise ValueError(f"two planes of the same shape with sides above {smallest}, found {a.shape} and {b.shape}")
    product = 1.0
    for level, weight in enumerate(weights):
        if level:
            a, b = _halved(a), _halved(b)
        similarity, contrast = _means(a, b)
        product *= max(similarity if level == len(weights) - 1 else contrast, 0.0) ** weight
    return product


def _means(a: Plane, b: Plane) -> tuple[float, float]:
    """Return the means of SSIM and of its contrast and structure term, over the windows inside the planes."""
    import cv2

    edge = len(SSIM_TAPS) // 2

    def blurred(plane: Plane) -> Plane:
        return cast("Plane", cv2.sepFilter2D(plane, cv2.CV_64F, SSIM_TAPS, SSIM_TAPS))[edge:-edge, edge:-edge]

    mean_a, mean_b = blurred(a), blurred(b)
    covariance = blurred(a * b) - mean_a * mean_b
    variances = blurred(a * a + b * b) - mean_a * mean_a - mean_b * mean_b
    contrast = (2 * covariance + SSIM_C2) / (variances + SSIM_C2)
    luminance = (2 * mean_a * mean_b + SSIM_C1) / (mean_a * mean_a + mean_b * mean_b + SSIM_C1)
    return float((luminance * contrast).mean()), float(contrast.mean())


def _halved(plane: Plane) -> Plane:
    """Return the means of 2x2 pixels."""
    even = np.pad(plane, [(0, side % 2) for side in plane.shape], mode="edge")
    halved: Plane = even.reshape(even.shape[0] // 2, 2, even.shape[1] // 2, 2).mean(axis=(1, 3))
    return halved


ms_ssim = mean_over_frames.variant(
    options=PixelMetricOptions("ms_ssim", 1.0),
    id="ms_ssim.rgb",
    title="MS-SSIM",
    summary="Structural similarity to the reference video at five scales, mean of R, G and B, mean over frames.",
    unit="",
    range=(0.0, 1.0),
    features=("ms_ssim",),
    protocol=1,
    blind_to="What matters to people: a head that is right but moves differently scores low, and a wrong "
    "mouth is a few pixels.",
    citation="Wang, Simoncelli, Bovik, Asilomar 2003",
    missing_policy="unscored without a reference video, and where one side has 160 pixels or fewer",
    aliases=("ms_ssim",),
    definition=definition_beside(__file__, "ms_ssim.md"),
    notes="Forgives what SSIM punishes: noise and small shifts. Packages differ at odd sizes: some leave out the last "
    "row, and some drop scales for small frames without a word.",
)

FEATURES, METRICS = (ms_ssim_frames,), (ms_ssim,)
