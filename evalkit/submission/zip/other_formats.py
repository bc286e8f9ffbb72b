"""Find out whether a ZIP is also a file of another format, which some programs read in its place.

A ZIP is found from its end, and members may hold anything, so one file can be a ZIP and something else. libarchive
(bsdtar, most file managers on Linux, macOS) prefers a tar archive and an ISO 9660 image to a ZIP. A program put before
the ZIP may hold any other archive; so may other bytes there (`local_headers` looks at those).
"""

from __future__ import annotations

import re
from typing import BinaryIO

from evalkit.submission.members import Inconsistency
from evalkit.submission.zip.end_records import read_padded

_TAR_HEADER = 512
_CHECKSUM = slice(148, 156)  # of a tar header, in octal digits
_OCTAL = re.compile(rb"[ \0]*([0-7]{1,8})[ \0]*\Z")
_IMAGE = 32769  # the first volume descriptor's identifier, after 32 KiB for anything and a byte
_IMAGE_MARKS = (b"CD001", b"BEA01", b"NSR02", b"NSR03")  # ISO 9660, and UDF's


def other_formats(file: BinaryIO) -> list[Inconsistency]:
    """Return the other formats of the file, in at most two short reads."""
    file.seek(0)
    found = ["a tar archive"] if _is_tar_header(read_padded(file, _TAR_HEADER)) else []
    file.seek(_IMAGE)
    if read_padded(file, 5) in _IMAGE_MARKS:
        found.append("the image of a disc")
    return [Inconsistency("format", f"{name} that is also a ZIP", "a ZIP and nothing else") for name in found]


def _is_tar_header(head: bytes) -> bool:
    """Return whether the checksum is that of a tar header: the sum of its bytes, its own place taken for blanks."""
    stated = _OCTAL.match(head[_CHECKSUM])
    total = sum(head) - sum(head[_CHECKSUM]) + 8 * ord(" ")
    return stated is not None and int(stated.group(1), 8) == total
