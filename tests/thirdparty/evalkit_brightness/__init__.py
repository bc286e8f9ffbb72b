"""How bright a video is: a feature and a metric in one file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.media.sampling import AtRate, Sampling
from evalkit.metrics.base import metric
from evalkit.metrics.features.declare import SamplingOptions, frame_feature


@dataclass(frozen=True)
class BrightnessOptions(SamplingOptions):
    sampling: Sampling = AtRate(12.5)  # noqa: RUF009
    weights: tuple[float, float, float] = (0.299, 0.587, 0.114)


@frame_feature(
    name="brightness",
    version=1,
    title="mean luma of frames",
    options=BrightnessOptions(),
    arrays={"luma": "(K,) float64 in 0..255"},
)
def brightness_of_frame(rgb: NDArray[np.uint8], options: BrightnessOptions) -> Mapping[str, float]:
    return {"luma": float((rgb.reshape(-1, 3).mean(axis=0) * options.weights).sum())}


@metric(
    id="brightness.mean",
    title="Brightness",
    features=("brightness",),
    citation="ITU-R BT.601",
    higher_is_better=None,
    unit="grey levels",
    range=(0.0, 255.0),
    role="diagnostic",
    aliases=("brightness",),
)
def brightness(frames: Mapping[str, NDArray[Any]]) -> float:
    """Mean luma of 12.5 frames a second."""
    return float(frames["luma"].mean())


FEATURES, METRICS = (brightness_of_frame,), (brightness,)
