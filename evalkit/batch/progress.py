"""The progress of all submissions as one bar: videos that are done, of all videos."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from evalkit.progress import Progress, duration_text
from evalkit.scoring.run import SCORING
from evalkit.text import escape_for_display


class OverallProgress:
    """Counts the videos of all submissions, which report from threads of their own.

    Args:
        progress: receives how far all of them are; a stage of it must have been started.
        total: videos of all submissions.
        now: a clock that never goes back, in seconds.
    """

    def __init__(self, progress: Progress, total: int, now: Callable[[], float] = time.monotonic) -> None:
        self._progress = progress
        self._lock = threading.Lock()
        self._now, self._started = now, now()
        self._left = total
        self._read = 0

    def part(self, name: str, videos: int) -> SubmissionProgress:
        """Return what receives the progress of one submission.

        Args:
            name: how messages call it.
            videos: how many of its videos are counted.
        """
        return SubmissionProgress(self, name, videos)

    def advance(self, count: int, *, read: bool) -> None:
        """``count`` more videos are done; ``read`` tells whether they took time now."""
        if count:
            with self._lock:
                self._left -= count
                self._read += count if read else 0
                self._progress.advance(count)

    def time_left(self) -> str:
        """Return ``about 2 h 05 min left``, by the pace of the videos that were read now; empty when nobody knows."""
        with self._lock:
            if not self._left or not self._read:
                return ""
            return f"about {duration_text((self._now() - self._started) * self._left / self._read)} left"

    def message(self, line: str) -> None:
        """Something happened that may interest the user."""
        with self._lock:
            self._progress.message(escape_for_display(line, 400))

    def warn(self, line: str) -> None:
        """Something happened that the user must know."""
        with self._lock:
            self._progress.warn(escape_for_display(line, 400))


class SubmissionProgress(Progress):
    """The progress of one submission among others: its videos count, its other stages don't."""

    def __init__(self, whole: OverallProgress, name: str, videos: int) -> None:
        self._whole, self._name, self._left = whole, name, videos
        self._counting = False

    def start(self, title: str, total: int | None, done: int = 0, unit: str = "") -> None:
        """Begin a stage."""
        self._counting = title == SCORING

    def advance(self, count: int = 1) -> None:
        """``count`` more steps are done."""
        if self._counting:
            self._count(count, read=True)

    def finish(self) -> None:
        """End the stage."""
        self._counting = False

    def complete(self) -> None:
        """Count what was not read: nothing is left of the submission."""
        self._count(self._left, read=False)

    def message(self, line: str) -> None:
        """Pass it on, with the submission's name."""
        self._whole.message(f"{self._name}: {line}")

    def warn(self, line: str) -> None:
        """Pass it on, with the submission's name."""
        self._whole.warn(f"{self._name}: {line}")

    def _count(self, count: int, *, read: bool) -> None:
        count = min(count, self._left)
        self._left -= count
        self._whole.advance(count, read=read)
