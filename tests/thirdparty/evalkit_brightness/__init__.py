"""How bright a video is, and how much the brightness of a set of videos spreads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.base import Metric, MetricRecord, Outcome, SetMetric, Summary, VideoInputs, unscored
from evalkit.metrics.features.base import Arrays, Extractor, FeatureRecord, Item, Picture, Session, Times

WEIGHTS = np.array([0.299, 0.587, 0.114])


class BrightnessSession(Session):
    """Takes every second frame."""

    def plan(self, times: Times) -> NDArray[np.bool_]:
        """Want frames 0, 2, 4, ..."""
        self.luma: list[float] = []
        return np.arange(len(times)) % 2 == 0

    def frame(self, index: int, time: float, rgb: Picture) -> None:
        """Note the frame's mean luma."""
        self.luma.append(float((rgb.reshape(-1, 3).mean(axis=0) * WEIGHTS).sum()))

    def finish(self) -> Arrays:
        """Return a value per frame."""
        return {"luma": np.array(self.luma, dtype=np.float64)}


class BrightnessExtractor(Extractor):
    """Mean luma of frames."""

    record = FeatureRecord(
        name="brightness",
        version=1,
        title="mean luma of every second frame",
        options={"step": 2},
        arrays={"luma": "(K,) float64 in 0..255"},
    )

    def open(self, item: Item, upstream: Mapping[str, Any]) -> BrightnessSession:
        """Start on a video."""
        return BrightnessSession()


class Brightness(Metric):
    """Mean luma."""

    record = MetricRecord(
        id="brightness.mean",
        title="Brightness",
        summary="Mean luma of every second frame.",
        higher_is_better=None,
        unit="grey levels",
        range=(0.0, 255.0),
        features=("brightness",),
        protocol=1,
        citation="ITU-R BT.601",
        role="diagnostic",
        aliases=("brightness",),
    )

    def compute(self, features: Mapping[str, Mapping[str, NDArray[Any]]]) -> Outcome:
        """Return the mean over frames."""
        luma = features["brightness"]["luma"]
        return Outcome(float(luma.mean())) if len(luma) and np.isfinite(luma).all() else unscored("no_frame")


class BrightnessSpread(SetMetric):
    """Standard deviation between videos."""

    record = MetricRecord(
        id="brightness.spread",
        title="Spread of brightness",
        summary="Standard deviation of the videos' mean luma.",
        higher_is_better=False,
        unit="grey levels",
        range=(0.0, 127.5),
        features=("brightness",),
        protocol=1,
        citation="sample standard deviation",
    )

    def compute(self, features: Mapping[str, Mapping[str, NDArray[Any]]]) -> Outcome:
        """Say that a single video has none."""
        return unscored("number_of_the_set")

    def score_set(self, videos: Iterable[VideoInputs]) -> Summary:
        """Return the standard deviation of the videos that have the feature."""
        found = [video.features["brightness"].arrays for video in videos]
        means = [float(arrays["luma"].mean()) for arrays in found if arrays is not None]
        if len(means) < 2:
            return Summary(None, len(means), "too_few_videos")
        return Summary(float(np.std(means)), len(means))


METRICS = (Brightness(), BrightnessSpread())
