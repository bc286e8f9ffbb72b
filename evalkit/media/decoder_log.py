"""Collect the errors that FFmpeg logs while it reads a file: damage that it conceals while it still delivers frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import av.logging

from evalkit.text import escape_for_display

KEPT = 5
_MAX_EXAMINED = 1000  # messages of one call; one packet can cause many

av.logging.set_skip_repeated(False)  # it compares with the messages of the file that was read before


class DecoderLog:
    """Messages of level error and worse that FFmpeg logs inside `capture`.

    Attributes:
        messages: the first distinct ones, as ``component: message``.
        count: how many there were in all.
    """

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.count = 0

    @contextmanager
    def capture(self) -> Iterator[None]:
        """Collect what FFmpeg logs in this thread until the block ends; outside of it FFmpeg's log is off."""
        av.logging.set_level(av.logging.ERROR)
        with av.logging.Capture() as logs:
            try:
                yield
            finally:
                av.logging.set_level(None)
                self._add(logs)

    def _add(self, logs: Sequence[tuple[int, str, str]]) -> None:
        self.count += len(logs)
        for _, component, message in logs[:_MAX_EXAMINED]:
            if len(self.messages) == KEPT:
                break
            shown = escape_for_display(f"{component}: {message.strip()}", limit=160)
            if shown not in self.messages:
                self.messages.append(shown)
