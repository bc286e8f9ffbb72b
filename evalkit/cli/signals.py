"""What Ctrl-C, an end asked for by the system, and a closed terminal do: the command stops and says how to go on."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

_RUN_AGAIN = "Run the same command again to go on"
_BOARD_CHANGE = (
    "A change of the board is there as a whole or not at all, and 'evalkit board log' shows the last one. "
    "Run the same command again if it is not there."
)
# The words of a command -> what is true after it was stopped. The longest that fits counts.
_MESSAGES: dict[tuple[str, ...], str] = {
    (): f"What is finished is kept. {_RUN_AGAIN}.",
    ("score",): f"The videos that are done are kept in the cache and not read again. {_RUN_AGAIN}.",
    ("validate",): f"The videos that are done are kept in the cache and not read again. {_RUN_AGAIN}.",
    ("demo",): f"What the folder holds is kept and not made again. {_RUN_AGAIN}.",
    ("weights", "pull"): f"The bytes that came are kept. {_RUN_AGAIN}.",
    ("ratings", "import"): "All ratings of the file are on the board, or none. Run the same command again: nothing is "
    "added twice.",
    ("ratings", "report"): "The page is the one of before, or the new one. Run the same command again.",
    ("leaderboard",): "Every file is the one of before, or the new one. Run the same command again.",
    ("board",): _BOARD_CHANGE,
    ("ratings", "screen"): _BOARD_CHANGE,
}


@contextmanager
def handle_termination_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP do what Ctrl-C does, unless somebody wants them ignored (``nohup``).

    What is torn down half-way by any of them stays silent: the command says what became of it.
    """
    # SQLAlchemy tells its log when it is interrupted while it closes a connection; the command says it better.
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL + 1)
    before = {}
    complain = sys.unraisablehook
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        try:
            if signal.getsignal(number) in {signal.SIG_DFL, signal.default_int_handler}:
                before[number] = signal.signal(number, _interrupt)
        except ValueError:  # not the main thread: signals are somebody else's business
            break
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        sys.unraisablehook = complain


def interruption_message(arguments: Sequence[str]) -> str:
    """Return the sentence for somebody whose command, called with ``arguments``, was stopped."""
    words = tuple(word for word in arguments if not word.startswith("-"))
    fits = [key for key in _MESSAGES if words[: len(key)] == key]
    return f"Interrupted. {_MESSAGES[max(fits, key=len)]}"


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    # A half-written ZIP complains of it when it is collected, which may be anywhere below this frame.
    sys.unraisablehook = lambda _: None
    raise KeyboardInterrupt
