"""Read from an MP4's index what a decoder does not report: edits, references to other files, encryption, claims.

FFmpeg follows some of it, and other programs follow other parts; the rules need to know. `read_index` also refuses
claims that would cost a decoder time or memory, before FFmpeg opens the file.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evalkit.media.facts import UPRIGHT, Edit, Mp4Facts, TrackFacts
from evalkit.media.mp4.boxes import BoxReader, Mp4Box, refuse_file, text
from evalkit.media.mp4.misplaced import misplaced_boxes

MAX_TRACKS = 64
MAX_EDITS = 64
MAX_INDEX_BYTES = 16 << 20  # 200,000 frames need 4 MiB
_READ_WHOLE = {b"moov", b"moof", b"meta", b"udta", b"uuid"}  # by a decoder, into memory
_ENCRYPTED = {"encv", "enca", "encs", "enct", "drmi", "drms"}
_KINDS = {b"vide": "video", b"soun": "audio"}
# Table -> the offset of its number of entries, and the bytes of an entry.
_TABLES = {b"stsz": (8, 4), b"stts": (4, 8), b"ctts": (4, 8), b"stsc": (4, 12), b"stco": (4, 4), b"co64": (4, 8)}
_VISUAL_ENTRY_BYTES = 78  # of a sample entry, before its own boxes
_MAX_ENTRIES = 16


def read_index(path: Path) -> Mp4Facts | None:
    """Return what the index of the MP4 at ``path`` states; ``None`` for a file without one.

    Raises:
        MediaError: when the index must not be passed to a decoder: it claims more samples than the file has bytes, or
            is, like its edit list or its number of tracks, larger than any video needs.
        OSError: when the file can't be read.
    """
    with path.open("rb") as stream:
        reader = BoxReader(stream, path.stat().st_size)
        moov: Mp4Box | None = None
        indexes = 0
        fragments: Counter[int] = Counter()
        for box in reader.top():
            if box.kind in _READ_WHOLE and box.end - box.start > MAX_INDEX_BYTES:
                raise refuse_file(f"an MP4 with an index of {(box.end - box.start) / 2**20:.0f} MiB")
            if box.kind == b"moov":
                indexes += 1
                moov = moov or box
            elif box.kind == b"moof":
                fragments += _fragment_samples(reader, box)
                _check_claim(reader, fragments.total())
        return _movie(reader, moov, fragments, indexes) if moov is not None else None


def _fragment_samples(reader: BoxReader, moof: Mp4Box) -> Counter[int]:
    """Return track number -> samples that the fragment lists."""
    counts: Counter[int] = Counter()
    for traf in reader.children(moof):
        if traf.kind == b"traf":
            number = 0
            for box in reader.children(traf):
                if box.kind == b"tfhd":
                    number = (reader.numbers(box, "I", 4) or (0,))[0]
                elif box.kind == b"trun":
                    counts[number] += (reader.numbers(box, "I", 4) or (0,))[0]
    return counts


def _check_claim(reader: BoxReader, samples: int) -> None:
    if samples > reader.size:
        raise refuse_file(f"an MP4 whose index claims {samples} samples in {reader.size} bytes")


def _movie(reader: BoxReader, moov: Mp4Box, fragments: Counter[int], indexes: int) -> Mp4Facts:
    scale, claimed, matrix, fragmented = 0, None, UPRIGHT, bool(fragments)
    tracks: list[Mp4Box] = []
    for box in reader.children(moov):
        if box.kind == b"mvhd":
            wide = _is_wide(reader, box)
            scale, length = _clock(reader, box)
            claimed = _seconds(length, scale)
            matrix = _matrix(reader, box, 48 if wide else 36)
        elif box.kind == b"trak":
            tracks.append(box)
        elif box.kind == b"mvex":
            fragmented = True
        elif box.kind == b"cmov":
            raise refuse_file("an MP4 with a compressed index (cmov)")
    if len(tracks) > MAX_TRACKS:
        raise refuse_file(f"an MP4 of {len(tracks)} tracks")
    facts = tuple(_track(reader, box, scale, fragments) for box in tracks)
    return Mp4Facts(
        tracks=facts,
        fragmented=fragmented,
        time_scale=scale,
        claimed_seconds=claimed,
        matrix=matrix,
        misplaced=tuple(misplaced_boxes(BoxReader(reader.stream, reader.size))),
        indexes=indexes,
    )


def _track(reader: BoxReader, trak: Mp4Box, movie_scale: int, fragments: Mapping[int, int]) -> TrackFacts:
    """Return what one track's boxes state; of several boxes of one kind the last one counts, and it is reported."""
    boxes, repeated = _tree(reader, trak)
    missing = [" or ".join(map(text, kinds)) for kinds in _NEEDED if not any(kind in boxes for kind in kinds)]
    known: dict[str, object] = {"repeated_boxes": repeated, "missing_boxes": tuple(missing)}
    header = boxes.get(b"tkhd")
    if header is not None:
        wide = _is_wide(reader, header)
        flags, number = reader.numbers(header, "I"), reader.numbers(header, "I", 20 if wide else 12)
        shown = reader.numbers(header, "Q" if wide else "I", 28 if wide else 20)
        size = reader.numbers(header, "II", 88 if wide else 76)
        known["enabled"] = bool(flags and flags[0] & 1)
        known["id"] = number[0] if number else 0
        known["fragment_samples"] = fragments.get(number[0], 0) if number else 0
        known["claimed_seconds"] = _seconds(_unless_unknown(shown, wide), movie_scale)
        known["matrix"] = _matrix(reader, header, 52 if wide else 40)
        known["shown_size"] = (size[0] / 65536, size[1] / 65536) if size else (0.0, 0.0)
    scale, length = _clock(reader, boxes[b"mdhd"]) if b"mdhd" in boxes else (0, 0)
    handler = reader.read(boxes[b"hdlr"], 12)[8:12] if b"hdlr" in boxes else b""
    kind = _KINDS.get(handler, "other")
    known |= {"kind": kind, "time_scale": scale, "media_seconds": _seconds(length, scale)}
    known |= _samples(reader, boxes, scale)
    known["truncated_tables"] = tuple(_truncated_tables(reader, boxes))
    if b"elst" in boxes:
        known["edits"] = _edits(reader, boxes[b"elst"], movie_scale, scale)
    if b"dref" in boxes:
        known["external"] = tuple(_external(reader, boxes[b"dref"]))
    if b"stsd" in boxes:
        known |= _entries(reader, boxes[b"stsd"], kind)
    return TrackFacts.model_validate(known)


