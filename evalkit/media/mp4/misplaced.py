"""Find boxes of an MP4's index that are not where the standard puts them.

FFmpeg descends into almost every container and obeys an index box wherever it finds one; other players look only where
the standard puts it. A file with such boxes shows one video here and another there (ISO/IEC 14496-12, table 1).
"""

from __future__ import annotations

from collections.abc import Iterator

from evalkit.media.mp4.boxes import BoxReader, Mp4Box, text

_FILE = b""
# Box -> the boxes that may contain it. `hdlr` is left out: QuickTime and metadata have handlers of their own.
_PLACES: dict[bytes, frozenset[bytes]] = {
    **dict.fromkeys((b"moov", b"moof", b"mdat"), frozenset({_FILE})),
    **dict.fromkeys((b"mvhd", b"trak", b"mvex"), frozenset({b"moov"})),
    **dict.fromkeys((b"tkhd", b"edts", b"mdia"), frozenset({b"trak"})),
    **dict.fromkeys((b"mdhd", b"minf"), frozenset({b"mdia"})),
    **dict.fromkeys((b"stsd", b"stts", b"ctts", b"stsc", b"stsz", b"stz2", b"stco", b"co64"), frozenset({b"stbl"})),
    **dict.fromkeys((b"tfhd", b"tfdt", b"trun"), frozenset({b"traf"})),
    b"stbl": frozenset({b"minf"}),
    b"dinf": frozenset({b"minf", b"meta"}),
    b"dref": frozenset({b"dinf"}),
    b"elst": frozenset({b"edts"}),
    b"trex": frozenset({b"mvex"}),
    b"traf": frozenset({b"moof"}),
}
_CONTAINERS = frozenset(
    {_FILE, b"moov", b"trak", b"mdia", b"minf", b"stbl", b"dinf", b"edts", b"mvex", b"moof", b"traf", b"mfra"}
    | {b"udta", b"meta", b"ilst", b"sinf", b"schi", b"tref", b"wave", b"rmra", b"rmda", b"stsd"}
)
# Bytes of a sample entry before its own boxes: video, audio (three versions of QuickTime's), other.
_ENTRY_FIELDS = (8, 28, 44, 64, 78)
_DEEPEST = 16  # FFmpeg stops at 10


def misplaced_boxes(reader: BoxReader) -> Iterator[str]:
    """Yield every misplaced box once, as ``moov in udta``.

    Raises:
        MediaError: when the file has too many boxes to look at.
    """
    known: set[tuple[bytes, bytes]] = set()
    waiting = [(Mp4Box(_FILE, 0, reader.size), 0)]
    while waiting:
        parent, depth = waiting.pop()
        for skip in _starts(reader, parent):
            for box in reader.children(parent, skip):
                place = (box.kind, parent.kind)
                if parent.kind not in _PLACES.get(box.kind, {parent.kind}) and place not in known:
                    known.add(place)
                    yield f"{_name(box.kind)} in {_name(parent.kind)}"
                if depth == _DEEPEST:
                    continue
                if box.kind in _CONTAINERS:
                    waiting.append((box, depth + 1))
                elif parent.kind == b"stsd":
                    waiting.append((Mp4Box(b"sample entry", box.start, box.end), depth + 1))


def _starts(reader: BoxReader, box: Mp4Box) -> tuple[int, ...]:
    """Return how many bytes come before the boxes in ``box``; several where programs differ."""
    if box.kind == b"stsd":
        return (8,)
    if box.kind == b"dref":
        return ()
    if box.kind == b"sample entry":
        return _ENTRY_FIELDS
    if box.kind == b"meta":  # with version and flags in MP4, without in QuickTime; FFmpeg looks for the handler
        handler = reader.read(box).find(b"hdlr") - 4
        return tuple(sorted({0, 4, *([handler] if handler > 0 else [])}))
    return (0,)


def _name(kind: bytes) -> str:
    return text(kind) if kind else "the file"
