"""Plain facts of a video as numbers: length, frame rate, how much of it stands still."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from evalkit.metrics.base import Metric, MetricRecord, VideoValue, definition_beside, unscored


class FactMetric(Metric):
    """One number of the pseudo-feature ``facts``, which every video has."""

    def __init__(self, record: MetricRecord, key: str) -> None:
        self.record = record
        self._key = key

    def compute(self, features: Mapping[str, Mapping[str, NDArray[Any]]]) -> VideoValue:
        """Return the number."""
        facts = features["facts"]
        if self._key not in facts:
            return unscored("too_few_frames")
        value = float(facts[self._key])
        return VideoValue(value) if math.isfinite(value) else unscored("not_finite")


def _record(name: str, title: str, summary: str, unit: str, high: float | None = None) -> MetricRecord:
    return MetricRecord(
        id=f"video.{name}",
        title=title,
        summary=summary,
        higher_is_better=None,
        unit=unit,
        range=(0.0, high),
        features=("facts",),
        protocol=1,
        citation="decoded frames, not the container's header",
        role="diagnostic",
        definition=definition_beside(__file__, "video_facts.md"),
        aliases=(name,),
    )


METRICS: tuple[Metric, ...] = (
    FactMetric(
        _record("duration", "Duration", "From the first frame's time to the end of the last frame.", "s"),
        "duration_seconds",
    ),
    FactMetric(
        _record("fps", "Frame rate", "Frames per second, from the median interval between decoded frames.", "frames/s"),
        "fps",
    ),
    FactMetric(
        _record(
            "frozen_share",
            "Frozen share",
            "Share of frames whose luma differs from the frame before by less than 0.3 grey levels on average.",
            "share",
            1.0,
        ),
        "duplicate_share",
    ),
)
