"""Read the extra fields of a ZIP's headers: Zip64 numbers, and a second name of the same member.

The format is PKWARE's APPNOTE.TXT, 4.5. ``zipfile`` reads what it needs and ignores the rest; a program that reads
the rest sees another archive. A contradiction found here is therefore a fault of the member.
"""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from collections.abc import Sequence

from evalkit.submission.members import UTF8_FLAG, MemberFault

MOST_FIELDS = 64  # in one header; `zipfile` takes time that is quadratic in their number
FULL = 0xFFFFFFFF  # in a 32-bit number: see the Zip64 field

_ZIP64, _UNICODE_NAME, _UNICODE_VERSION = 0x0001, 0x7075, 1
_HEAD = struct.Struct("<HH")
_SUBSTITUTES = re.compile(rb"(?:[?_\x80-\xff]|#U[0-9A-Fa-f]{4}|#L[0-9A-Fa-f]{6})+")  # the last two by Info-ZIP's zip


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


def unicode_name(
    fields: Sequence[tuple[int, bytes]], name: bytes, flags: int
) -> tuple[bytes | None, list[MemberFault]]:
    """Return the name that the Unicode Path field gives the member, ``None`` without one, and the contradictions.

    The field (0x7075; APPNOTE.TXT, 4.6.9) repeats in UTF-8 a name that the header has in the code page of the system
    that wrote it. It counts only with the right checksum of the header's name, as in all programs that read it; of
    another version than 1 it counts for some, so it may not have another name. A header whose own name is certain may
    have no other name there, except where it has ``?``, ``_`` or ``#U00e9`` in place of what its code page lacks.

    Args:
        fields: the header's extra fields.
        name: the header's own name.
        flags: the header's general purpose bits.
    """
    checksum = struct.pack("<L", zlib.crc32(name))
    contents = [content for number, content in fields if number == _UNICODE_NAME and content[1:5] == checksum]
    contents = [content for content in dict.fromkeys(contents) if _is_name(content[5:])]
    unknown = [content[5:] for content in contents if content[0] != _UNICODE_VERSION]
    names = list(dict.fromkeys(content[5:] for content in contents if content[0] == _UNICODE_VERSION))
    wrong = [one for one in names if one != name and (flags & UTF8_FLAG or not _same_path(name, one))]
    wrong += [one for one in unknown if one != name and one not in names]
    if not wrong and len(names) > 1:
        wrong = names[1:]
    if wrong:
        return None, [MemberFault(f"also the Unicode name '{one.decode()}'", "one name") for one in wrong]
    return (names[0] if names else None), []


def unicode_names(fields: Sequence[tuple[int, bytes]]) -> tuple[bytes, ...]:
    """Return the names in all Unicode Path fields, whether they count or not."""
    return tuple(content[5:] for number, content in fields if number == _UNICODE_NAME and len(content) > 5)


def _is_name(text: bytes) -> bool:
    try:
        return bool(text) and "\0" not in text.decode()
    except UnicodeDecodeError:
        return False


def _same_path(name: bytes, other: bytes) -> bool:
    """Whether ``name`` can be the path ``other`` (UTF-8) in a code page.

    A slash is never a part of a character in a code page, so both have the same folders. What is beyond ASCII in one is
    so in the other.
    """
    pairs = list(zip(name.split(b"/"), other.split(b"/"), strict=False))
    return name.count(b"/") == other.count(b"/") and all(
        not there.isascii() and (not part.isascii() or _replaced(part) == _replaced(there))
        for part, there in pairs
        if part != there
    )


def _replaced(part: bytes) -> bytes:
    """Return ``part`` with one mark for each run of characters that are beyond ASCII or stand for such characters."""
    return _SUBSTITUTES.sub(b"?", part)
