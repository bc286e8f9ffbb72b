"""Speed of a generator: what is timed, and the content of ``speed.json`` (docs/definitions/speed.md)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evalkit._version import __version__
from evalkit.reference_models.generators.base import RgbImage
from evalkit.speed.document import SPEED_SCHEMA
from evalkit.speed.hardware import machine

FRAMES_INCLUDE = ["reading the sample's files", "everything up to the last RGB frame in memory"]
FRAMES_EXCLUDE = ["starting the process", "loading models", "encoding the video"]
FILE_INCLUDE = ["the whole call", "starting a command's process and loading its models", "encoding the video"]


@dataclass(frozen=True)
class GenerationTiming:
    """Timing of one sample.

    Args:
        frames: number of frames.
        width, height: in pixels.
        clip_seconds: length of the video.
        seconds: wall time of generation.
        first_frame: wall time until the first frame was generated; ``None`` for a finished file.
        end_to_end: whether encoding is in ``seconds``.
    """

    frames: int
    width: int
    height: int
    clip_seconds: float
    seconds: float
    first_frame: float | None
    end_to_end: bool = False

    def row(self, sample: str) -> dict[str, Any]:
        """Return the sample's row."""
        return {
            "sample": sample,
            "frames": self.frames,
            "width": self.width,
            "height": self.height,
            "clip_seconds": rounded(self.clip_seconds),
            "generation_seconds": rounded(self.seconds),
            "time_to_first_frame": rounded(self.first_frame),
            "fps": rounded(self.frames / self.seconds),
            "rtf": rounded(self.seconds / self.clip_seconds),
        }


class Stopwatch:
    """Measures the time inside a generator's code, without the time that its frames are processed."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self.seconds = 0.0
        self.first_frame: float | None = None

    def call(self, function: Any, *arguments: Any) -> Any:
        """Return ``function(*arguments)``, timed."""
        start = self._clock()
        try:
            return function(*arguments)
        finally:
            self.seconds += self._clock() - start

    def watch(self, frames: Iterable[RgbImage]) -> Iterator[RgbImage]:
        """Yield the frames and measure the time until each is generated."""
        source = self.call(iter, frames)
        while True:
            frame = self.call(next, source, None)
            if frame is None:
                return
            if self.first_frame is None:
                self.first_frame = self.seconds
            yield frame


def speed_document(
    generator: Mapping[str, Any],
    timings: Mapping[str, GenerationTiming],
    setups: Sequence[float],
    workers: int,
    kept: Sequence[str] = (),
) -> dict[str, Any]:
    """Return the content of ``speed.json``.

    Args:
        generator: name and options.
        timings: sample -> timing, in the order of the test set.
        setups: seconds that each worker needed to construct the generator (load models).
        workers: processes that ran at the same time on this machine.
        kept: samples that an earlier run, which was stopped, has made and timed.
    """
    rows = [timing.row(sample) for sample, timing in timings.items()]
    end_to_end = any(timing.end_to_end for timing in timings.values())
    return {
        "schema": SPEED_SCHEMA,
        "generator": dict(generator),
        "evalkit": __version__,
        "machine": machine(),
        "device": "as the program chose" if end_to_end else "cpu",
        "workers": workers,
        "timed": "call" if end_to_end else "frames",
        "protocol": {
            "clock": "wall time, one sample at a time in each worker, no warm-up left out",
            "included": FILE_INCLUDE if end_to_end else FRAMES_INCLUDE,
            "excluded": [] if end_to_end else FRAMES_EXCLUDE,
            "batch": 1,
        },
        "summary": {
            "samples": len(rows),
            "frames": sum(timing.frames for timing in timings.values()),
            "setup_seconds": rounded(max(setups, default=0.0)),
            **{name: quartiles([row[name] for row in rows]) for name in ("fps", "rtf", "time_to_first_frame")},
        },
        "samples": rows,
        "timed_by_an_earlier_run": list(kept),
    }


def quartiles(values: Sequence[float | None]) -> dict[str, float | None]:
    """Return the median and the quartiles; ``None`` if nothing was measured."""
    known = [value for value in values if value is not None]
    if not known:
        return {"median": None, "q25": None, "q75": None}
    q25, median, q75 = np.percentile(known, [25, 50, 75])
    return {"median": rounded(float(median)), "q25": rounded(float(q25)), "q75": rounded(float(q75))}


def rounded(value: float | None) -> float | None:
    """Return six digits of ``value``."""
    return None if value is None else float(f"{value:.6g}")
