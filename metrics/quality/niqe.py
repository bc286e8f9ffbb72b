"""NIQE: the feature ``niqe`` and its mean over a video."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evalkit.media.sampling import Sampling, Uniform
from evalkit.metrics.base import Event, VideoValue, definition_beside, metric, unscored
from evalkit.metrics.features.base import FeatureUnavailableError, Picture, WeightFile, described
from evalkit.metrics.features.declare import SamplingOptions, frame_feature
from evalkit.metrics.quality.brisque import flat_pictures, share_above

if TYPE_CHECKING:
    from evalkit.metrics.quality.niqe_model import NiqeModel


@dataclass(frozen=True)
class NiqeOptions(SamplingOptions):
    """Options of ``niqe``: every frame up to 64, else 64 spread evenly."""

    sampling: Sampling = field(default_factory=lambda: Uniform(64, "round"))
    region: str = described("full frame, native size, whole blocks of 96x96 pixels")


def _niqe_model(weights: Mapping[str, WeightFile], device: str) -> NiqeModel:
    from evalkit.metrics.quality.niqe_model import NiqeModel

    return NiqeModel.from_file(weights["niqe_model"].path)


@frame_feature(
    name="niqe",
    version=1,
    title="NIQE of up to 64 frames",
    weights=("niqe_model",),
    load=_niqe_model,
    options=NiqeOptions(),
    arrays={
        "score": "(K,) float64, at least 0, lower is better, NaN for a frame without two blocks of structure",
        "flat_fraction": "(K,) float64 in 0..1: share of pixels that are rounding noise",
        "blocks": "(K,) int64: number of blocks",
        "furthest": "(K,) float64: how far the furthest mean statistic is from that of the photos, in deviations of "
        "their blocks; NaN where score is",
    },
)
def niqe(rgb: Picture, options: NiqeOptions, model: NiqeModel) -> Mapping[str, Any]:
    """Compare the frame's blocks with the photos of the LIVE release."""
    from evalkit.metrics.quality.niqe_model import BLOCK, FEWEST_BLOCKS, block_statistics
    from evalkit.metrics.quality.pixels import matlab_gray

    height, width = rgb.shape[:2]
    count = (height // BLOCK) * (width // BLOCK)
    if count < FEWEST_BLOCKS:
        raise FeatureUnavailableError("frame_too_small", f"{width}x{height} pixels hold {count} of 2 blocks of 96x96")
    frame = block_statistics(matlab_gray(rgb))
    return {
        "score": model.distance(frame.features),
        "flat_fraction": frame.flat_fraction,
        "blocks": np.int64(count),
        "furthest": model.furthest(frame.features),
    }


@dataclass(frozen=True)
class MeanNiqeOptions:
    """A frame beyond one of these is reported in an event: share of flat pixels, blocks, distance of a statistic."""

    flat_share: float = 0.05
    fewest_blocks: int = 36
    deviations: float = 4.0


@metric(
    id="iqa.niqe",
    title="NIQE",
    summary="Distance from undistorted photos (LIVE release), mean over every frame up to 64, else 64 spread evenly.",
    higher_is_better=False,
    range=(0.0, None),
    features=("niqe",),
    blind_to="Who or what is shown, motion and audio: single frames are judged, without a reference.",
    citation="Mittal, Soundararajan, Bovik, IEEE Signal Processing Letters 20(3), 2013; parameters of the LIVE release",
    role="diagnostic",
    missing_policy="frames without two blocks of structure are left out; unscored when all are",
    aliases=("niqe",),
    definition=definition_beside(__file__, "niqe.md"),
    notes="MATLAB's niqe and ports on another grey (BasicSR, pyiqa's default) are other numbers. Frames below about "
    "576x576 have fewer than 36 blocks: compare only videos of one size (event few_blocks). Ill-conditioned on "
    "pictures with many flat pixels (event flat_pictures). Where a mean statistic is more than 4 deviations of the "
    "photos' blocks away, the number says that a frame is unlike photos, no longer by how much (event "
    "outside_training).",
    options=MeanNiqeOptions(),
)
def mean_niqe(frames: Mapping[str, NDArray[Any]], options: MeanNiqeOptions) -> VideoValue:
    """Return the mean over the frames that have a value."""
    scores = frames["score"][np.isfinite(frames["score"])]
    if len(scores) == 0:
        return unscored("flat_pictures", "no frame has two blocks with structure")
    events = [*flat_pictures(frames["flat_fraction"], options.flat_share)]
    fewest = int(frames["blocks"].min(initial=options.fewest_blocks))
    if fewest < options.fewest_blocks:
        detail = f"{fewest} blocks of 96x96 pixels; below {options.fewest_blocks} a value depends on the frame's size"
        events.append(Event("few_blocks", detail))
    far = share_above(frames["furthest"], options.deviations)
    if far > 0:
        told = f"{far:.0%} of the frames have a mean statistic more than {options.deviations:g} deviations from photos"
        events.append(Event("outside_training", told))
    return VideoValue(float(scores.mean()), events=tuple(events))


FEATURES = (niqe,)
METRICS = (mean_niqe,)
