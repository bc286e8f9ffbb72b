"""Compare every member's own header with the table of contents, in one pass over the archive.

``zipfile`` uses the table of contents. A program that reads an archive from its start, such as one at the end of a
pipe, never sees the table: it uses the header before each member. Both must see the same archive. All members are
compared, not only those that are read, because a report on an archive must not depend on what the challenge asks for;
it takes one short read per member, in the order of the file.

The format is PKWARE's APPNOTE.TXT, 4.3.7 to 4.3.9.
"""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from typing import BinaryIO, NamedTuple

from evalkit.submission.members import ENCRYPTED_FLAGS, STORED, UTF8_FLAG, Inconsistency, Member, MemberFault
from evalkit.submission.zip.attributes import libarchive_faults
from evalkit.submission.zip.end_records import LOCAL
from evalkit.submission.zip.extra_fields import FULL, extra_fields, unicode_name, unicode_names, zip64_numbers

LOCAL_HEADER = struct.Struct("<4s5H3L2H")
SEARCHED = 64 << 20  # bytes between members that are searched for a hidden one, in the whole archive

_LATE = 0x8  # sizes and checksum follow after the data
_MASKED = 0x2000  # the table of contents is encrypted, and the local headers are masked
_SIGNED = b"PK\7\x08"
_DESCRIPTOR = 16  # bytes of the usual record after the data
_CHUNK = 1 << 20  # bytes of a gap read at once
_LATER = (0, FULL)  # what a header may state when the numbers follow later


class Compared(NamedTuple):
    """The members with ``end`` and ``faults`` filled in, in the given order, and the inconsistencies of the archive."""

    members: list[Member]
    inconsistencies: list[Inconsistency]


class _Header(NamedTuple):
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    name: bytes
    extra: bytes
    data: int  # the byte at which the contents start

    @property
    def names(self) -> tuple[bytes, ...]:
        """The header's own name, and those in its Unicode Path fields."""
        try:
            return (self.name, *unicode_names(extra_fields(self.extra)))
        except zipfile.BadZipFile:
            return (self.name,)


def compare_headers(file: BinaryIO, members: Sequence[Member], table: int, shift: int) -> Compared:
    """Compare each member's own header with the table of contents, and check the bytes between the members.

    Args:
        file: the ZIP, opened for reading.
        members: as the table of contents states them, faults found there included.
        table: the byte at which the table of contents starts.
        shift: bytes by which the members are further back than stated.
    """
    compared = list(members)
    inconsistencies: list[Inconsistency] = []
    budget = SEARCHED
    reach = 0  # the byte up to which everything belongs to a member
    for index in sorted(range(len(members)), key=lambda index: members[index].header_offset or 0):
        member = members[index]
        start = member.header_offset or 0
        header = _header(file, start, table)
        if header is None:
            fault = MemberFault(f"no header of its own at byte {start}", "one before its contents")
            compared[index] = replace(member, faults=(*member.faults, fault))
            continue
        if start > reach:
            inconsistencies.append(_gap(file, reach, start, budget))
            budget -= min(budget, start - reach)
        faults: list[MemberFault] = []
        names = dict.fromkeys((*member.other_names, *header.names))
        if start < reach:  # shared data is refused as a whole; only where it ends matters
            end = header.data + member.compressed_size
        else:
            end, faults = _compare(file, member, header, table)
        if shift and _is_header(file, start - shift):
            faults.append(MemberFault(f"headers at bytes {start - shift} and {start}", "one"))
        faults = [*dict.fromkeys((*member.faults, *faults))]
        other_names = tuple(name for name in names if name != member.raw_name)
        compared[index] = replace(member, end=end, faults=tuple(faults), other_names=other_names)
        reach = max(reach, end)
    if reach < table:
        inconsistencies.append(_gap(file, reach, table, budget))
    return Compared(compared, inconsistencies)


def _header(file: BinaryIO, start: int, table: int) -> _Header | None:
    if start < 0 or start + LOCAL_HEADER.size > table:
        return None
    file.seek(start)
    head = file.read(LOCAL_HEADER.size)
    if len(head) < LOCAL_HEADER.size or head[:4] != LOCAL:
        return None
    _, _, flags, method, _, _, crc, packed, size, name_length, extra_length = LOCAL_HEADER.unpack(head)
    name, extra = file.read(name_length), file.read(extra_length)
    return _Header(flags, method, crc, packed, size, name, extra, start + len(head) + name_length + extra_length)


