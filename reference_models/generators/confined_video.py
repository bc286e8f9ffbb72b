"""Read a video of unknown origin: a confined worker decodes it, and its frames come back as plain arrays.

The worker is confined as those that score submissions are (design/010-sandbox.md). It answers a few frames at a time,
when they are asked for, so that no video is held as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import MediaError
from evalkit.media.decode import iter_frames
from evalkit.media.inspect import scan_times
from evalkit.reference_models.generators.base import RgbImage
from evalkit.workers.batch_clock import BatchClock, Shares
from evalkit.workers.messages import BadAnswerError
from evalkit.workers.process import WorkerProcess
from evalkit.workers.sandbox import Limits, default_level

HANDLER = "evalkit.reference_models.generators.confined_video:Decoder"
JOB_SECONDS = 120.0  # for a few frames, or for the times of all
MOST_FRAMES = 100_000
PART_BYTES = 64 << 20  # of the frames of one answer; a single frame may have as much
PART_FRAMES = 32
MOST_LETTERS = 300  # of what a worker says of a fault


class Decoder:
    """What the worker does: answers the times of all frames, or the next few frames.

    Args:
        path: the video.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._frames: Iterator[RgbImage] = iter(())
        self._next = -1

    def __call__(self, job: int | None) -> NDArray[np.float64] | list[RgbImage] | str:
        """Return the times of all frames for ``None``, else the frames from number ``job`` on; a text says the fault.

        The frames are none past the last one.
        """
        try:
            return self._times() if job is None else self._part(job)
        except MediaError as error:
            return str(error).replace(str(self._path), "The video")

    def _times(self) -> NDArray[np.float64]:
        times = np.asarray(scan_times(self._path), np.float64)
        if not 0 < len(times) <= MOST_FRAMES:
            raise MediaError(f"The video has {len(times)} frames; 1 to {MOST_FRAMES} are read.")
        return times

    def _part(self, start: int) -> list[RgbImage]:
        if start != self._next:  # the first part, or a process that took over from another one
            self._frames = islice(iter_frames(self._path), start, None)
        part: list[RgbImage] = []
        for frame in self._frames:
            if frame.nbytes > PART_BYTES:
                raise MediaError(f"The video's frames are too large: {frame.shape[1]}x{frame.shape[0]}.")
            part.append(frame)
            if len(part) == PART_FRAMES or sum(one.nbytes for one in part) + frame.nbytes > PART_BYTES:
                break
        self._next = start + len(part)
        return part


class ConfinedVideo:
    """A video that only a confined worker decodes.

    Args:
        path: absolute, of the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def times(self) -> NDArray[np.float64]:
        """Return the times of all frames in seconds (N,).

        Raises:
            MediaError: it can't be read, or has none.
        """
        with self._worker(_times) as ask:
            return np.asarray(ask(None))

    def frames(self) -> Generator[RgbImage, None, None]:
        """Yield all frames (H, W, 3) uint8.

        Raises:
            MediaError: it can't be read to its end.
        """
        with self._worker(_frames) as ask:
            start = 0
            while part := ask(start):
                yield from part
                start += len(part)

    @contextmanager
    def _worker(self, check: Callable[[Any], Any]) -> Iterator[Callable[[int | None], Any]]:
        """Give a function that asks the worker and returns what ``check`` makes of its answer."""

        def accept(index: int, answer: Any) -> Any:
            return answer[:MOST_LETTERS] if isinstance(answer, str) else check(answer)

        limits = Limits(level=default_level(), job_cpu_seconds=JOB_SECONDS)
        worker = WorkerProcess((HANDLER, self._path, limits), BatchClock(JOB_SECONDS, None, Shares()), accept)

        def ask(job: int | None) -> Any:
            result = worker.call(0, job)
            if result.failure is not None:
                raise _unread(f"the process that decodes it: {result.failure}, {result.detail[-MOST_LETTERS:].strip()}")
            if isinstance(result.value, str):
                raise _unread(result.value)
            return result.value

        try:
            yield ask
        finally:
            worker.stop()


def _unread(found: str) -> MediaError:
    return MediaError("A video of the other submission can't be read.", found=found)


def _times(answer: Any) -> NDArray[np.float64]:
    """Return the times that a worker answered: one that was taken over may send anything."""
    fine = isinstance(answer, np.ndarray) and answer.dtype == np.float64 and answer.ndim == 1
    if not fine or not 0 < len(answer) <= MOST_FRAMES or not np.isfinite(answer).all():
        raise BadAnswerError("these are no times of frames")
    return np.asarray(answer, np.float64)


def _frames(answer: Any) -> list[RgbImage]:
    """Return the frames that it answered."""
    if not isinstance(answer, list) or len(answer) > PART_FRAMES or not all(_is_frame(one) for one in answer):
        raise BadAnswerError("these are no frames")
    return answer


def _is_frame(value: Any) -> bool:
    plain = isinstance(value, np.ndarray) and value.dtype == np.uint8 and value.ndim == 3
    return plain and value.shape[2] == 3 and value.size > 0
