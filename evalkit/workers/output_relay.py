"""What a worker prints: passed on to standard error line by line, made visible and bounded.

A worker that a file took over must not have the user's terminal: escape sequences would act in it, and its input could
be typed into.
"""

from __future__ import annotations

import sys
import threading
from typing import BinaryIO

from evalkit.text import escape_for_display

_MAX_BYTES = 64 << 10  # of one worker; the rest is read and dropped
_LINE = 500  # characters


def relay(stream: BinaryIO) -> threading.Thread:
    """Start the thread that passes on what comes from ``stream``, and closes it at its end; return the thread."""
    thread = threading.Thread(target=_relay, args=(stream,), daemon=True)
    thread.start()
    return thread


def _relay(stream: BinaryIO) -> None:
    left = _MAX_BYTES
    with stream:
        while line := stream.readline(_LINE):
            if left <= 0:
                continue
            left -= len(line)
            _show(escape_for_display(line.decode("utf-8", "replace").rstrip("\r\n"), _LINE))
            if left <= 0:
                _show("(This process prints more; it is not shown.)")


def _show(line: str) -> None:
    try:
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
    except (OSError, ValueError):  # standard error is closed: there is nobody to tell
        return
