"""One entry of a submission, as the ZIP's table of contents or the folder states it."""

from __future__ import annotations

import os
import stat
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

STORED, DEFLATED = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED
# Code pages in which a backslash can be the second byte of a character: Japanese, Chinese (simplified, traditional).
_WITH_BACKSLASHES = ("cp932", "gb18030", "cp950")
# zipfile bounds what one read of these two can yield; its bzip2 and LZMA readers inflate a whole chunk into memory.
READABLE_METHODS = frozenset({STORED, DEFLATED})

_BLOCK = 512  # bytes: the unit of ``st_blocks``
UTF8_FLAG = 0x800
FOLDER_BIT, LABEL_BIT = 0x10, 0x08  # of DOS, in a member's external attributes; the second is a disk's name
ENCRYPTED_FLAGS = 0x1 | 0x40 | 0x2000  # the member, strong encryption, the table of contents itself

Kind = Literal["file", "directory", "symlink", "device"]
InconsistencyKind = Literal["end", "hidden", "unlisted", "format"]


@dataclass(frozen=True, slots=True)
class MemberFault:
    """Two places of an archive that contradict each other about one member."""

    found: str
    expected: str


@dataclass(frozen=True, slots=True)
class Inconsistency:
    """Something that makes programs see different archives in one ZIP.

    Args:
        kind: "end": the records at the end disagree; "hidden": there is a member that the table of contents does not
            list; "unlisted": there are other bytes that belong to no member; "format": the file is also of another
            format, or does not start with a member.
        found: what is there.
        expected: what should be.
    """

    kind: InconsistencyKind
    found: str
    expected: str


@dataclass(frozen=True, slots=True)
class Member:
    """One entry of a submission, as the archive states it. Nothing here was verified.

    Args:
        path: the name exactly as stated, decoded as UTF-8 where that works and as code page 437 where it does not; from
            the ZIP's Unicode Path field where there is one. Print it through `evalkit.text.escape_for_display`.
        raw_name: the bytes of the header's name.
        size: bytes after decompression.
        compressed_size: bytes in the archive; equal to ``size`` in a folder.
        kind: "device" means anything but a file, a folder or a symbolic link.
        encrypted: the archive says that a password is needed.
        method: the ZIP's number for the compression: 0 stored, 8 deflate.
        utf8: the name is known: ``raw_name`` is valid UTF-8, or a Unicode Path field repeats it in UTF-8.
        crc: CRC-32 of the contents; ``None`` in a folder.
        header_offset: byte of the archive at which the member's own header starts; ``None`` in a folder.
        flags: the ZIP's general purpose bits; 0 in a folder.
        end: the byte after everything of the member, as its own header states; ``None`` without one and in a folder.
        faults: what the archive contradicts itself about. Such a member is not read.
        stored: bytes that a file in a folder takes on the disk; ``None`` in a ZIP.
        other_names: what the archive calls the member in other places, as bytes.
    """

    path: str
    raw_name: bytes
    size: int
    compressed_size: int
    kind: Kind
    encrypted: bool = False
    method: int = STORED
    utf8: bool = True
    crc: int | None = None
    header_offset: int | None = None
    flags: int = 0
    end: int | None = None
    faults: tuple[MemberFault, ...] = ()
    stored: int | None = None
    other_names: tuple[bytes, ...] = ()

    @property
    def is_directory(self) -> bool:
        """Whether the entry is a folder."""
        return self.kind == "directory"

    @property
    def slashed(self) -> str:
        """The path with slashes for backslashes, unless each is the second byte of a character in some code page."""
        if "\\" not in self.path or (not self.utf8 and _is_free_of_backslashes(self.raw_name)):
            return self.path
        return self.path.replace("\\", "/")

    @property
    def parts(self) -> list[str]:
        """The names of the folders and the file; ``a//./b`` is ``a/b``."""
        return [part for part in self.slashed.split("/") if part not in {"", "."}]

    @property
    def name_bytes(self) -> bytes:
        """The name in UTF-8, or as stated when its encoding is unknown."""
        return self.path.encode() if self.utf8 else self.raw_name

    @property
    def spellings(self) -> tuple[str, ...]:
        """The path, and the header's own name byte by byte where it differs: what some programs take for the path."""
        return (self.path,) if self.name_bytes == self.raw_name else (self.path, self.raw_name.decode("latin-1"))


