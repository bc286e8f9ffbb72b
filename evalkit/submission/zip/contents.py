"""Read one member's contents strictly: complete compressed data, nothing after it, and the right checksum.

``zipfile`` cuts contents at the stated size, and accepts compressed data that ends too early or is followed by other
bytes, which other programs refuse. So ``zipfile`` is used only to read the stored bytes of the member.
"""

from __future__ import annotations

import copy
import io
import zipfile
import zlib
from typing import IO

from evalkit.submission.members import DEFLATED

_PIECE = 1 << 16  # compressed bytes read at once


def open_strictly(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> io.BufferedReader:
    """Return a stream of a stored or deflated member's contents, however long they are.

    At its end it raises ``zipfile.BadZipFile`` when the data is incomplete, when bytes follow it, or when the checksum
    is wrong; corrupt data raises ``zlib.error``. A read takes about 100 kB of memory more than it returns.
    """
    raw = copy.copy(info)
    raw.compress_type, raw.file_size = zipfile.ZIP_STORED, info.compress_size
    del raw.CRC  # it is the checksum of the contents; zipfile would compare it with the compressed bytes
    return io.BufferedReader(_Contents(archive.open(raw), info))


class _Contents(io.RawIOBase):
    def __init__(self, source: IO[bytes], info: zipfile.ZipInfo) -> None:
        self._source, self._expected = source, info.CRC
        self._inflate = zlib.decompressobj(-zlib.MAX_WBITS) if info.compress_type == DEFLATED else None
        self._rest, self._crc = b"", 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # what a BufferedReader passes
        data = self._source.read(len(buffer)) if self._inflate is None else self._inflated(len(buffer), self._inflate)
        if not data and self._crc != self._expected:
            raise zipfile.BadZipFile("a wrong checksum (CRC-32)")
        self._crc = zlib.crc32(data, self._crc)
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._source.close()
        super().close()

    def _inflated(self, most: int, inflate: zlib._Decompress) -> bytes:
        """Return up to ``most`` bytes; none at the end."""
        while not inflate.eof:
            piece = self._rest or self._source.read(_PIECE)
            data = inflate.decompress(piece, most)  # with an empty piece: what zlib still buffers
            self._rest = inflate.unconsumed_tail
            if data:
                return data
            if not piece and not inflate.eof:
                raise zipfile.BadZipFile("compressed data that ends too early")
        if inflate.unused_data or self._source.read(1):
            raise zipfile.BadZipFile("other bytes after the compressed data")
        return b""
