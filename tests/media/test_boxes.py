"""The reader of MP4 boxes: sizes that lie, boxes without end, nothing read beyond what is asked for."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import pytest

from evalkit.errors import MediaError
from evalkit.media.mp4 import boxes
from evalkit.media.mp4.boxes import BoxReader
from evalkit.media.mp4.index import read_index


def reader(data: bytes) -> BoxReader:
    return BoxReader(io.BytesIO(data), len(data))


def box(kind: bytes, body: bytes = b"", size: int | None = None) -> bytes:
    return struct.pack(">I4s", 8 + len(body) if size is None else size, kind) + body


def test_boxes_stand_side_by_side():
    read = reader(box(b"ftyp", b"isom") + box(b"free") + box(b"moov", b"12345"))
    assert [(b.kind, b.start, b.end) for b in read.top()] == [(b"ftyp", 8, 12), (b"free", 20, 20), (b"moov", 28, 33)]
    assert read.read(list(read.top())[2], 3) == b"123"


def test_long_sizes_and_a_size_to_the_end():
    data = struct.pack(">I4sQ", 1, b"mdat", 20) + b"abcd" + box(b"free", b"rest", size=0)
    assert [(b.kind, b.start, b.end) for b in reader(data).top()] == [(b"mdat", 16, 20), (b"free", 28, 32)]


@pytest.mark.parametrize("size", [2, 7])
def test_size_below_the_header_ends_the_walk(size):
    assert list(reader(box(b"free", b"abc", size=size)).top()) == []


def test_box_is_cut_to_what_holds_it():
    [outer] = reader(box(b"moov", box(b"trak", b"abc", size=4_000_000_000))).top()
    [inner] = reader(box(b"moov", box(b"trak", b"abc", size=4_000_000_000))).children(outer)
    assert (inner.start, inner.end) == (16, 19)


def test_header_that_passes_the_end_of_its_holder_leaves_nothing_to_read():
    # A long header in a parent of eight bytes: the content would start behind its end.
    data = box(b"moov", struct.pack(">I4s", 1, b"hdlr")) + struct.pack(">Q", 99) + bytes(99)
    read = reader(data)
    outer = next(iter(read.top()))
    for inner in read.children(outer):
        assert inner.start <= inner.end == outer.end
        assert read.read(inner) == b""
        assert read.numbers(inner, "I") is None


def test_numbers_are_none_beyond_the_content():
    read = reader(box(b"stsz", struct.pack(">III", 0, 7, 9)))
    [found] = read.top()
    assert read.numbers(found, "III") == (0, 7, 9)
    assert read.numbers(found, "I", 8) == (9,)
    assert read.numbers(found, "I", 9) is None
    assert read.numbers(found, "Q", 8) is None


def test_no_more_than_the_limit_is_read(monkeypatch):
    monkeypatch.setattr(boxes, "MAX_READ", 10)
    read = reader(box(b"stts", bytes(100)))
    assert len(read.read(next(iter(read.top())))) == 10


def test_too_many_boxes_are_refused(monkeypatch):
    monkeypatch.setattr(boxes, "MAX_BOXES", 5)
    assert len(list(reader(box(b"free") * 5).top())) == 5
    with pytest.raises(MediaError, match="more than 5 boxes"):
        list(reader(box(b"free") * 6).top())


@pytest.mark.parametrize(
    "data",
    [b"", b"\0" * 7, b"RIFF" + bytes(60), b"\x1a\x45\xdf\xa3" + bytes(40_000_000), box(b"ftyp") + box(b"mdat", b"x")],
)
def test_what_has_no_index_is_nobodys_mp4(tmp_path: Path, data: bytes):
    (tmp_path / "a.bin").write_bytes(data)
    assert read_index(tmp_path / "a.bin") is None


def test_empty_boxes_everywhere_raise_nothing(tmp_path: Path):
    kinds = (b"tkhd", b"mdhd", b"hdlr", b"stsd", b"stts", b"ctts", b"stsc", b"stsz", b"stz2", b"stco", b"elst", b"dref")
    for length in (0, 1, 4, 7, 8, 11, 12, 20):
        inner = b"".join(box(kind, b"\xff" * length if kind != b"stsz" else bytes(length)) for kind in kinds)
        inner = inner.replace(b"\xff" * length, bytes(length)) if length >= 8 else inner
        path = tmp_path / f"{length}.mp4"
        path.write_bytes(box(b"moov", box(b"mvhd", bytes(length)) + box(b"trak", inner)))
        found = read_index(path)
        assert found is not None and len(found.tracks) == 1
        assert found.tracks[0].samples == 0
