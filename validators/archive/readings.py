"""The names that programs read in one entry of a ZIP beside its path.

A name that is not marked as UTF-8 is in the code page of the system that wrote it, and programs guess which. Info-ZIP's
unzip also leaves out what it can't print. And an entry may state further names, in its own header and in extra fields.
"""

from __future__ import annotations

from collections.abc import Iterator

from evalkit.submission.members import UTF8_FLAG, Member

_CODE_PAGES = ("cp437", "cp850", "latin-1")
_UNPRINTED = bytes([*range(0x20), 0x7F, 0xFF])  # what unzip leaves out on Linux
# unzip takes a name of DOS for one in code page 850 and stores it in Latin-1, whatever the system's own encoding is.
_DOS_TO_LATIN = bytes(
    bytes([byte]).decode("cp850").encode("latin-1", "replace")[0] if byte > 0x7F else byte for byte in range(256)
)


def readings(member: Member) -> list[str]:
    """Return the other names of the member, those that can be its path left out."""
    names = (member.raw_name, *member.other_names)
    if len(names) == 1 and member.raw_name.isascii() and not member.raw_name.translate(None, _PRINTED):
        return []
    found = dict.fromkeys(text for name in names for text in _texts(name, marked=bool(member.flags & UTF8_FLAG)))
    return [text for text in found if text not in {member.path, ""}]


_PRINTED = bytes(range(0x20, 0x7F))


def _texts(name: bytes, *, marked: bool) -> Iterator[str]:
    forms = [name, name.translate(None, _UNPRINTED)]
    if not name.isascii() and not marked:
        yield from (name.decode(page, "replace") for page in _CODE_PAGES)
        forms.append(name.translate(_DOS_TO_LATIN))
    for form in dict.fromkeys(forms):
        try:
            yield form.decode()
        except UnicodeDecodeError:
            continue
