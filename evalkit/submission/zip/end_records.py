"""Find a ZIP's table of contents from the records at the archive's end, and check whether they agree.

There are up to three such records: the end record, and in large archives the Zip64 record with its locator. Programs
differ in which one they believe. The table is found as ``zipfile`` finds it; what would lead another program elsewhere
is an `Inconsistency`. The format is PKWARE's APPNOTE.TXT, 4.3.14 to 4.3.16.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

from evalkit.errors import SubmissionError
from evalkit.submission.members import Inconsistency, InconsistencyKind

LOCAL, ENTRY, END = b"PK\3\4", b"PK\1\2", b"PK\5\6"

_END = struct.Struct("<4s4H2LH")
_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_ENTRY_OFFSET = 42  # where in an entry of the table the offset of its member is
_WRAP = 1 << 32  # the error of a 32-bit number that has overflowed
_LONGEST_COMMENT = 0xFFFF
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
_FIX_FORMAT = "Submit a ZIP."


@dataclass(frozen=True)
class TableEnd:
    """Where the table of contents is, according to the end records.

    Args:
        start: its first byte.
        end: the byte after it.
        claimed: the stated number of members.
        shift: bytes by which everything is further back than the archive states (a program was put before it).
        inconsistencies: what the records contradict each other about.
    """

    start: int
    end: int
    claimed: int
    shift: int
    inconsistencies: tuple[Inconsistency, ...]


def find_table(file: BinaryIO, size: int, limit: int, shown: str) -> TableEnd:
    """Return where the table of contents is.

    Args:
        file: the ZIP, opened for reading.
        size: its bytes.
        limit: when the claim is above it, the positions are not looked up.
        shown: the file's name, for errors.

    Raises:
        SubmissionError: when the file is empty, not a ZIP, cut off, damaged or one part of several.
    """
    head = file.read(512)
    _refuse_foreign(head, size, shown)
    file.seek(max(0, size - _END.size - _LONGEST_COMMENT))
    tail = file.read()
    base = size - len(tail)
    at = _find_end(head, tail, shown)
    _, disk, first_disk, here, claimed, length, offset, comment = _END.unpack_from(tail, at)
    end, disks = base + at, {disk, first_disk} - {0xFFFF}
    inconsistencies = list(_after(tail[at + _END.size :], comment, shown))
    file.seek(max(0, end - _LOCATOR.size))
    signature, locator_disk, place, locator_disks = _LOCATOR.unpack(read_padded(file, _LOCATOR.size))
    record = None
    if signature == b"PK\6\7":
        small = (here, claimed, length, offset)
        record = end - _LOCATOR.size - _END64.size
        file.seek(max(0, record))
        signature, rest, _, _, disk, first_disk, here, claimed, length, offset = _END64.unpack(
            read_padded(file, _END64.size)
        )
        if signature != b"PK\6\6":
            raise damaged(shown, "the 64-bit table of contents is not where it should be")
        disks = {disk, first_disk, locator_disk, max(0, locator_disks - 1)}
        inconsistencies += _against_zip64(small, (here, claimed, length, offset), rest)
        end = record
    if disks - {0}:
        raise _one_part(shown)
    if claimed > limit:
        return TableEnd(0, 0, claimed, 0, ())
    if here != claimed:
        inconsistencies.append(
            _end_mismatch(f"{here} members in one number and {claimed} in another", "one number of members")
        )
    start = end - length
    if start < 0:
        raise damaged(shown, f"a table of contents of {length} bytes in a file of {size} bytes")
    shift = start - offset
    if shift < 0:
        raise damaged(shown, f"a table of contents at byte {start}, said to be at byte {offset}")
    if record is None and shift and shift % _WRAP == 0 and _first_is_unshifted(file, start):
        raise SubmissionError(
            f"{shown} is larger than 4 GB and written without Zip64, as the macOS Finder does.",
            found=f"a table of contents at byte {start}, said to be at byte {offset}",
            expected="numbers of 64 bits",
            fix="Make the ZIP with 'zip -r' in a terminal.",
        )
    if record is not None and place not in {record, record - shift}:
        inconsistencies.append(_end_mismatch(f"a Zip64 record said to be at byte {place}", f"byte {record}"))
    inconsistencies += _second_ends(tail, base, at)
    if shift and _signature(file, offset) == ENTRY:
        inconsistencies.append(_end_mismatch(f"a table of contents at byte {offset}, and one at byte {start}", "one"))
    return TableEnd(start, end, claimed, shift, tuple(inconsistencies))


def damaged(shown: str, found: str) -> SubmissionError:
    """Return the error for a ZIP that is cut off or damaged; ``found`` says how."""
    return SubmissionError(f"{shown} is cut off or damaged.", found=found, fix="Compare its size and upload it again.")


def read_padded(file: BinaryIO, count: int) -> bytes:
    """Read ``count`` bytes; past the end of the file it returns zeros, which match no signature."""
    return file.read(count).ljust(count, b"\0")


def _find_end(head: bytes, tail: bytes, shown: str) -> int:
    """Return where in ``tail``, the last bytes of the file, the end record starts: the last one, as for ``zipfile``."""
    at = len(tail) - _END.size
    if at < 0 or tail[at : at + 4] != END or tail[-2:] != b"\0\0":
        at = tail.rfind(END)
    if at >= 0 and at + _END.size <= len(tail):
        return at
    if head[:4] == b"PK\7\x08":
        raise _one_part(shown)
    if head[:2] == b"PK":
        raise damaged(shown, "no table of contents at its end")
    raise SubmissionError(f"{shown} is not a ZIP.", found=f"a file that starts with {head[:8]!r}", fix=_FIX_FORMAT)


def _after(rest: bytes, comment: int, shown: str) -> list[Inconsistency]:
    """Check what follows the end record: a comment of the stated length, and nothing else."""
    if len(rest) < comment:
        raise damaged(shown, f"a comment of {comment} bytes, of which {len(rest)} are there")
    beyond = rest[comment:]
    if not beyond:
        return []
    kind: InconsistencyKind = "hidden" if LOCAL in beyond else "unlisted"
    return [Inconsistency(kind, f"{len(beyond)} bytes after the archive's end", "nothing after its end")]


def _against_zip64(small: tuple[int, ...], large: tuple[int, ...], rest: int) -> list[Inconsistency]:
    """Compare the end record's numbers with the Zip64 record's; one with all bits set refers to the latter."""
    words = ("members", "members in all", "bytes of the table", "as the table's offset")
    found = [
        _end_mismatch(f"{one} {word} in the end record, {other} in the Zip64 record", "the same numbers")
        for word, one, other, full in zip(words, small, large, (0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF), strict=True)
        if one not in {full, other}
    ]
    if rest != _END64.size - 12:
        found.append(_end_mismatch(f"a Zip64 record of {rest + 12} bytes", f"{_END64.size} bytes"))
    return found


def _second_ends(tail: bytes, base: int, chosen: int) -> list[Inconsistency]:
    """Find other end records whose comment also reaches to the file's end: programs differ in which they take."""
    at = tail.find(END)
    while 0 <= at < chosen:
        comment = int.from_bytes(tail[at + _END.size - 2 : at + _END.size], "little")
        if at + _END.size + comment == len(tail):
            return [_end_mismatch(f"end records at bytes {base + at} and {base + chosen}", "one end record")]
        at = tail.find(END, at + 1)
    return []


def _end_mismatch(found: str, expected: str) -> Inconsistency:
    return Inconsistency("end", found, expected)


def _first_is_unshifted(file: BinaryIO, start: int) -> bool:
    """Return whether the first entry of the table at ``start`` states an offset that is right without a shift."""
    file.seek(start + _ENTRY_OFFSET)
    return _signature(file, int.from_bytes(read_padded(file, 4), "little")) == LOCAL


def _signature(file: BinaryIO, offset: int) -> bytes:
    file.seek(offset)
    return file.read(4)


def _refuse_foreign(head: bytes, size: int, shown: str) -> None:
    if size == 0:
        raise SubmissionError(f"{shown} is empty.", found="0 bytes", fix="Upload it again.")
    looks = next((name for at, magic, name in _FOREIGN if head[at : at + len(magic)] == magic), None)
    if head.lstrip()[:9].lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        looks = "a web page, perhaps a log-in or download page saved under the ZIP's name"
    if looks:
        raise SubmissionError(f"{shown} is not a ZIP.", found=looks, fix=_FIX_FORMAT)


def _one_part(shown: str) -> SubmissionError:
    return SubmissionError(f"{shown} is one part of a split ZIP.", expected="a whole ZIP", fix="Join the parts.")