def _is_free_of_backslashes(raw: bytes) -> bool:
    for page in _WITH_BACKSLASHES:
        try:
            if "\\" not in raw.decode(page):
                return True
        except UnicodeDecodeError:
            continue
    return False


def raw_name(info: zipfile.ZipInfo) -> bytes:
    """Return the name's bytes by undoing zipfile's decoding; its ``filename`` is cut at a NUL."""
    return info.orig_filename.encode("utf-8" if info.flag_bits & UTF8_FLAG else "cp437")


def zip_member(info: zipfile.ZipInfo, name: bytes | None = None) -> Member:
    """Return the member that an entry of a ZIP's table of contents describes; ``name`` is UTF-8 from an extra field."""
    raw = raw_name(info)
    path, utf8 = _decoded(raw if name is None else name)
    return Member(
        path=path,
        raw_name=raw,
        size=info.file_size,
        compressed_size=info.compress_size,
        kind=kind_of(info.external_attr, folder=raw.endswith(b"/"), empty=not (info.file_size or info.compress_size)),
        encrypted=bool(info.flag_bits & ENCRYPTED_FLAGS),
        method=info.compress_type,
        utf8=utf8,
        crc=info.CRC,
        header_offset=info.header_offset,
        flags=info.flag_bits,
    )


def walk_folder(root: Path) -> Iterator[Member]:
    """Yield the entries of ``root`` at any depth, in no particular order; symbolic links are listed, not followed."""
    base = os.fsencode(root)
    folders = [b""]
    while folders:
        prefix = folders.pop()
        with os.scandir(os.path.join(base, prefix)) as entries:  # noqa: PTH118 - bytes: names need not be UTF-8
            for entry in entries:
                facts = entry.stat(follow_symlinks=False)
                kind = _kind(facts.st_mode, folder=False)
                raw = prefix + entry.name + (b"/" if kind == "directory" else b"")
                if kind == "directory":
                    folders.append(raw)
                path, utf8 = _decoded(raw)
                size, stored = (facts.st_size, facts.st_blocks * _BLOCK) if kind == "file" else (0, 0)
                yield Member(path, raw, size, size, kind, utf8=utf8, stored=stored)


def file_member(path: Path) -> Member:
    """Return the entry of one file by its name alone, in a submission that has no other."""
    facts, raw = path.stat(), os.fsencode(path.name)
    name, utf8 = _decoded(raw)
    return Member(name, raw, facts.st_size, facts.st_size, "file", utf8=utf8, stored=facts.st_blocks * _BLOCK)


def kind_of(attributes: int, *, folder: bool, empty: bool) -> Kind:
    """Classify by a ZIP's external attributes, whichever system the archive says they are of.

    A member that holds nothing is also a folder when its attributes of DOS say so.
    """
    return _kind(attributes >> 16, folder=folder or (empty and bool(attributes & FOLDER_BIT)))


def _kind(mode: int, *, folder: bool) -> Kind:
    """Classify by the Unix mode, whichever system the archive says it was made on; no mode means a plain file."""
    kind = stat.S_IFMT(mode)
    if kind == stat.S_IFLNK:
        return "symlink"
    if kind == stat.S_IFDIR or (folder and kind in {0, stat.S_IFREG}):
        return "directory"
    return "file" if kind in {0, stat.S_IFREG} else "device"


def _decoded(raw: bytes) -> tuple[str, bool]:
    try:
        return raw.decode("utf-8"), True
    except UnicodeDecodeError:
        return raw.decode("cp437"), False
