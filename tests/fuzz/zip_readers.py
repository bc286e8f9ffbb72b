"""Other readers of ZIPs: what `Submission` takes must be what they see too."""

from __future__ import annotations

import shutil
import struct
import subprocess
import zlib
from pathlib import Path

UNZIP = shutil.which("unzip")
_WARNED, _NEWER = 1, 81  # unzip's exit codes: it reads with a warning; it is too old for what is there


def by_stream(path: Path) -> list[tuple[bytes, bytes]] | None:
    """Return names and contents as a program sees them that reads from the start and never meets the table.

    ``None`` when no such program could tell where a member ends: stored, with its sizes behind it.

    Raises:
        ValueError: when it meets something else than members and then the table of contents.
    """
    data, at, found = path.read_bytes(), 0, []
    while data[at : at + 4] == b"PK\3\4":
        flags, method, crc, packed, size, name_length, extra_length = struct.unpack_from("<6x2H4x3L2H", data, at)
        at += 30
        name, extra = data[at : at + name_length], data[at + name_length : at + name_length + extra_length]
        at += name_length + extra_length
        if flags & 8:
            if method != 8:
                return None
            inflate = zlib.decompressobj(-15)
            content = inflate.decompress(data[at:])
            at = len(data) - len(inflate.unused_data)
            at = _behind(data, at, zlib.crc32(content))
        else:
            packed = _packed(extra, size, packed)
            piece = data[at : at + packed]
            content = zlib.decompress(piece, -15) if method == 8 else piece
            if zlib.crc32(content) != crc:
                raise ValueError(f"the checksum of {name!r}")
            at += packed
        found.append((name, content))
    if data[at : at + 4] not in {b"PK\1\2", b"PK\5\6", b"PK\6\6"}:
        raise ValueError(f"no member and no table at byte {at}: {data[at : at + 8]!r}")
    return found


def by_unzip(path: Path) -> bytes | None:
    """Return the contents of all members in the order of the table, as ``unzip`` reads them; ``None`` without it.

    Raises:
        ValueError: when ``unzip`` refuses the archive.
    """
    if UNZIP is None:
        return None
    done = subprocess.run([UNZIP, "-p", str(path)], capture_output=True, check=False, timeout=30)
    if done.returncode == _NEWER:
        return None
    if done.returncode not in {0, _WARNED}:
        raise ValueError(f"unzip says {done.returncode}: {done.stderr[:200]!r}")
    return done.stdout


def _packed(extra: bytes, size: int, packed: int) -> int:
    if packed != 0xFFFFFFFF:
        return packed
    at = 0
    while at + 4 <= len(extra):
        number, length = struct.unpack_from("<HH", extra, at)
        if number == 1:
            (found,) = struct.unpack_from("<Q", extra, at + 4 + (8 if size == 0xFFFFFFFF else 0))
            return int(found)
        at += 4 + length
    raise ValueError("no Zip64 field")


def _behind(data: bytes, at: int, crc: int) -> int:
    """Skip the record after the data: try the four forms until the next thing is a known signature."""
    for signed in (4, 0):
        if signed and data[at : at + 4] != b"PK\7\x08":
            continue
        for length in (12, 20):
            end = at + signed + length
            if data[at + signed : at + signed + 4] == struct.pack("<L", crc) and data[end : end + 2] == b"PK":
                return end
    raise ValueError("no record after the data")
