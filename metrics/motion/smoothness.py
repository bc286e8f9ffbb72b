"""How well every second frame follows from its neighbours, as VBench's motion smoothness."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.base import VideoValue, definition_beside, metric, unscored
from evalkit.metrics.features.base import (
    Arrays,
    Extractor,
    FeatureOptions,
    FeatureRecord,
    FeatureUnavailableError,
    Item,
    Picture,
    Session,
    Times,
    WeightFile,
    described,
)

ROLE = "amt_s"


@dataclass(frozen=True)
class InterpolationOptions(FeatureOptions):
    """Options of ``amt_interpolation``."""

    frames: str = described("1, 3, 5, ... that have a next one, each from the frame before and the one after it")
    scale: str = described("1: frames are never shrunk")
    padding: str = described("to multiples of 16, edges repeated, half on each side; cut off before the comparison")
    rounding: str = described("interpolated frames are cut to whole numbers")


class InterpolationExtractor(Extractor):
    """Interpolates frames by AMT-S and compares them with the true ones."""

    record = FeatureRecord(
        name="amt_interpolation",
        version=1,
        title="difference of every second frame from its interpolation, by AMT-S",
        weights=(ROLE,),
        options=InterpolationOptions(),
        arrays={"difference": "(K,) float64: 0..255, mean over pixels and channels"},
    )

    def __init__(self, weights: Mapping[str, WeightFile], device: str = "cpu") -> None:
        super().__init__(weights, device)
        from evalkit.metrics.networks.amt import Amt
        from evalkit.metrics.networks.checkpoints import precision_of

        file = weights[ROLE]
        self.network = Amt(file.path, device, precision_of(file.options))

    def open(self, item: Item, upstream: Mapping[str, Any]) -> InterpolationSession:
        """Start on a video."""
        return InterpolationSession(self)


class InterpolationSession(Session):
    """Keeps two frames and a number per interpolated one."""

    def __init__(self, extractor: InterpolationExtractor) -> None:
        self._network = extractor.network

    def plan(self, times: Times) -> NDArray[np.bool_]:
        """Select all frames but a last one that has no next."""
        self._kept: list[Picture] = []
        self._differences: list[float] = []
        self._pairs = max(0, (len(times) - 1) // 2)
        return np.arange(len(times)) < 2 * self._pairs + 1

    def frame(self, index: int, time: float, rgb: Picture) -> None:
        """Interpolate once three frames are there.

        Raises:
            FeatureUnavailableError: ``frame_too_small``, ``size_changes``.
        """
        from evalkit.metrics.networks.amt import MULTIPLE, SMALLEST_SIDE

        if min(rgb.shape[:2]) <= SMALLEST_SIDE - MULTIPLE:
            detail = f"{rgb.shape[1]}x{rgb.shape[0]} pixels, AMT needs {SMALLEST_SIDE - MULTIPLE + 1} on each side"
            raise FeatureUnavailableError("frame_too_small", detail)
        if self._kept and self._kept[0].shape != rgb.shape:
            raise FeatureUnavailableError("size_changes", f"frame {index} has another size than the one before")
        self._kept.append(rgb.copy())
        if len(self._kept) == 3:
            before, true, after = self._kept
            self._differences.append(mean_difference(true, self._network.between(before, after)))
            self._kept = [after]

    def finish(self) -> Arrays:
        """Return the arrays.

        Raises:
            FeatureUnavailableError: ``frames_missing``.
        """
        if len(self._differences) < self._pairs:
            raise FeatureUnavailableError("frames_missing", "some of the frames can't be decoded")
        return {"difference": np.array(self._differences, np.float64)}


def mean_difference(one: Picture, other: Picture) -> float:
    """Return the mean absolute difference of two pictures, summed as integers."""
    return int(np.abs(one.astype(np.int16) - other).sum(dtype=np.int64)) / one.size


@metric(
    id="motion.smoothness",
    title="Motion smoothness",
    summary="How well every second frame follows from the two beside it, as VBench's motion smoothness by AMT-S: 1 "
    "where the network guesses it exactly.",
    higher_is_better=True,
    range=(0.0, 1.0),
    features=("amt_interpolation",),
    role="diagnostic",
    blind_to="Whether anything moves: a frozen video is nearly perfect, and so is a blurred one.",
    citation="Huang et al., VBench, CVPR 2024; Li et al., AMT, CVPR 2023",
    missing_policy="a video with fewer than three frames is unscored",
    definition=definition_beside(__file__, "smoothness.md"),
    notes="Never rank by it alone. It depends on the frame rate: the shorter the step, the easier the guess.",
)
def smoothness(frames: Mapping[str, NDArray[Any]]) -> VideoValue:
    """Return 1 minus the mean difference, relative to 255."""
    difference = frames["difference"]
    if len(difference) == 0:
        return unscored("too_few_frames")
    mean = float(difference.mean())
    return VideoValue((255.0 - mean) / 255.0) if np.isfinite(mean) else unscored("not_finite")


FEATURES, METRICS = (InterpolationExtractor,), (smoothness,)
