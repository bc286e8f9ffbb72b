"""Who is told how far fetching or importing weights is."""

from __future__ import annotations

from typing import Protocol


class Watch(Protocol):
    """Somebody who wants to know. Calls for one file come between `begin` and `end`."""

    def say(self, line: str) -> None:
        """Something happened."""

    def warn(self, line: str) -> None:
        """Something happened that a person should know."""

    def begin(self, name: str, total: int | None, done: int) -> None:
        """A file of ``total`` bytes, where known, begins; ``done`` of them are there from an earlier try."""

    def advance(self, count: int) -> None:
        """``count`` bytes more are there."""

    def end(self) -> None:
        """The file is over, whole or not."""


class Quiet:
    """Says nothing."""

    def say(self, line: str) -> None:
        """Say nothing."""

    def warn(self, line: str) -> None:
        """Say nothing."""

    def begin(self, name: str, total: int | None, done: int) -> None:
        """Say nothing."""

    def advance(self, count: int) -> None:
        """Say nothing."""

    def end(self) -> None:
        """Say nothing."""
