"""Find a ZIP's table of contents and count it before ``zipfile`` reads it; say what a file is when it is no ZIP.

The number of members that a ZIP states is a claim, and ``zipfile`` ignores it and reads as many as there are. So the
entries are counted here first, in constant memory. The format is PKWARE's APPNOTE.TXT, 4.3.12 to 4.3.16.
"""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from typing import BinaryIO

from evalkit.errors import SubmissionError
from evalkit.text import neutralise

LEAST_TABLE_CAP = 16 << 20  # bytes that a ZIP's table of contents may have, however few members are allowed

_END = struct.Struct("<4s4H2LH")
_END64_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_ENTRY = struct.Struct("<4s24x3H12x")
_FOREIGN = (
    (0, b"Rar!", "a RAR archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (0, b"\x1f\x8b", "a gzip file, perhaps a tar.gz"),
    (0, b"BZh", "a bzip2 file"),
    (0, b"\xfd7zXZ\x00", "an xz file"),
    (0, b"\x28\xb5\x2f\xfd", "a Zstandard file"),
    (257, b"ustar", "a tar archive"),
    (4, b"ftyp", "an MP4 video"),
)
_HAND_IN = "Hand in a ZIP."
# What zipfile raises on bytes that are no sound ZIP.
DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
)


def scan(file: BinaryIO, size: int, limit: int, shown: str) -> tuple[int, int]:
    """Return how many members the table of contents holds and where it starts, reading at most ``limit`` + 1 of them.

    Finds the table as ``zipfile`` does, so that both speak of the same one.

    Args:
        file: the ZIP, opened for reading.
        size: its bytes.
        limit: a count above it is returned as soon as it is known, with an offset that means nothing.
        shown: the file's name, fit to print.

    Raises:
        SubmissionError: when the file is empty, no ZIP, cut off, damaged, one part of several, or its table too large.
        zipfile.BadZipFile: when an entry is garbled.
    """
    head = file.read(512)
    _refuse_foreign(head, size, shown)
    file.seek(max(0, size - _END.size - 0xFFFF))
    tail = file.read()
    at = len(tail) - _END.size
    if at < 0 or tail[at : at + 4] != b"PK\5\6" or tail[-2:] != b"\0\0":
        at = tail.rfind(b"PK\5\6")
    if at < 0 or at + _END.size > len(tail):
        if head[:4] == b"PK\7\x08":
            raise _one_part(shown)
        if head[:2] == b"PK":
            raise damaged(shown, "no table of contents at its end")
        raise SubmissionError(f"{shown} is not a ZIP.", found=f"a file that starts with {head[:8]!r}", fix=_HAND_IN)
    _, disk, first_disk, _, claimed, length, _, _ = _END.unpack_from(tail, at)
    end, disks = size - len(tail) + at, {disk, first_disk} - {0xFFFF}
    file.seek(max(0, end - _END64_LOCATOR.size))
    signature, locator_disk, _, locator_disks = _END64_LOCATOR.unpack(_padded(file, _END64_LOCATOR.size))
    if signature == b"PK\6\7":
        end -= _END64_LOCATOR.size + _END64.size
        file.seek(max(0, end))
        signature, _, _, _, disk, first_disk, _, claimed, length, _ = _END64.unpack(_padded(file, _END64.size))
        if signature != b"PK\6\6":
            raise damaged(shown, "the 64-bit table of contents is not where it should be")
        disks = {disk, first_disk, locator_disk, max(0, locator_disks - 1)}
    if disks - {0}:
        raise _one_part(shown)
    if claimed > limit:
        return claimed, 0
    start = end - length
    if start < 0:
        raise damaged(shown, f"a table of contents of {length} bytes in a file of {size} bytes")
    count = _count_entries(file, start, end, limit)
    if count > limit:
        return count, start
    if count & 0xFFFF != claimed & 0xFFFF:  # some writers let the 16-bit count run over
        raise damaged(shown, f"a table of contents that states {claimed} members and lists {count}")
    cap = max(LEAST_TABLE_CAP, limit * 1024)
    if length > cap:
        raise SubmissionError(
            f"The table of contents of {shown} is too large.",
            found=f"{length} bytes for {count} members",
            expected=f"at most {cap} bytes",
            fix="Shorten the names and leave out comments.",
        )
    return count, start


def damaged(shown: str, found: str) -> SubmissionError:
    """Return the error for a ZIP that is cut off or damaged; ``found`` says how."""
    return SubmissionError(
        f"{shown} is cut off or damaged.", found=neutralise(found), fix="Compare its size and upload it again."
    )


def _count_entries(file: BinaryIO, start: int, end: int, limit: int) -> int:
    file.seek(start)
    count = 0
    while start < end and count <= limit:
        signature, *lengths = _ENTRY.unpack(_padded(file, _ENTRY.size))
        if signature != b"PK\1\2":
            raise zipfile.BadZipFile("the table of contents is garbled")
        start += _ENTRY.size + sum(lengths)
        file.seek(sum(lengths), os.SEEK_CUR)
        count += 1
    return count


def _padded(file: BinaryIO, count: int) -> bytes:
    """Read ``count`` bytes; what a cut file lacks reads as zeros, which are no signature."""
    return file.read(count).ljust(count, b"\0")


def _refuse_foreign(head: bytes, size: int, shown: str) -> None:
    if size == 0:
        raise SubmissionError(f"{shown} is empty.", found="0 bytes", fix="Upload it again.")
    looks = next((name for at, magic, name in _FOREIGN if head[at : at + len(magic)] == magic), None)
    if head.lstrip()[:9].lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        looks = "a web page, perhaps a log-in or download page saved under the ZIP's name"
    if looks:
        raise SubmissionError(f"{shown} is not a ZIP.", found=looks, fix=_HAND_IN)


def _one_part(shown: str) -> SubmissionError:
    return SubmissionError(f"{shown} is one part of a split ZIP.", expected="a whole ZIP", fix="Join the parts.")