def _compare(file: BinaryIO, member: Member, header: _Header, table: int) -> tuple[int, list[MemberFault]]:
    """Return where the member ends, and where its header contradicts the table of contents."""
    end = header.data + member.compressed_size
    if member.flags & header.flags & _MASKED:
        return end, []
    faults = []
    if header.name != member.raw_name:
        faults.append(_fault("name", f"'{_shown(header.name)}'", f"'{_shown(member.raw_name)}'"))
    if header.method != member.method:
        faults.append(_fault("ZIP method", header.method, member.method))
    if (header.flags ^ member.flags) & ENCRYPTED_FLAGS:
        words = ["encrypted" if flags & ENCRYPTED_FLAGS else "not encrypted" for flags in (header.flags, member.flags)]
        faults.append(
            MemberFault(f"'{words[0]}' in the member's own header", f"'{words[1]}', as in the table of contents")
        )
    if (header.flags ^ member.flags) & UTF8_FLAG and not member.raw_name.isascii():
        faults.append(MemberFault("a name that is marked as UTF-8 in one place alone", "the same mark in both"))
    if member.is_directory and (member.size or member.crc or (member.method == STORED and member.compressed_size)):
        found = f"a folder with contents of its own: {member.size} bytes, CRC-32 {member.crc}"
        faults.append(MemberFault(found, "an empty entry"))
    late = bool(header.flags & _LATE)
    try:
        fields = extra_fields(header.extra)
    except zipfile.BadZipFile as error:
        fields = []
        faults.append(MemberFault(f"in the member's own header: {error}", "extra fields that can be read"))
    faults += libarchive_faults(fields, member.kind)
    unicode, wrong = unicode_name(fields, header.name, header.flags)
    faults += wrong
    if unicode is not None and unicode != member.name_bytes:
        faults.append(MemberFault(f"also the Unicode name '{_shown(unicode)}'", "one name"))
    (size, packed), wrong = zip64_numbers(fields, (header.size, header.packed), late=late)
    faults += wrong
    pairs = (
        ("size", size, member.size),
        ("compressed size", packed, member.compressed_size),
        ("CRC-32", header.crc, member.crc),
    )
    faults += [_fault(what, one, other) for what, one, other in pairs if one != other and not (late and one in _LATER)]
    if late and end <= table:
        agrees, length = _descriptor(file, member, end)
        if not agrees:
            found = "another checksum or size after the data" if length else "no checksum and sizes after the data"
            faults.append(MemberFault(found, "those of the table of contents again"))
        end += length
    return end, faults


def _descriptor(file: BinaryIO, member: Member, end: int) -> tuple[bool, int]:
    """Return whether the record after the data agrees, and its length: with a signature or not, 32 or 64 bits."""
    file.seek(end)
    there = file.read(24)
    numbers = (member.compressed_size, member.size)
    forms = [struct.pack("<L2Q", member.crc or 0, *numbers)]
    if max(numbers) <= FULL:
        forms.append(struct.pack("<3L", member.crc or 0, *numbers))
    # The longer form first: of an empty member, the shorter one is its start.
    for form in sorted((signature + form for signature in (_SIGNED, b"") for form in forms), key=len, reverse=True):
        if there.startswith(form):
            return True, len(form)
    return False, _DESCRIPTOR if there.startswith(_SIGNED) else 0


def _gap(file: BinaryIO, start: int, end: int, budget: int) -> Inconsistency:
    """Describe bytes that belong to no member; at most ``budget`` of them are searched for a hidden one."""
    searched = min(end - start, budget)
    hidden = _find_header(file, start, start + searched)
    if hidden is not None:
        return Inconsistency(
            "hidden", f"the header of a member at byte {hidden}", "only members that the table of contents lists"
        )
    rest = f", of which {searched} were searched for a hidden member" if searched < end - start else ""
    if start == 0:
        return Inconsistency("format", f"{end} bytes before the first member{rest}", "a file that starts with a member")
    return Inconsistency("unlisted", f"{end - start} bytes at byte {start}{rest}", "no bytes between the members")


def _find_header(file: BinaryIO, start: int, end: int) -> int | None:
    """Return the offset of the first header signature between two offsets, reading a chunk at a time."""
    file.seek(start)
    kept = b""  # the end of the chunk before, for a signature across the border
    while start < end:
        chunk = file.read(min(_CHUNK, end - start))
        if not chunk:
            return None
        at = (kept + chunk).find(LOCAL)
        if at >= 0:
            return start - len(kept) + at
        start += len(chunk)
        kept = (kept + chunk)[1 - len(LOCAL) :]
    return None


def _is_header(file: BinaryIO, start: int) -> bool:
    if start < 0:
        return False
    file.seek(start)
    return file.read(4) == LOCAL


def _fault(what: str, one: object, other: object) -> MemberFault:
    return MemberFault(f"{what} {one} in the member's own header", f"{other}, as in the table of contents")


def _shown(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")
