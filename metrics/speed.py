"""How fast the generator was, from measured seconds: of the submission's ``speed.json``, or of the organizer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from evalkit.metrics.base import VideoValue, definition_beside, metric, unscored

Speed = Mapping[str, NDArray[Any]]
BLIND = "What the video shows, and what the seconds were measured on: see the hardware."


def _ratio(speed: Speed, above: str, below: str, missing: str = "not_measured") -> VideoValue | float:
    if above not in speed or below not in speed:
        return unscored(missing)
    divisor = float(speed[below])
    return float(speed[above]) / divisor if divisor > 0 else unscored(missing)


@metric(
    id="speed.fps",
    title="Generation speed",
    summary="Generated frames per second of wall time; frames above the challenge's frame rate don't count.",
    higher_is_better=True,
    unit="frames/s",
    range=(0.0, None),
    features=("speed",),
    blind_to=BLIND,
    citation="docs/definitions/speed.md",
    aggregate="median",
    missing_policy="unscored without a measurement",
    definition=definition_beside(__file__, "speed.md"),
)
def frames_per_second(speed: Speed) -> VideoValue | float:
    """Return counted frames by seconds."""
    return _ratio(speed, "counted_frames", "seconds")


def _real_time_factor(speed: Speed) -> VideoValue | float:
    return _ratio(speed, "seconds", "clip_seconds")


def _time_to_first_frame(speed: Speed) -> VideoValue | float:
    return float(speed["first_frame"]) if "first_frame" in speed else unscored("first_frame_not_measured")


def _end_to_end(speed: Speed) -> VideoValue | float:
    return _ratio(speed, "end_to_end", "clip_seconds", "end_to_end_not_measured")


def _peak_memory(speed: Speed) -> VideoValue | float:
    return float(speed["peak_bytes"]) / 2**30 if "peak_bytes" in speed else unscored("memory_not_measured")


real_time_factor = frames_per_second.variant(
    _real_time_factor,
    id="speed.rtf",
    title="Real-time factor",
    summary="Seconds of wall time per second of video; below 1 is faster than real time.",
    higher_is_better=False,
    unit="s/s",
)
time_to_first_frame = frames_per_second.variant(
    _time_to_first_frame,
    id="speed.ttff",
    title="Time to first frame",
    summary="Wall time from the request until the first frame could be shown.",
    higher_is_better=False,
    unit="s",
)
end_to_end = frames_per_second.variant(
    _end_to_end,
    id="speed.e2e",
    title="End-to-end factor",
    summary="Wall time from the request to the finished file per second of video, loading and encoding included.",
    higher_is_better=False,
    unit="s/s",
)
peak_memory = frames_per_second.variant(
    _peak_memory,
    id="speed.peak_mem",
    title="Peak memory",
    summary="Most resident memory of the process that generated; memory of a GPU is not in it.",
    higher_is_better=False,
    unit="GiB",
)

METRICS = (frames_per_second, real_time_factor, time_to_first_frame, end_to_end, peak_memory)
