"""BRISQUE: the feature ``brisque`` and its mean over a video."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.media.sampling import Sampling, Uniform
from evalkit.metrics.base import Event, VideoValue, definition_beside, metric, unscored
from evalkit.metrics.features.base import Picture, WeightFile, described
from evalkit.metrics.features.declare import SamplingOptions, frame_feature
from evalkit.metrics.quality.brisque_model import BrisqueModel


@dataclass(frozen=True)
class BrisqueOptions(SamplingOptions):
    """Options of ``brisque``: every frame up to 64, else 64 spread evenly."""

    sampling: Sampling = field(default_factory=lambda: Uniform(64, "round"))
    region: str = described("full frame, native size")


def _brisque_model(weights: Mapping[str, WeightFile], device: str) -> BrisqueModel:
    return BrisqueModel.from_files(weights["brisque_model"].path, weights["brisque_range"].path)


@frame_feature(
    name="brisque",
    version=2,
    title="BRISQUE of up to 64 frames",
    weights=("brisque_model", "brisque_range"),
    load=_brisque_model,
    options=BrisqueOptions(),
    arrays={
        "score": "(K,) float64, lower is better, NaN for a frame without structure",
        "flat_fraction": "(K,) float64 in 0..1: share of pixels that are rounding noise",
        "reach": "(K,) float64: largest absolute scaled feature, above 1 outside the range of the training, or NaN",
    },
)
def brisque(rgb: Picture, options: BrisqueOptions, model: BrisqueModel) -> Mapping[str, float]:
    """Score the frame with the model of the LIVE release; a frame without any structure has no score."""
    from evalkit.metrics.quality.natural_scenes import FlatImageError, brisque_features, flat_fraction
    from evalkit.metrics.quality.pixels import matlab_gray

    gray = matlab_gray(rgb)
    try:
        features = brisque_features(gray)
        score, reach = model.score(features), model.reach(features)
    except FlatImageError:
        score = reach = float("nan")
    return {"score": score, "flat_fraction": flat_fraction(gray), "reach": reach}


@dataclass(frozen=True)
class MeanBrisqueOptions:
    """A frame beyond one of these is reported in an event: its share of flat pixels, its largest scaled feature."""

    flat_share: float = 0.05
    reach: float = 1.0


@metric(
    id="iqa.brisque",
    title="BRISQUE",
    summary="No-reference quality of the LIVE release, mean over every frame up to 64, else 64 spread evenly.",
    higher_is_better=False,
    features=("brisque",),
    blind_to="Who or what is shown, motion and audio: single frames are judged, without a reference.",
    citation="Mittal, Moorthy, Bovik, IEEE TIP 21(12), 2012; model of the LIVE release",
    role="diagnostic",
    missing_policy="frames without any structure are left out; unscored when all are",
    aliases=("brisque",),
    definition=definition_beside(__file__, "brisque.md"),
    notes="Unclamped: values below 0 and above 100 occur. OpenCV's and MATLAB's BRISQUE are other models. "
    "Ill-conditioned on pictures with many flat pixels (event flat_pictures); a guess where a statistic leaves the "
    "range of the pictures that the model learned from (event outside_training).",
    options=MeanBrisqueOptions(),
)
def mean_brisque(frames: Mapping[str, NDArray[Any]], options: MeanBrisqueOptions) -> VideoValue:
    """Return the mean over the frames that have structure."""
    scores = frames["score"][np.isfinite(frames["score"])]
    if len(scores) == 0:
        return unscored("flat_pictures", "no frame has any structure")
    outside = share_above(frames["reach"], options.reach)
    events = [*flat_pictures(frames["flat_fraction"], options.flat_share)]
    if outside > 0:
        detail = f"{outside:.0%} of the frames have a statistic outside the range of the model's training pictures"
        events.append(Event("outside_training", detail))
    return VideoValue(float(scores.mean()), events=tuple(events))


def share_above(values: NDArray[Any], limit: float) -> float:
    """Return the share of (K,) values that are above ``limit``, which NaN is not; 0 without a value."""
    return float((values > limit).mean()) if len(values) else 0.0


def flat_pictures(flat_fraction: NDArray[Any], limit: float) -> tuple[Event, ...]:
    """Return an event when frames have more than ``limit`` flat pixels; ``flat_fraction`` is (K,) float64 in 0..1."""
    flat = share_above(flat_fraction, limit)
    if flat == 0.0:
        return ()
    return (Event("flat_pictures", f"{flat:.0%} of the frames have more than {limit * 100:g} % flat pixels"),)


FEATURES = (brisque,)
METRICS = (mean_brisque,)
