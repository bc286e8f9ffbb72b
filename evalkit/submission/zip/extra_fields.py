"""Read the extra fields of a ZIP's headers: Zip64 numbers, and a second name of the same member.

The format is PKWARE's APPNOTE.TXT, 4.5. ``zipfile`` reads what it needs and ignores the rest; a program that reads
the rest sees another archive. A contradiction found here is therefore a fault of the member.
"""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Iterator, Sequence

from evalkit.submission.members import MemberFault

MOST_FIELDS = 64  # in one header; `zipfile` takes time that is quadratic in their number
FULL = 0xFFFFFFFF  # in a 32-bit number: see the Zip64 field

_ZIP64, _UNICODE_NAME = 0x0001, 0x7075
_HEAD = struct.Struct("<HH")


def extra_fields(extra: bytes) -> list[tuple[int, bytes]]:
    """Split the extra part of a header into fields: number and contents.

    Up to three bytes at the end are padding.

    Raises:
        zipfile.BadZipFile: when a field reaches beyond the end, or there are more than `MOST_FIELDS`.
    """
    found: list[tuple[int, bytes]] = []
    at = 0
    while at + _HEAD.size <= len(extra):
        number, length = _HEAD.unpack_from(extra, at)
        at += _HEAD.size
        if at + length > len(extra):
            raise zipfile.BadZipFile(f"extra field {number:04x} is longer than its header allows")
        if len(found) == MOST_FIELDS:
            raise zipfile.BadZipFile(f"a header has more than {MOST_FIELDS} extra fields")
        found.append((number, extra[at : at + length]))
        at += length
    return found


def zip64_numbers(
    fields: Sequence[tuple[int, bytes]], stated: Sequence[int], *, late: bool = False
) -> tuple[list[int], list[MemberFault]]:
    """Return the numbers with those of the Zip64 field in place of the full ones, and what is wrong with that field.

    Args:
        fields: the header's extra fields.
        stated: its 32-bit numbers in the order of the Zip64 field: size, compressed size, offset.
        late: the numbers follow after the data; zeros here mean nothing.
    """
    contents = [content for number, content in fields if number == _ZIP64]
    full = [index for index, number in enumerate(stated) if number == FULL]
    numbers = list(stated)
    if len(contents) > 1:
        return numbers, [MemberFault(f"{len(contents)} Zip64 fields", "one")]
    if not contents:
        return numbers, [MemberFault("no Zip64 field", "one, as its header promises")] if full else []
    content = contents[0]
    if len(content) < 8 * len(full):
        return numbers, [MemberFault(f"a Zip64 field of {len(content)} bytes", f"at least {8 * len(full)} bytes")]
    for place, index in enumerate(full):
        (numbers[index],) = struct.unpack_from("<Q", content, 8 * place)
    if len(content) not in {8 * len(full), 8 * len(full) + 4} or (not full and content):
        every = [struct.unpack_from("<Q", content, at)[0] for at in range(0, len(content) // 8 * 8, 8)][: len(numbers)]
        if every != numbers[: len(every)] and not (late and not any(every)):
            return numbers, [
                MemberFault(f"a Zip64 field with {every}", f"what its header states: {numbers[: len(every)]}")
            ]
    return numbers, []


def other_names(fields: Sequence[tuple[int, bytes]], name: bytes) -> Iterator[MemberFault]:
    """Yield a fault for each Unicode name (Info-ZIP's field 0x7075) that is not the name of the header itself."""
    for number, content in fields:
        if number == _UNICODE_NAME and content[5:] != name:
            other = content[5:].decode("utf-8", "replace")
            yield MemberFault(f"also the Unicode name '{other}'", "one name")
