"""How a long run shows itself: a bar with time left on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol, TextIO

LINE_SECONDS = 10.0


class Progress(Protocol):
    """Somebody who wants to know how far a run is."""

    def start(self, title: str, total: int) -> None:
        """A stage of ``total`` steps begins."""

    def step(self, text: str) -> None:
        """One step is done."""

    def finish(self) -> None:
        """The stage is over."""


class Silent:
    """Says nothing."""

    def start(self, title: str, total: int) -> None:
        """Say nothing."""

    def step(self, text: str) -> None:
        """Say nothing."""

    def finish(self) -> None:
        """Say nothing."""


class Lines:
    """A line at the start, at the end, and at most every ten seconds in between, with the time left."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._title = ""
        self._total = self._done = 0
        self._started = self._told = 0.0

    def start(self, title: str, total: int) -> None:
        """Print the stage's title."""
        self._title, self._total, self._done = title, total, 0
        self._started = self._told = self._clock()
        self._say(f"{title}: 0/{total}")

    def step(self, text: str) -> None:
        """Print how far it is, if the last line is old."""
        self._done += 1
        now = self._clock()
        if now - self._told >= LINE_SECONDS and self._done < self._total:
            left = (now - self._started) / self._done * (self._total - self._done)
            self._say(f"{self._title}: {self._done}/{self._total}, about {duration_text(left)} left")
            self._told = now

    def finish(self) -> None:
        """Print the stage's end."""
        self._say(f"{self._title}: {self._done}/{self._total} in {duration_text(self._clock() - self._started)}")

    def _say(self, line: str) -> None:
        print(line, file=self._stream, flush=True)


class Bar:
    """A bar on a terminal (rich)."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._bar: Any = None
        self._task: Any = None

    def start(self, title: str, total: int) -> None:
        """Draw the bar."""
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        self._bar = RichProgress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=Console(file=self._stream),
            transient=True,
        )
        self._bar.start()
        self._task = self._bar.add_task(title, total=total)

    def step(self, text: str) -> None:
        """Move the bar."""
        self._bar.advance(self._task)

    def finish(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


class shown:  # noqa: N801 - used as a context manager, like contextlib.closing
    """Start a stage and make sure that it ends, whatever happens inside."""

    def __init__(self, progress: Progress, title: str, total: int) -> None:
        self._progress, self._title, self._total = progress, title, total

    def __enter__(self) -> Progress:
        self._progress.start(self._title, self._total)
        return self._progress

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.finish()


def progress_for(stream: TextIO | None = None) -> Progress:
    """Return a bar when ``stream`` (standard error by default) is a terminal, else plain lines.

    Nothing is shown when there is no standard error (``2>&-``).
    """
    stream = stream or sys.stderr
    if stream is None:
        return Silent()
    return Bar(stream) if stream.isatty() else Lines(stream)


def duration_text(seconds: float) -> str:
    """Return ``1 h 02 min``, ``3 min 05 s`` or ``7 s``."""
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