_EITHER = ((b"stsz", b"stz2"), (b"stco", b"co64"))  # two forms of one table; programs differ in which they read
_NEEDED = (
    *((kind,) for kind in (b"tkhd", b"mdhd", b"hdlr", b"dref", b"stsd", b"stts", b"stsc")),
    *_EITHER,
)
_HOLDERS = {b"mdia", b"minf", b"stbl", b"edts", b"dinf"}
_ONCE = {
    b"tkhd",
    b"mdhd",
    b"hdlr",
    b"stsd",
    b"stts",
    b"ctts",
    b"stsc",
    b"stsz",
    b"stz2",
    b"stco",
    b"co64",
    b"elst",
    b"dref",
}


def _tree(reader: BoxReader, trak: Mp4Box) -> tuple[dict[bytes, Mp4Box], tuple[str, ...]]:
    """Return the track's boxes by kind, and the kinds of which there is more than one."""
    found: dict[bytes, Mp4Box] = {}
    repeated: dict[str, None] = {}
    holders = [trak]
    while holders:
        inside: list[Mp4Box] = []
        parent = holders.pop()
        for box in reader.children(parent):
            if box.kind == b"hdlr" and parent.kind != b"mdia":
                continue  # QuickTime has a second one, of the data handler, in minf
            if box.kind in _HOLDERS or box.kind in _ONCE:
                if box.kind in found:
                    repeated[text(box.kind)] = None
                found[box.kind] = box
                if box.kind in _HOLDERS:
                    inside.append(box)
        holders += inside
    for pair in _EITHER:
        if all(kind in found for kind in pair):
            repeated[" or ".join(map(text, pair))] = None
    return found, tuple(repeated)


