"""HTTP connections that end: those on which nobody asks anything, and those whose other end takes nothing."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

CHECK_SECONDS = 30.0


class EndingProtocol(H11Protocol):
    """A connection that is looked at every `CHECK_SECONDS`, and ended when nothing has happened in between.

    uvicorn ends a connection that is idle after a response. This one ends, too, when no request ever comes, or only a
    part of its head, and when the browser is gone or stopped without a word: what was sent to it waits then in the
    server, and a stream to a rater counts as open.
    """

    _timer: asyncio.TimerHandle | None = None
    _last_cycle: Any = None
    _left = 0
    _moved = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin."""
        super().connection_made(transport)
        self._look_later()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def resume_writing(self) -> None:
        """Go on: the other end has taken most of what was sent."""
        self._moved = True
        super().resume_writing()

    def _look_later(self) -> None:
        self._timer = self.loop.call_later(CHECK_SECONDS, self._look)

    def _look(self) -> None:
        left = self.transport.get_write_buffer_size()
        busy = self.cycle is not None and not self.cycle.response_complete
        stuck = left > 0 and left >= self._left > 0 and not self._moved
        idle = left == 0 and not busy and self.cycle is self._last_cycle
        if stuck or idle:
            self.transport.abort()  # a close would wait until everything is taken
            return
        self._left, self._moved, self._last_cycle = left, False, self.cycle
        self._look_later()
