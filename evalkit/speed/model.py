"""Measurements of speed as plain values, and the bounds that every one of them keeps, whoever sends it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Source = Literal["measured", "imported", "reported"]
Timed = Literal["frames", "call"]
SOURCES: dict[Source, str] = {
    "measured": "measured by the organizer",
    "imported": "imported by the organizer",
    "reported": "reported by the team",
}  # the most trusted first
TIMED: dict[Timed, str] = {
    "frames": "up to the last frame in memory, without loading and encoding",
    "call": "the whole call, with loading and encoding",
}
FAMILY = "speed."  # how the ids of these metrics begin
MOST_SAMPLES = 100_000
MOST_SECONDS = 1e6
MOST_FRAMES = 100_000_000
MOST_BYTES = 1 << 50
SAMPLE_LENGTH = 400  # characters of a sample's id
HARDWARE_LENGTH = 300


@dataclass(frozen=True)
class SampleSpeed:
    """What was measured of one sample; of repeated runs, the medians.

    Args:
        sample: its id.
        seconds: wall time of generation.
        frames: that were generated; ``None`` where the video itself says it.
        clip_seconds: length of the video; ``None`` where nothing says it.
        first_frame: wall time until the first frame could be shown; ``None`` where it was not measured.
        end_to_end: wall time from the request to the finished file; ``None`` where it was not measured.
        peak_bytes: most resident memory of the process that generated; ``None`` where it was not measured.
        runs: how many timed runs the numbers rest on.
    """

    sample: str
    seconds: float
    frames: int | None = None
    clip_seconds: float | None = None
    first_frame: float | None = None
    end_to_end: float | None = None
    peak_bytes: int | None = None
    runs: int = 1

    def fault(self) -> str | None:
        """Return what is impossible about it, as one phrase; ``None`` when nothing is."""
        for name, value, most in (
            ("seconds", self.seconds, MOST_SECONDS),
            ("frames", self.frames, MOST_FRAMES),
            ("clip_seconds", self.clip_seconds, MOST_SECONDS),
            ("time_to_first_frame", self.first_frame, MOST_SECONDS),
            ("end_to_end_seconds", self.end_to_end, MOST_SECONDS),
            ("peak_bytes", self.peak_bytes, MOST_BYTES),
        ):
            if value is not None and not (math.isfinite(value) and 0 < value <= most):
                return f"{name} {value:g}, expected more than 0 and at most {most:g}"
        whole = self.seconds if self.end_to_end is None else self.end_to_end
        if self.first_frame is not None and self.first_frame > whole:
            return f"the first frame after {self.first_frame:g} s of {whole:g} s"
        return None

    def arrays(self, frame_rate: float, frames: int, clip_seconds: float) -> dict[str, NDArray[np.float64]]:
        """Return what the metrics of speed read.

        Args:
            frame_rate: frames per second of video that count, at most.
            frames, clip_seconds: of the video.
        """
        given = {
            "counted_frames": counted_frames(frames, clip_seconds, frame_rate),
            "clip_seconds": clip_seconds,
            "seconds": self.seconds,
            "first_frame": self.first_frame,
            "end_to_end": self.end_to_end,
            "peak_bytes": self.peak_bytes,
        }
        return {name: np.asarray(float(value)) for name, value in given.items() if value is not None}


@dataclass(frozen=True)
class SpeedReport:
    """Measurements of one generator on one machine.

    Args:
        hardware: the machine in words; two machines are the same where these words are.
        timed: what the seconds include.
        samples: sample -> what was measured.
        workers: samples that were generated at the same time.
    """

    hardware: str
    timed: Timed
    samples: Mapping[str, SampleSpeed]
    workers: int = 1


# What `evalkit.speed.hardware` writes for a part that it can't name: two machines with one may be different machines.
UNKNOWN_PROCESSOR, UNKNOWN_GPU = "unknown processor", "unknown gpu"


def counted_frames(frames: int, clip_seconds: float, frame_rate: float) -> float:
    """Return how many frames count: those of the video, but no more than its length has at ``frame_rate``.

    A generator that repeats or interpolates frames to reach a higher rate makes no more video in the same time.
    """
    return min(float(frames), frame_rate * clip_seconds)


def hardware_text(processor: str, cores: int | None, memory_bytes: int | None, gpu: str | None) -> str:
    """Return a machine in words: processor, cores, memory in whole GiB, GPU."""
    parts = [" ".join(processor.split())]
    parts += [f"{cores} core{'' if cores == 1 else 's'}"] if cores is not None else []
    parts += [f"{round(memory_bytes / 2**30)} GiB"] if memory_bytes is not None else []
    parts += [" ".join(gpu.split())] if gpu else []
    return ", ".join(part for part in parts if part)[:HARDWARE_LENGTH]


def same_hardware(text: str) -> str:
    """Return what two descriptions share that differ in case and spaces only; empty where a part is unknown."""
    words = " ".join(text.split()).casefold()
    return "" if UNKNOWN_PROCESSOR in words or UNKNOWN_GPU in words else words


def middle(values: Sequence[float | None]) -> float | None:
    """Return the median of the known values; ``None`` without any."""
    known = [value for value in values if value is not None]
    return float(np.median(known)) if known else None
