"""Check what a ZIP says a member is beside its name: attributes of DOS, and libarchive's field with other attributes.

The attributes' lower half is that of DOS, the upper half a Unix mode. Programs differ in which half they go by, and in
whether that depends on the system that the archive says it is from: a file that has a folder's bit is a folder for
7-Zip, and one with the bit of a disk's name is left out by Info-ZIP's unzip.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from evalkit.submission.members import FOLDER_BIT, LABEL_BIT, Kind, MemberFault, kind_of

_LIBARCHIVE = 0x6C78
# Its bits: version made by, internal attributes, external attributes; then a comment. Bit -> bytes of the number.
_VERSION, _INTERNAL, _EXTERNAL = (0x01, 2), (0x02, 2), (0x04, 4)


def attribute_faults(attributes: int, kind: Kind) -> list[MemberFault]:
    """Return where the attributes in the table of contents make something else of a member that is a file."""
    found = []
    if kind == "file" and attributes & FOLDER_BIT:
        found.append(MemberFault("the attribute of a folder", "a file's, as by its name and its contents"))
    if kind == "file" and attributes & LABEL_BIT:
        found.append(MemberFault("the attribute of a disk's name", "a file's"))
    return found


def libarchive_faults(fields: Sequence[tuple[int, bytes]], kind: Kind) -> list[MemberFault]:
    """Return where libarchive's field (``xl``) contradicts ``kind``, for which libarchive takes its attributes."""
    faults = []
    for content in (content for number, content in fields if number == _LIBARCHIVE):
        bits, at, stated = content[0] if content else 0, 1, None
        for number, size in (_VERSION, _INTERNAL, _EXTERNAL):
            if bits & number:
                piece = content[at : at + size]
                at += size
                if len(piece) < size:
                    faults.append(MemberFault("libarchive's field without its attributes", "a complete one"))
                elif number == _EXTERNAL[0]:
                    (stated,) = struct.unpack("<L", piece)
        if stated is not None:
            other = kind_of(stated, folder=kind == "directory", empty=False)
            if other != kind:
                faults.append(MemberFault(f"a {other} in libarchive's field", f"a {kind}"))
            faults += attribute_faults(stated, other)
    return faults