def _samples(reader: BoxReader, boxes: Mapping[bytes, Mp4Box], scale: int) -> dict[str, object]:
    """Return how many samples there are and how long they last; refuse more than the file has bytes."""
    known: dict[str, object] = {}
    for kind in (b"stsz", b"stz2"):
        fields = reader.numbers(boxes[kind], "III") if kind in boxes else None
        if fields:
            _check_claim(reader, fields[2])
            present = fields[2]  # at most as many as the box has room for
            if kind == b"stsz" and not fields[1]:
                present = min(present, (boxes[kind].end - boxes[kind].start - 12) // 4)
            known["samples"] = present
            if kind == b"stsz":
                sizes = np.frombuffer(reader.read(boxes[kind])[12:][: 4 * fields[2]], np.uint8)
                sizes = sizes[: len(sizes) // 4 * 4].view(">u4")
                known["largest_sample"] = int(fields[1] or sizes.max(initial=0))
    known["chunk_samples"] = _chunk_samples(reader, boxes)
    if b"stts" in boxes:
        pairs = _pairs(reader, boxes[b"stts"], ">u4")
        known["timed_samples"] = int(pairs[:, 0].sum())
        _check_claim(reader, int(pairs[:, 0].sum()))
        known["sample_seconds"] = _seconds(int((pairs[:, 0] * pairs[:, 1]).sum()), scale)
    if b"ctts" in boxes:
        version = (reader.numbers(boxes[b"ctts"], "B") or (0,))[0]
        pairs = _pairs(reader, boxes[b"ctts"], ">i4" if version else ">u4")
        _check_claim(reader, int((pairs[:, 0] & 0xFFFFFFFF).sum()))
        known["first_offset_seconds"] = _seconds(int(pairs[0, 1]), scale) if len(pairs) else 0.0
    return known


def _truncated_tables(reader: BoxReader, boxes: Mapping[bytes, Mp4Box]) -> Iterator[str]:
    """Yield the tables that claim more entries than they have room for; programs read beyond their end."""
    for kind, (at, size) in _TABLES.items():
        box = boxes.get(kind)
        claimed = (reader.numbers(box, "I", at) or (0,))[0] if box is not None else 0
        if box is None or (kind == b"stsz" and (reader.numbers(box, "I", 4) or (0,))[0]):
            continue  # all samples have one size, so there is no table
        if claimed * size > box.end - box.start - at - 4:
            yield f"{text(kind)} of {claimed}"


def _chunk_samples(reader: BoxReader, boxes: Mapping[bytes, Mp4Box]) -> int:
    """Return how many samples the chunks contain, by the table of chunk runs."""
    places = boxes.get(b"stco") or boxes.get(b"co64")
    if places is None or b"stsc" not in boxes:
        return 0
    chunks = (reader.numbers(places, "I", 4) or (0,))[0]
    claimed = (reader.numbers(boxes[b"stsc"], "I", 4) or (0,))[0]
    data = reader.read(boxes[b"stsc"])[8:]
    runs = np.frombuffer(data[: min(claimed, len(data) // 12) * 12], ">u4").astype(np.int64).reshape(-1, 3)
    if not len(runs):
        return int(chunks)  # of unknown sizes; at least one sample each
    ends = np.append(runs[1:, 0], chunks + 1)
    return int((np.clip(ends[: len(runs)] - runs[:, 0], 0, chunks) * runs[:, 1]).sum())


def _pairs(reader: BoxReader, box: Mp4Box, form: str) -> NDArray[np.int64]:
    """Return the (N, 2) numbers of a table after its version, flags and count; of a huge table only the first ones."""
    claimed = (reader.numbers(box, "I", 4) or (0,))[0]
    data = reader.read(box)[8:]
    numbers = np.frombuffer(data[: min(claimed, len(data) // 8) * 8], form)
    return numbers.astype(np.int64).reshape(-1, 2)


def _edits(reader: BoxReader, box: Mp4Box, movie_scale: int, scale: int) -> tuple[Edit, ...]:
    wide = _is_wide(reader, box)
    form = "Qqi" if wide else "Iii"
    size = struct.calcsize(f">{form}")
    claimed = (reader.numbers(box, "I", 4) or (0,))[0]
    count = min(claimed, (box.end - box.start - 8) // size)
    if count > MAX_EDITS:
        raise refuse_file(f"an MP4 with an edit list of {count} entries")
    edits = []
    for number in range(max(0, count)):
        length, start, rate = reader.numbers(box, form, 8 + number * size) or (0, 0, 0)
        edits.append(
            Edit(
                seconds=_seconds(length, movie_scale) or 0.0,
                start_seconds=None if start == -1 else _seconds(start, scale) or 0.0,
                rate=rate / 65536,
            )
        )
    return tuple(edits)


def _external(reader: BoxReader, dref: Mp4Box) -> Iterator[str]:
    """Yield the data references that point outside of this file."""
    for number, box in enumerate(reader.children(dref, 8)):
        flags = reader.numbers(box, "I")
        if number >= _MAX_ENTRIES or (flags and flags[0] & 1):
            continue
        where = reader.read(box, 204)[4:].partition(b"\0")[0] if box.kind == b"url " else b""
        yield f"{text(box.kind).strip()} {text(where)}".strip()


def _entries(reader: BoxReader, stsd: Mp4Box, kind: str) -> dict[str, object]:
    """Return the kinds of the track's sample entries, and the clean aperture that one of them asks for."""
    entries: list[str] = []
    aperture: tuple[float, float] | None = None
    for number, box in enumerate(reader.children(stsd, 8)):
        if number >= _MAX_ENTRIES:
            break
        entries.append(text(box.kind))
        if kind == "video":
            for inner in reader.children(box, _VISUAL_ENTRY_BYTES):
                fields = reader.numbers(inner, "4I") if inner.kind == b"clap" else None
                if fields and fields[1] and fields[3]:
                    aperture = (fields[0] / fields[1], fields[2] / fields[3])
    return {"entries": tuple(entries), "encrypted": bool(_ENCRYPTED.intersection(entries)), "clean_aperture": aperture}


def _is_wide(reader: BoxReader, box: Mp4Box) -> bool:
    """Return whether the box is of version 1, whose times take eight bytes."""
    return reader.numbers(box, "B") == (1,)


def _clock(reader: BoxReader, box: Mp4Box) -> tuple[int, int]:
    """Return ticks per second and length in ticks of a ``mvhd`` or ``mdhd``, 0 for what it does not state."""
    wide = _is_wide(reader, box)
    scale = reader.numbers(box, "I", 20 if wide else 12)
    length = reader.numbers(box, "Q" if wide else "I", 24 if wide else 16)
    return scale[0] if scale else 0, _unless_unknown(length, wide)


def _unless_unknown(length: tuple[int, ...] | None, wide: bool) -> int:
    """Return the length, 0 when it is missing or unknown (all bits set)."""
    return 0 if not length or length[0] == (1 << (64 if wide else 32)) - 1 else length[0]


def _matrix(reader: BoxReader, box: Mp4Box, at: int) -> tuple[float, float, float, float]:
    """Return (a, b, c, d): pixel (x, y) is shown at (a x + c y, b x + d y)."""
    fields = reader.numbers(box, "5i", at)
    return (fields[0] / 65536, fields[1] / 65536, fields[3] / 65536, fields[4] / 65536) if fields else UPRIGHT


def _seconds(ticks: int, scale: int) -> float | None:
    return ticks / scale if scale else None
