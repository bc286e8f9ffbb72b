"""Handle a standard output that is not UTF-8, that its reader has closed, or that is on a full disk."""

from __future__ import annotations

import os
import sys
from contextlib import suppress


def prepare() -> None:
    """Print characters that standard output's encoding lacks as escapes, instead of stopping with an error."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")


def failure(*, probe: bool = False) -> OSError | None:
    """Flush standard output; return the error when it can't be written.

    ``probe``: write a line break too, since an unbuffered output has nothing left in memory.
    """
    if sys.stdout is None:
        return None
    try:
        if probe:
            sys.stdout.write("\n")
        sys.stdout.flush()
    except OSError as error:
        return error
    return None


def abandon() -> None:
    """Drop what could not be written; otherwise Python tries again at its end and changes the exit code."""
    with suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
