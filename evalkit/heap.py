"""Give freed memory back to the system, and let it lie where it can be given back."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from functools import partial

_MMAP_THRESHOLD = -3  # of mallopt
_LARGE = 128 * 1024  # bytes; what the C library begins with


def keep_large_blocks_apart() -> None:
    """Let large blocks of memory have pages of their own for good, which go back to the system when they are freed.

    The C library does so until the first such block is freed, and takes those up to its size from the heap afterwards.
    Blocks that are freed there leave holes among those in use. It does nothing where the C library can't.
    """
    option = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform.startswith("linux") else None
    if option is not None:
        option(_MMAP_THRESHOLD, _LARGE)


def memory_returner() -> Callable[[], object]:
    """Return a function that gives freed memory back to the system; it does nothing where the C library can't.

    The C library keeps the pages of what was freed for later (a 4K frame leaves some 60 MiB behind), also when nothing
    as large comes again. Asking for them back takes less than a millisecond where there are none.
    """
    if not sys.platform.startswith("linux"):
        return lambda: None
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none
    return (lambda: None) if trim is None else partial(trim, ctypes.c_size_t(0))
