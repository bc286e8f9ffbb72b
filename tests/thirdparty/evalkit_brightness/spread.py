"""How much the brightness of a set of videos spreads: a metric of the whole set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.base import MetricRecord, SetMetric, SetValue, VideoInputs, VideoValue, unscored


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

    def compute(self, features: Mapping[str, Mapping[str, NDArray[Any]]]) -> VideoValue:
        """Give no value for a single video."""
        return unscored("number_of_the_set")

    def score_set(self, videos: Iterable[VideoInputs]) -> SetValue:
        """Return the standard deviation of the videos that have the feature."""
        found = [video.features["brightness"].arrays for video in videos]
        means = [float(arrays["luma"].mean()) for arrays in found if arrays is not None]
        if len(means) < 2:
            return SetValue(None, len(means), "too_few_videos")
        return SetValue(float(np.std(means)), len(means))


METRICS = (BrightnessSpread(),)
