"""What FFmpeg complains of while it reads a file: damage that it hides or works around and still delivers pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import av.logging

from evalkit.text import escape_for_display

KEPT = 5
_MOST = 1000  # looked at, of what one packet can cause

av.logging.set_skip_repeated(False)  # it would compare with what another file was told before


class Complaints:
    """Complaints of level error and worse, of what runs while somebody is `listening`.

    Attributes:
        words: the first different ones, as ``who: what``.
        count: how many there were in all.
    """

    def __init__(self) -> None:
        self.words: list[str] = []
        self.count = 0

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take what FFmpeg says in this thread until the block ends; at other times it is kept quiet."""
        av.logging.set_level(av.logging.ERROR)
        with av.logging.Capture() as logs:
            try:
                yield
            finally:
                av.logging.set_level(None)
                self._take(logs)

    def _take(self, logs: Sequence[tuple[int, str, str]]) -> None:
        self.count += len(logs)
        for _, name, message in logs[:_MOST]:
            if len(self.words) == KEPT:
                break
            words = escape_for_display(f"{name}: {message.strip()}", limit=160)
            if words not in self.words:
                self.words.append(words)
