"""Plain facts of submissions that are no videos, as numbers: length and level of sound, length of motion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from evalkit.metrics.base import VideoValue, definition_beside, metric, unscored
from evalkit.metrics.video_facts import Fact


@metric(
    id="sound.duration",
    title="Duration of the sound",
    summary="Number of decoded samples, divided by the sample rate.",
    higher_is_better=None,
    unit="s",
    range=(0.0, None),
    features=("sound_facts",),
    blind_to="What is heard.",
    citation="decoded samples, not the header",
    role="diagnostic",
    definition=definition_beside(__file__, "file_facts.md"),
    options=Fact("duration_seconds"),
)
def sound_duration(facts: Mapping[str, NDArray[Any]], options: Fact) -> VideoValue | float:
    """Return the fact."""
    return float(facts[options.fact]) if options.fact in facts else unscored("silent")


sound_level = sound_duration.variant(
    options=Fact("rms_dbfs"),
    id="sound.level",
    title="Level",
    summary="Root mean square of all samples of all channels, in decibels below full scale.",
    unit="dBFS",
    range=(None, None),
    missing_policy="unscored where all samples are zero",
)


@metric(
    id="coefficients.frames",
    title="Frames of motion",
    summary="Length of the dimension that the challenge calls 'frames'.",
    higher_is_better=None,
    unit="frames",
    range=(0.0, None),
    features=("motion_facts",),
    blind_to="What moves.",
    citation="the array's shape",
    role="diagnostic",
    definition=definition_beside(__file__, "file_facts.md"),
    options=Fact("frames"),
)
def motion_frames(facts: Mapping[str, NDArray[Any]], options: Fact) -> VideoValue | float:
    """Return the fact."""
    return float(facts[options.fact]) if options.fact in facts else unscored("no_frames")


METRICS = (sound_duration, sound_level, motion_frames)
