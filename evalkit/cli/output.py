"""Standard output when it is odd: no UTF-8, closed by its reader, on a full disk."""

from __future__ import annotations

import os
import sys
from contextlib import suppress


def prepare() -> None:
    """Let what standard output's encoding lacks appear as an escape instead of stopping the command."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")


def failure(*, probe: bool = False) -> OSError | None:
    """Write what is still in memory; return why it can't be written, when it can't.

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
    """Drop what could not be written, or Python tries again at its end and changes the exit code."""
    with suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
