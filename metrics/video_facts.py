"""Plain facts of a video as numbers: length, frame rate, how much of it is frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from evalkit.metrics.base import VideoValue, definition_beside, metric, unscored


@dataclass(frozen=True)
class Fact:
    """Which number of the pseudo-feature ``facts``, which every video has."""

    fact: str


@metric(
    id="video.duration",
    title="Duration",
    summary="From the first frame's time to the end of the last frame.",
    higher_is_better=None,
    unit="s",
    range=(0.0, None),
    features=("facts",),
    blind_to="What the video shows.",
    citation="decoded frames, not the container's header",
    role="diagnostic",
    definition=definition_beside(__file__, "video_facts.md"),
    aliases=("duration",),
    options=Fact("duration_seconds"),
)
def duration(facts: Mapping[str, NDArray[Any]], options: Fact) -> VideoValue | float:
    """Return the fact."""
    return float(facts[options.fact]) if options.fact in facts else unscored("too_few_frames")


frame_rate = duration.variant(
    options=Fact("fps"),
    id="video.fps",
    title="Frame rate",
    summary="Frames per second, from the median interval between decoded frames.",
    unit="frames/s",
    aliases=("fps",),
)
frozen_share = duration.variant(
    options=Fact("duplicate_share"),
    id="video.frozen_share",
    title="Frozen share",
    summary="Share of frames whose luma differs from the frame before by less than 0.3 grey levels on average.",
    unit="share",
    range=(0.0, 1.0),
    aliases=("frozen_share",),
)

METRICS = (duration, frame_rate, frozen_share)
