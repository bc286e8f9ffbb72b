"""What changes the landmarks that 2D-FAN finds."""

from __future__ import annotations

from dataclasses import dataclass

from evalkit.metrics.features.base import FeatureOptions, described


@dataclass(frozen=True)
class FanOptions(FeatureOptions):
    """How 2D-FAN is run.

    Args:
        threshold: a face's score is above this.
        nms: overlap above which the weaker box is removed.
        reference_scale: width plus height of a box, in pixels, whose crop has the scale 1.
        upward: share of a box's height by which the crop's centre is above the box's.
    """

    threshold: float = 0.5
    nms: float = 0.3
    reference_scale: float = 195.0
    upward: float = 0.12
    mirrored: str = described("no: flip_input is False")
