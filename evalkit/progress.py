"""How a long run reports its progress: a bar with the time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self, TextIO

LINE_SECONDS = 10.0
FIRST_SECONDS = 1.0
SHORT_SECONDS = 0.5


class Progress:
    """Receives what a run reports. This base class shows nothing; a subclass overrides what it wants to know."""

    def start(self, title: str, total: int | None, done: int = 0, unit: str = "") -> None:
        """Begin a stage of ``total`` steps (``None`` when not known), ``done`` of which are done already."""

    def advance(self, count: int = 1) -> None:
        """``count`` more steps are done."""

    def finish(self) -> None:
        """End the stage, complete or not."""

    def message(self, line: str) -> None:
        """Something happened that may interest the user."""

    def warn(self, line: str) -> None:
        """Something happened that the user must know."""

    @contextmanager
    def stage(self, title: str, total: int | None, done: int = 0, unit: str = "") -> Iterator[Self]:
        """Start a stage, and finish it whatever happens inside.

        Args:
            title: of the stage.
            total: number of steps; ``None`` when not known.
            done: steps that are done already.
            unit: what a step is; ``bytes`` are shown as a size and a speed.
        """
        self.start(title, total, done, unit)
        try:
            yield self
        finally:
            self.finish()


class WarningsOnly(Progress):
    """Prints warnings and nothing else."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def warn(self, line: str) -> None:
        """Print the warning."""
        print(f"warning: {line}", file=self._stream, flush=True)


class ProgressLines(WarningsOnly):
    """Prints a line when a stage ends and at most every ten seconds one with the time left.

    A stage that still runs after a second has a line for its start, too. One that ends complete within half a second
    has none.
    """

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(stream)
        self._clock = clock
        self._title = self._unit = ""
        self._total: int | None = None
        self._before = self._done = 0
        self._started = self._printed = 0.0
        self._first: threading.Timer | None = None

    def start(self, title: str, total: int | None, done: int = 0, unit: str = "") -> None:
        """Print the stage's title and size, if it runs long enough."""
        self._title, self._total, self._unit = title, total, f" {unit}" if unit else ""
        self._before = self._done = done
        self._started = self._printed = self._clock()
        self._first = threading.Timer(FIRST_SECONDS, lambda: self.message(self._state()))
        self._first.daemon = True
        self._first.start()

    def advance(self, count: int = 1) -> None:
        """Print the state if the last line is old."""
        self._done += count
        now = self._clock()
        if now - self._printed >= LINE_SECONDS and self._done != self._total:
            self._printed = now
            left = ""
            if self._total is not None:
                pace = (now - self._started) / (self._done - self._before)
                left = f", about {duration_text(pace * (self._total - self._done))} left"
            self.message(self._state() + left)

    def finish(self) -> None:
        """Print how much was done, and in what time."""
        if self._first is not None:
            self._first.cancel()
        seconds = self._clock() - self._started
        if seconds >= SHORT_SECONDS or self._total is None or self._done < self._total:
            self.message(f"{self._state()} in {duration_text(seconds)}")

    def message(self, line: str) -> None:
        """Print the line."""
        print(line, file=self._stream, flush=True)

    def _state(self) -> str:
        total = "" if self._total is None else f"/{self._total:,}"
        return f"{self._title}: {self._done:,}{total}{self._unit}"


class ProgressBar(WarningsOnly):
    """Shows a bar on a terminal (rich)."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._bar: Any = None
        self._task: Any = None

    def start(self, title: str, total: int | None, done: int = 0, unit: str = "") -> None:
        """Draw the bar."""
        from rich import progress
        from rich.console import Console

        sizes = (progress.DownloadColumn(), progress.TransferSpeedColumn())
        counts = (progress.MofNCompleteColumn(), progress.TimeElapsedColumn())
        self._bar = progress.Progress(
            progress.TextColumn("{task.description}", markup=False),
            progress.BarColumn(),
            *(sizes if unit == "bytes" else counts),
            progress.TextColumn("left"),
            progress.TimeRemainingColumn(),
            console=Console(file=self._stream, emoji=False),
            transient=True,
        )
        self._bar.start()
        self._task = self._bar.add_task(title, total=total, completed=done)

    def advance(self, count: int = 1) -> None:
        """Move the bar."""
        self._bar.advance(self._task, count)

    def finish(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def message(self, line: str) -> None:
        """Print the line above the bar."""
        if self._bar is None:
            print(line, file=self._stream, flush=True)
        else:
            self._bar.console.print(line, markup=False, highlight=False)

    def warn(self, line: str) -> None:
        """Print the warning above the bar."""
        self.message(f"warning: {line}")


def progress_for(stream: TextIO | None = None, *, quiet: bool = False) -> Progress:
    """Return a bar when ``stream`` (standard error by default) is a terminal, else plain lines.

    With ``quiet`` only warnings are printed. Nothing is when there is no standard error (``2>&-``).
    """
    stream = stream or sys.stderr
    if stream is None:
        return Progress()
    if quiet:
        return WarningsOnly(stream)
    return ProgressBar(stream) if stream.isatty() else ProgressLines(stream)


def duration_text(seconds: float) -> str:
    """Return ``1 h 02 min``, ``3 min 05 s`` or ``7 s``."""
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
