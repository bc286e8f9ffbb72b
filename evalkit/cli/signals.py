"""Stop a command on Ctrl-C, SIGTERM or a closed terminal, and say how to continue."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

_RUN_AGAIN = "Run the same command again to continue"
_BOARD_CHANGE = (
    "Every change of the board is complete or not made at all; 'evalkit board log' shows the last one. "
    "Run the same command again if yours is not there."
)
# Command -> the state after it was stopped. The longest matching key counts.
_MESSAGES: dict[tuple[str, ...], str] = {
    (): f"Finished work is kept. {_RUN_AGAIN}.",
    ("score",): f"Finished videos are kept in the cache and not read again. {_RUN_AGAIN}.",
    ("score-all",): "Finished submissions are kept and not scored again, and finished videos of the others are kept in "
    f"the cache. {_RUN_AGAIN}.",
    ("validate",): f"Finished videos are kept in the cache and not read again. {_RUN_AGAIN}.",
    ("demo",): f"Finished files in the folder are kept and not made again. {_RUN_AGAIN}.",
    ("baseline", "run"): "Finished clips are kept in the folder OUTPUT.clips beside the ZIP and not made again. "
    f"{_RUN_AGAIN}.",
    (
        "host",
    ): "What was written so far can't be used; a bundle is complete when the command ends. Run the same command "
    "again: it starts from the beginning.",
    ("weights", "pull"): f"The bytes received so far are kept. {_RUN_AGAIN}.",
    ("ratings", "import"): "All ratings of the file are on the board, or none. Run the same command again: nothing is "
    "added twice.",
    ("ratings", "report"): "The page is either the old one or the new one. Run the same command again.",
    ("leaderboard",): "Every file is either the old one or the new one. Run the same command again.",
    ("board",): _BOARD_CHANGE,
    ("ratings", "screen"): _BOARD_CHANGE,
}


@contextmanager
def handle_termination_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP do what Ctrl-C does, unless they are ignored (``nohup``).

    Errors of objects that they destroy half-way are not printed: the command itself says what happened.
    """
    # SQLAlchemy logs an interruption while it closes a connection; the command's own message is enough.
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL + 1)
    before = {}
    complain = sys.unraisablehook
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        try:
            if signal.getsignal(number) in {signal.SIG_DFL, signal.default_int_handler}:
                before[number] = signal.signal(number, _interrupt)
        except ValueError:  # not the main thread: only that one may set handlers
            break
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        sys.unraisablehook = complain


def interruption_message(arguments: Sequence[str]) -> str:
    """Return the message for a command that was called with ``arguments`` and stopped."""
    words = tuple(word for word in arguments if not word.startswith("-"))
    fits = [key for key in _MESSAGES if words[: len(key)] == key]
    return f"Interrupted. {_MESSAGES[max(fits, key=len)]}"


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    # A half-written ZIP raises an error when it is collected, which may be anywhere below this frame.
    sys.unraisablehook = lambda _: None
    raise KeyboardInterrupt
