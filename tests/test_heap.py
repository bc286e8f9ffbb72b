"""Memory that goes back to the system."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

STORY = """
import ctypes
from evalkit.heap import keep_large_blocks_apart

class Numbers(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in
        ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")]

library = ctypes.CDLL(None)
library.malloc.restype = ctypes.c_void_p
library.mallinfo2.restype = Numbers
if APART:
    keep_large_blocks_apart()
library.free(ctypes.c_void_p(library.malloc(ctypes.c_size_t(20 << 20))))
before = library.mallinfo2().hblks
library.malloc(ctypes.c_size_t(1 << 20))
print(library.mallinfo2().hblks - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallinfo2 is of the GNU C library, which CI has")
@pytest.mark.parametrize(("apart", "own"), [(True, "1"), (False, "0")])
def test_a_large_block_has_pages_of_its_own_also_after_a_larger_one_was_freed(apart: bool, own: str) -> None:
    words = [sys.executable, "-c", STORY.replace("APART", str(apart))]
    assert subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip() == own
