"""PSNR and SSIM against the reference video: a feature for each of them, and its mean.

Each is a feature of its own, so that only what the metrics of a run read is computed and cached; SSIM costs several
times as much as PSNR. Features of one video share its decoded pairs of frames.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.base import Event, VideoValue, definition_beside, metric, unscored
from evalkit.metrics.features.base import (
    FeatureOptions,
    FeatureUnavailableError,
    PairCoverage,
    Picture,
    described,
)
from evalkit.metrics.features.declare import pair_feature

CAP_DB = 100.0  # of one frame: an identical frame is infinite, and must not score below one with an error
LEAST_SHARE = 0.8  # of the reference's frames: a mean over less is not the video's
EXTRA_SECONDS = 0.1
SCALE = "(K,) float64: height of the candidate's frame by that of the reference's, before it is resized"
OTHER_SIZE = 0.01  # share; an odd height loses a row in 4:2:0


@dataclass(frozen=True)
class PairedPixelsOptions(FeatureOptions):
    """Options of ``paired_pixels``, ``paired_ssim_gray`` and ``paired_ssim_rgb``."""

    clock: str = described("reference frames, nearest candidate frame in time, up to the shorter video's end")
    resize: str = described("candidate to the reference's size: cv_area down, pil_bicubic up")
    smallest_side: int = 11


@pair_feature(
    name="paired_pixels",
    version=4,
    title="PSNR against the reference video, frame by frame",
    options=PairedPixelsOptions(),
    arrays={"psnr": "(K,) float64 dB, inf for identical frames", "scale": SCALE},
)
def paired_pixels(candidate: Picture, reference: Picture, options: PairedPixelsOptions) -> Mapping[str, float]:
    """Bring the candidate to the reference's size and compare."""
    from evalkit.metrics.quality.pixels import psnr

    candidate, scale = in_size_of(reference, candidate, options.smallest_side)
    return {"psnr": psnr(candidate, reference), "scale": scale}


@pair_feature(
    name="paired_ssim_gray",
    version=1,
    title="SSIM on grey against the reference video, frame by frame",
    options=PairedPixelsOptions(),
    arrays={"ssim_gray": "(K,) float64", "scale": SCALE},
)
def paired_ssim_gray(candidate: Picture, reference: Picture, options: PairedPixelsOptions) -> Mapping[str, float]:
    """As `paired_pixels`."""
    from evalkit.metrics.quality.pixels import ssim_gray

    candidate, scale = in_size_of(reference, candidate, options.smallest_side)
    return {"ssim_gray": ssim_gray(candidate, reference), "scale": scale}


@pair_feature(
    name="paired_ssim_rgb",
    version=1,
    title="SSIM on R, G and B against the reference video, frame by frame",
    options=PairedPixelsOptions(),
    arrays={"ssim_rgb": "(K,) float64", "scale": SCALE},
)
def paired_ssim_rgb(candidate: Picture, reference: Picture, options: PairedPixelsOptions) -> Mapping[str, float]:
    """As `paired_pixels`."""
    from evalkit.metrics.quality.pixels import ssim_rgb

    candidate, scale = in_size_of(reference, candidate, options.smallest_side)
    return {"ssim_rgb": ssim_rgb(candidate, reference), "scale": scale}


def in_size_of(reference: Picture, candidate: Picture, smallest_side: int) -> tuple[Picture, float]:
    """Return the candidate in the reference's size, and its height by that of the reference before.

    Raises:
        FeatureUnavailableError: ``reference_video_too_small`` when a side of the reference is below ``smallest_side``.
    """
    from evalkit.metrics.quality.pixels import resize_to

    height, width = reference.shape[:2]
    if min(height, width) < smallest_side:
        raise FeatureUnavailableError("reference_video_too_small", f"{width}x{height} pixels")
    return resize_to(candidate, height, width), candidate.shape[0] / height


@dataclass(frozen=True)
class PixelMetricOptions:
    """Which array of the feature is averaged, and what one frame counts at most, if there is such a limit."""

    column: str
    cap: float | None


@metric(
    id="psnr.rgb",
    title="PSNR",
    summary="Peak signal-to-noise ratio against the reference video over RGB, mean of the per-frame values.",
    higher_is_better=True,
    unit="dB",
    range=(0.0, CAP_DB),
    protocol=2,
    features=("paired_pixels",),
    blind_to="What matters to people: a head that is right but moves differently scores low, and a wrong "
    "mouth is a few pixels.",
    citation="10 log10(255^2 / MSE); mean over frames, not PSNR of the mean error",
    missing_policy="unscored without a reference video",
    aliases=("psnr",),
    definition=definition_beside(__file__, "psnr.md"),
    notes="Frames identical to the reference, or nearly so, count as 100 dB and are counted in an event.",
    options=PixelMetricOptions("psnr", CAP_DB),
)
def mean_over_frames(pixels: Mapping[str, NDArray[Any]], options: PixelMetricOptions) -> VideoValue:
    """Return the mean over the frames of the reference, each value at most the cap."""
    capped = pixels[options.column] if options.cap is None else np.minimum(pixels[options.column], options.cap)
    finite = capped[np.isfinite(capped)]
    if len(finite) == 0:
        return unscored("not_finite" if len(capped) else "no_common_frame")
    coverage = PairCoverage.of(pixels["compared"])
    share = coverage.share
    compared = f"{coverage.pairs} of {coverage.reference_frames} frames of the reference are compared ({share:.0%})"
    if share < LEAST_SHARE:
        return unscored("too_little_compared", f"{compared}; at least {LEAST_SHARE:.0%} must be")
    events = []
    if coverage.pairs < coverage.reference_frames - 1:
        events.append(Event("shorter_than_reference", compared))
    if coverage.extra_seconds > EXTRA_SECONDS:
        detail = f"the last {coverage.extra_seconds:.2f} s are compared with nothing"
        events.append(Event("longer_than_reference", detail))
    scale = float(np.median(pixels["scale"]))
    if abs(scale - 1) > OTHER_SIZE:
        detail = f"the video is {scale:.3g} times as high as its reference and was resized before it was compared"
        events.append(Event("other_size_than_reference", detail))
    identical = int((capped == options.cap).sum()) if options.column == "psnr" else 0
    if identical:
        events.append(Event("identical_frames", f"{identical} of {len(capped)} frames count as {CAP_DB:g} dB"))
    return VideoValue(float(finite.mean()), events=tuple(events))


ssim = mean_over_frames.variant(
    options=PixelMetricOptions("ssim_gray", 1.0),
    features=("paired_ssim_gray",),
    id="ssim.gray",
    title="SSIM",
    summary="Structural similarity to the reference video on grey, Gaussian 11x11, mean over frames.",
    unit="",
    range=(-1.0, 1.0),
    blind_to="What matters to people: a head that is right but moves differently scores low, and a wrong "
    "mouth is a few pixels.",
    citation="Wang, Bovik, Sheikh, Simoncelli, IEEE TIP 13(4), 2004",
    aliases=("ssim",),
    definition=definition_beside(__file__, "ssim.md"),
    notes="Valid region, population covariance, MATLAB grey. skimage's default (7x7 uniform) differs.",
)
ssim_of_channels = ssim.variant(
    options=PixelMetricOptions("ssim_rgb", 1.0),
    features=("paired_ssim_rgb",),
    id="ssim.rgb",
    title="SSIM (RGB)",
    summary="As ssim.gray on each of R, G and B, mean of the three.",
    aliases=(),
    notes="",
)

FEATURES = (paired_pixels, paired_ssim_gray, paired_ssim_rgb)
METRICS = (mean_over_frames, ssim, ssim_of_channels)
