"""How fetching shows itself: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from evalkit.weights.watch import Watch

LINE_SECONDS = 10.0


class Lines:
    """A line at the start of each file, and at most one every ten seconds while it comes."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._clock = stream, clock
        self._name, self._total, self._done = "", 0, 0
        self._told = 0.0

    def say(self, line: str) -> None:
        """Print the line."""
        print(line, file=self._stream, flush=True)

    def warn(self, line: str) -> None:
        """Print the line as a warning."""
        self.say(f"warning: {line}")

    def begin(self, name: str, total: int | None, done: int) -> None:
        """Print the file's name and size."""
        self._name, self._total, self._done, self._told = name, total or 0, done, self._clock()
        size = f"{total:,} bytes" if total else "size unknown"
        self.say(f"{name}: {size}{f', {done:,} of them there' if done else ''}")

    def advance(self, count: int) -> None:
        """Print how far it is, if the last line is old."""
        self._done += count
        if self._clock() - self._told >= LINE_SECONDS:
            share = f" ({self._done / self._total:.0%})" if self._total else ""
            self.say(f"{self._name}: {self._done:,} bytes{share}")
            self._told = self._clock()

    def end(self) -> None:
        """Say nothing."""


class Bar(Lines):
    """A bar on a terminal (rich)."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._bar: Any = None
        self._task: Any = None

    def say(self, line: str) -> None:
        """Print the line above the bar."""
        if self._bar is None:
            super().say(line)
        else:
            self._bar.console.print(line, markup=False, highlight=False)

    def begin(self, name: str, total: int | None, done: int) -> None:
        """Draw the bar."""
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=Console(file=self._stream),
            transient=True,
        )
        self._bar.start()
        self._task = self._bar.add_task(name, total=total, completed=done)

    def advance(self, count: int) -> None:
        """Move the bar."""
        self._bar.advance(self._task, count)

    def end(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


class WarningsOnly(Lines):
    """Prints warnings and nothing else."""

    def say(self, line: str) -> None:
        """Say nothing."""

    def warn(self, line: str) -> None:
        """Print the line as a warning."""
        super().say(f"warning: {line}")


@contextmanager
def watch_on(stream: TextIO, *, quiet: bool = False) -> Iterator[Watch]:
    """Yield a watch for ``stream``; whatever happens, the terminal is left in order."""
    watch: Lines = WarningsOnly(stream) if quiet else Bar(stream) if stream.isatty() else Lines(stream)
    try:
        yield watch
    finally:
        watch.end()
