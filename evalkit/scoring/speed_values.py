"""From measured seconds to the values of the metrics of speed, as a scorecard has them."""

from __future__ import annotations

from evalkit.metrics.base import FeatureData, VideoInputs, VideoValue, metric_registry
from evalkit.scoring.plan import SPEED
from evalkit.speed.model import SampleSpeed


def speed_values(one: SampleSpeed, frame_rate: float, frames: int, clip_seconds: float) -> dict[str, VideoValue]:
    """Return metric -> the value of one sample, for every installed metric of speed.

    Args:
        one: what was measured.
        frame_rate: frames per second of video that count.
        frames, clip_seconds: of the video.
    """
    inputs = VideoInputs(one.sample, {SPEED: FeatureData(one.arrays(frame_rate, frames, clip_seconds))})
    return {
        name: metric.score_video(inputs)
        for name, metric in metric_registry().items()
        if metric.record.features == (SPEED,)
    }
