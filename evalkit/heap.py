"""Give freed memory back to the system."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from functools import partial


def memory_returner() -> Callable[[], object]:
    """Return a function that gives freed memory back to the system; it does nothing where the C library can't.

    The C library keeps the pages of what was freed for later (a 4K frame leaves some 60 MiB behind), also when nothing
    as large comes again. Asking for them back takes less than a millisecond where there are none.
    """
    if not sys.platform.startswith("linux"):
        return lambda: None
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none
    return (lambda: None) if trim is None else partial(trim, ctypes.c_size_t(0))
