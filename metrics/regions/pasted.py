"""How much of the frames is copied from the source video, which numbers of whole frames reward."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.base import Event, VideoValue, metric, unscored
from evalkit.metrics.features.base import Picture
from evalkit.metrics.features.declare import pair_feature
from evalkit.metrics.quality.paired_pixels import SCALE, PairedPixelsOptions, in_size_of


@dataclass(frozen=True)
class PastedOptions(PairedPixelsOptions):
    """Options of ``pasted_pixels``: those of ``paired_pixels``, and what counts as equal.

    Args:
        tolerance: grey levels by which R, G and B of a pixel that counts as copied differ at most: what an encoder
            does to copied pixels.
    """

    smallest_side: int = 1
    tolerance: int = 8


@pair_feature(
    name="pasted_pixels",
    version=1,
    title="share of pixels that are those of the reference video, frame by frame",
    options=PastedOptions(),
    arrays={
        "equal": "(K,) float64 in 0..1: share of pixels that are equal",
        "near": "(K,) float64 in 0..1: share of pixels that differ by no more than the tolerance",
        "scale": SCALE,
    },
)
def pasted_pixels(candidate: Picture, reference: Picture, options: PastedOptions) -> Mapping[str, float]:
    """Bring the candidate to the reference's size and count."""
    candidate, scale = in_size_of(reference, candidate, options.smallest_side)
    difference = np.abs(candidate.astype(np.int16) - reference).max(axis=2)
    return {
        "equal": float((difference == 0).mean()),
        "near": float((difference <= options.tolerance).mean()),
        "scale": scale,
    }


@metric(
    id="paste.share",
    title="Copied pixels",
    summary="Share of the pixels that are the source video's, within what an encoder changes; mean over frames.",
    higher_is_better=None,
    unit="share",
    range=(0.0, 1.0),
    features=("pasted_pixels",),
    role="diagnostic",
    blind_to="Why a pixel is alike: a flat background counts however it was made, and a perfect dub shares everything.",
    citation="docs/definitions/dubbing.md",
    missing_policy="unscored without a reference video",
    notes="Whole-frame PSNR rises by -10 log10 of the share that is not copied: an event has that number, and the "
    "share of pixels that are equal to the last digit.",
)
def pasted_share(pixels: Mapping[str, NDArray[Any]]) -> VideoValue:
    """Return the mean share over the frames.

    1. Pairs of frames as in psnr.rgb.
    2. A pixel counts when R, G and B differ by no more than 8 grey levels each.
    3. The share of such pixels, the mean over frames.
    """
    near, equal = pixels["near"], pixels["equal"]
    if not len(near) or not (np.isfinite(near).all() and np.isfinite(equal).all()):
        return unscored("not_finite" if len(near) else "no_common_frame")
    share = float(near.mean())
    detail = f"{float(equal.mean()):.1%} of the pixels are equal to the last digit"
    if share < 1:
        lift = -10 * math.log10(1 - share)
        detail += f"; if only the rest is new, whole-frame PSNR is {lift:.2f} dB above that of the rest"
    return VideoValue(share, events=(Event("copied_from_source", detail),))


FEATURES, METRICS = (pasted_pixels,), (pasted_share,)
