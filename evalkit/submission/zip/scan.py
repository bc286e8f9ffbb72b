"""Scan a ZIP's table of contents before ``zipfile`` reads it: count in constant memory, and look for contradictions.

``zipfile`` ignores the stated number of members and reads as many as there are, so the entries are counted here first.
The format is PKWARE's APPNOTE.TXT, 4.3.12.
"""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple

from evalkit.errors import SubmissionError
from evalkit.submission.members import Inconsistency, MemberFault, kind_of
from evalkit.submission.zip.attributes import attribute_faults, libarchive_faults
from evalkit.submission.zip.end_records import ENTRY, TableEnd, damaged, find_table, read_padded
from evalkit.submission.zip.extra_fields import extra_fields, unicode_name, unicode_names, zip64_numbers
from evalkit.submission.zip.other_formats import other_formats

LEAST_TABLE_CAP = 16 << 20  # bytes that a ZIP's table of contents may have, however few members are allowed

_ENTRY = struct.Struct("<4s24x3H12x")
# flags, compressed size, size, first disk, external attributes, offset
_NUMBERS = struct.Struct("<8xH10x2L6xH2x2L")
# What zipfile raises on bytes that are not a valid ZIP.
DAMAGE_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
)


@dataclass(frozen=True)
class Scan:
    """The result of a scan of the table of contents.

    Args:
        count: members; when it is above the limit, counting stopped there and the rest is not filled in.
        start: the table's first byte.
        end: the byte after it.
        shift: see `evalkit.submission.zip.end_records.TableEnd`.
        inconsistencies: of the archive as a whole.
        faults: of single members, by their index in the table.
        numbers: size, compressed size and offset of each member as stated, without the shift.
        names: UTF-8 names from the Unicode Path field, by the member's index in the table.
        other_names: the names in all such fields, also in those that don't count, by the member's index.
    """

    count: int
    start: int = 0
    end: int = 0
    shift: int = 0
    inconsistencies: tuple[Inconsistency, ...] = ()
    faults: dict[int, tuple[MemberFault, ...]] = field(default_factory=dict)
    numbers: tuple[tuple[int, int, int], ...] = ()
    names: dict[int, bytes] = field(default_factory=dict)
    other_names: dict[int, tuple[bytes, ...]] = field(default_factory=dict)


class _Entry(NamedTuple):
    numbers: tuple[int, int, int]
    name: bytes | None
    other_names: tuple[bytes, ...]
    faults: tuple[MemberFault, ...]


def scan(file: BinaryIO, size: int, limit: int, shown: str) -> Scan:
    """Scan the table of contents, reading at most ``limit`` + 1 of its entries.

    Args:
        file: the ZIP, opened for reading.
        size: its bytes.
        limit: counting stops as soon as the count is above it.
        shown: the file's name, for errors.

    Raises:
        SubmissionError: when the file is empty, not a ZIP, cut off, damaged, one part of several,
            or its table is too large.
        zipfile.BadZipFile: when an entry is corrupt.
    """
    table = find_table(file, size, limit, shown)
    if table.claimed > limit:
        return Scan(table.claimed)
    count = _count_entries(file, table, limit)
    if count > limit:
        return Scan(count)
    if count & 0xFFFF != table.claimed & 0xFFFF:  # some writers let the 16-bit count run over
        raise damaged(shown, f"a table of contents that states {table.claimed} members and lists {count}")
    cap, length = max(LEAST_TABLE_CAP, limit * 1024), table.end - table.start
    if length > cap:
        raise SubmissionError(
            f"The table of contents of {shown} is too large.",
            found=f"{length} bytes for {count} members",
            expected=f"at most {cap} bytes",
            fix="Shorten the names and leave out comments.",
        )
    file.seek(table.start)
    entries = [_entry(file) for _ in range(count)]
    return Scan(
        count,
        table.start,
        table.end,
        table.shift,
        (*table.inconsistencies, *other_formats(file)),
        {index: entry.faults for index, entry in enumerate(entries) if entry.faults},
        tuple(entry.numbers for entry in entries),
        {index: entry.name for index, entry in enumerate(entries) if entry.name is not None},
        {index: entry.other_names for index, entry in enumerate(entries) if entry.other_names},
    )


def _count_entries(file: BinaryIO, table: TableEnd, limit: int) -> int:
    start, count = table.start, 0
    file.seek(start)
    while start < table.end and count <= limit:
        signature, *lengths = _ENTRY.unpack(read_padded(file, _ENTRY.size))
        if signature != ENTRY:
            raise zipfile.BadZipFile("the table of contents is corrupt")
        start += _ENTRY.size + sum(lengths)
        file.seek(sum(lengths), os.SEEK_CUR)
        count += 1
    if start > table.end and count <= limit:
        raise zipfile.BadZipFile("the last entry of the table of contents reaches beyond it")
    return count


def _entry(file: BinaryIO) -> _Entry:
    """Read one entry: size, compressed size and offset, the names in Unicode Path fields, and the contradictions."""
    head = read_padded(file, _ENTRY.size)
    _, name_length, extra_length, comment_length = _ENTRY.unpack(head)
    flags, packed, size, disk, attributes, offset = _NUMBERS.unpack(head)
    name, extra = file.read(name_length), file.read(extra_length)
    file.seek(comment_length, os.SEEK_CUR)
    fields = extra_fields(extra)
    numbers, faults = zip64_numbers(fields, (size, packed, offset))
    unicode, wrong = unicode_name(fields, name, flags)
    faults += wrong
    if disk not in {0, 0xFFFF}:
        faults.append(MemberFault(f"the member starts on disk {disk}", "disk 0"))
    size, packed, offset = numbers
    kind = kind_of(attributes, folder=name.endswith(b"/"), empty=not (size or packed))
    faults += attribute_faults(attributes, kind) + libarchive_faults(fields, kind)
    return _Entry((size, packed, offset), unicode, unicode_names(fields), tuple(faults))
