"""Walk the boxes of an MP4 file without trusting it (ISO/IEC 14496-12).

A box's size is limited to its parent's, only what is asked for is read, in small pieces, and no walk goes deeper than
its caller asks: the claims of a box cost neither memory nor time.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from evalkit.errors import MediaError
from evalkit.text import escape_for_display

MAX_BOXES = 200_000  # one fragment per frame needs seven boxes a frame: 19 minutes at 25 frames/s
MAX_READ = 1 << 20
_HEAD = struct.Struct(">I4s")


@dataclass(frozen=True)
class Mp4Box:
    """A box: its kind, and the start and end of its content in bytes from the start of the file."""

    kind: bytes
    start: int
    end: int


class BoxReader:
    """The boxes of one open file of ``size`` bytes."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self.stream = stream
        self.size = size
        self._left = MAX_BOXES

    def top(self) -> Iterator[Mp4Box]:
        """Yield the boxes at the top level."""
        return self.children(Mp4Box(b"", 0, self.size))

    def children(self, box: Mp4Box, skip: int = 0) -> Iterator[Mp4Box]:
        """Yield the boxes in ``box`` after ``skip`` bytes, until a size is invalid.

        Raises:
            MediaError: when the file has more than `MAX_BOXES` boxes.
        """
        at = box.start + skip
        while box.end - at >= 8:
            self._left -= 1
            if self._left < 0:
                raise refuse_file(f"an MP4 of more than {MAX_BOXES} boxes")
            head = self._bytes(at, 16)
            if len(head) < 8:
                return
            size, kind = _HEAD.unpack_from(head)
            length = 8
            if size == 1 and len(head) == 16:
                size, length = int.from_bytes(head[8:], "big"), 16
            elif size == 0:
                size = box.end - at
            if size < length:
                return
            yield Mp4Box(kind, min(at + length, box.end), min(at + size, box.end))
            at += size

    def read(self, box: Mp4Box, length: int = MAX_READ) -> bytes:
        """Return the first ``length`` bytes of the box's content, or all when there are fewer; never above 1 MiB."""
        return self._bytes(box.start, min(length, box.end - box.start, MAX_READ))

    def numbers(self, box: Mp4Box, form: str, at: int = 0) -> tuple[Any, ...] | None:
        """Return the big-endian numbers ``at`` bytes into the content; ``None`` when the box ends before."""
        size = struct.calcsize(f">{form}")
        if at + size > box.end - box.start:
            return None
        data = self._bytes(box.start + at, size)
        return struct.unpack(f">{form}", data) if len(data) == size else None

    def _bytes(self, at: int, length: int) -> bytes:
        self.stream.seek(at)
        return self.stream.read(length)


def text(kind: bytes) -> str:
    """Return the four letters of a box's kind, or an address, as text that is safe to store."""
    return escape_for_display(kind.decode("latin-1"))


def refuse_file(found: str) -> MediaError:
    """Return the error for a file that must not be passed to a decoder."""
    return MediaError("This is not a media file that can be opened.", found=found, expected="an MP4 file")
