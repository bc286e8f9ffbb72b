"""MP4 surgery for tests: a file as a tree of boxes that can be changed and written again (ISO/IEC 14496-12).

Sizes are computed when a tree is written. Places of samples (``stco``) are absolute: keep what stands before ``mdat``
as long as it was, or have the index at the end, where ffmpeg puts it unless asked otherwise.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

CONTAINERS = frozenset(
    {b"moov", b"trak", b"edts", b"mdia", b"minf", b"dinf", b"stbl", b"udta", b"mvex", b"moof", b"traf", b"mfra"}
    | {b"sinf", b"schi", b"dref", b"stsd", b"meta", b"ilst"}
)
MAX_DEPTH = 40
# Bytes between a container's header and its first child: version and flags, sometimes a count.
PREFIX = {b"dref": 8, b"stsd": 8, b"meta": 4}


@dataclass
class Box:
    """One box: ``body`` are its bytes, or those before its children when it has any."""

    kind: bytes
    body: bytes = b""
    children: list[Box] = field(default_factory=list)

    def to_bytes(self) -> bytes:
        """Return the box as it stands in a file."""
        inner = self.body + b"".join(child.to_bytes() for child in self.children)
        if len(inner) + 8 > 0xFFFFFFFF:
            return struct.pack(">I4sQ", 1, self.kind, len(inner) + 16) + inner
        return struct.pack(">I4s", len(inner) + 8, self.kind) + inner

    def walk(self) -> Iterator[Box]:
        """Yield this box and all in it, outermost first."""
        yield self
        for child in self.children:
            yield from child.walk()

    def find(self, *path: bytes) -> Box:
        """Return the first box at ``path`` below this one."""
        box = self
        for kind in path:
            box = next(child for child in box.children if child.kind == kind)
        return box

    def has(self, kind: bytes) -> bool:
        """Return whether a box of this kind is a child."""
        return any(child.kind == kind for child in self.children)


def full(kind: bytes, form: str, *values: object, version: int = 0, flags: int = 0) -> Box:
    """Return a box with version and flags, its fields packed by ``form`` (big-endian)."""
    return Box(kind, struct.pack(">I", version << 24 | flags) + struct.pack(">" + form, *values))


def parse(data: bytes) -> Box:
    """Return a nameless box that holds the file's boxes; what can't be a box is kept as bytes."""
    return Box(b"", b"", _boxes(data))


def write(tree: Box) -> bytes:
    """Return the file that `parse` gave ``tree`` for."""
    return b"".join(child.to_bytes() for child in tree.children)


def _boxes(data: bytes, depth: int = 0) -> list[Box]:
    boxes, at = [], 0
    while len(data) - at >= 8:
        size, kind = struct.unpack_from(">I4s", data, at)
        head = 8
        if size == 1 and len(data) - at >= 16:
            size, head = struct.unpack_from(">Q", data, at + 8)[0], 16
        if size == 0:
            size = len(data) - at
        if size < head or at + size > len(data):
            break
        boxes.append(_box(kind, data[at + head : at + size], depth))
        at += size
    if at < len(data):
        boxes.append(_Rest(data[at:]))
    return boxes


class _Rest(Box):
    """Bytes that are no box."""

    def __init__(self, data: bytes) -> None:
        super().__init__(b"", data)

    def to_bytes(self) -> bytes:
        return self.body


def _box(kind: bytes, body: bytes, depth: int) -> Box:
    if depth > MAX_DEPTH or kind not in CONTAINERS or (kind == b"meta" and body[:4] != bytes(4)):
        return Box(kind, body)
    start = PREFIX.get(kind, 0)
    return Box(kind, body[:start], _boxes(body[start:], depth + 1))


def tracks(tree: Box, handler: bytes | None = None) -> list[Box]:
    """Return the ``trak`` boxes, those of one kind (``vide``, ``soun``) when ``handler`` is given."""
    every = [box for box in tree.find(b"moov").children if box.kind == b"trak"]
    return [box for box in every if handler in (None, box.find(b"mdia", b"hdlr").body[8:12])]


def table(track: Box, kind: bytes) -> Box:
    """Return one of the track's sample tables."""
    return track.find(b"mdia", b"minf", b"stbl", kind)


def edit_list(track: Box, *edits: tuple[int, int, float], claimed: int | None = None) -> None:
    """Replace the track's edit list: (length in the movie's ticks, start in the track's ticks or -1, rate) each."""
    body = b"".join(struct.pack(">Iii", length, start, round(rate * 65536)) for length, start, rate in edits)
    edts = Box(b"edts", b"", [full(b"elst", "I", len(edits) if claimed is None else claimed)])
    edts.children[0].body += body
    track.children = [child for child in track.children if child.kind != b"edts"]
    track.children.insert(1, edts)


def patch(box: Box, at: int, form: str, *values: object) -> None:
    """Overwrite fields of the box's body (after its header of 8 bytes), big-endian."""
    body = bytearray(box.body)
    struct.pack_into(">" + form, body, at, *values)
    box.body = bytes(body)


def timescales(tree: Box, track: Box) -> tuple[int, int]:
    """Return the ticks per second of the movie and of the track (version 0 headers, as ffmpeg writes)."""
    movie = struct.unpack_from(">I", tree.find(b"moov", b"mvhd").body, 12)[0]
    return movie, struct.unpack_from(">I", track.find(b"mdia", b"mdhd").body, 12)[0]
