"""The bytes of a pack: written once and for all alike, and read without trust."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from builders.packs import arrays, joined, parts, rewritten

from evalkit.errors import ReferencePackError
from evalkit.metrics.base import FeatureData
from evalkit.scoring.packs.format import PackWriter
from evalkit.scoring.packs.reader import ReferencePack

ZEROS = "0" * 64
FACTS = {
    "evalkit": "0",
    "device": "cpu",
    "testset": {"sha256": ZEROS, "format": "native"},
    "challenge": {"id": "c", "sha256": ZEROS},
    "readers": {},
    "features": {"some": {"version": 1, "options": {"a": 1.5}, "needs": [], "weights": {}}},
    "fingerprint": None,
    "files": {},
    "samples": {"s": {"sha256": ZEROS, "features": {"some": 0}}, "t": {"sha256": ZEROS, "features": {"some": 1}}},
}
ARRAYS = {
    "numbers": np.arange(6, dtype=np.float32).reshape(2, 3),
    "big": np.arange(3, dtype=">i8"),
    "turned": np.arange(6, dtype=np.int16).reshape(2, 3).T,
    "truth": np.array([True, False, True]),
    "word": np.array("überall"),
    "empty": np.zeros((0, 7), np.float64),
    "half": np.array([1.5, np.nan, np.inf], np.float16),
}


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    path = tmp_path / "small.refpack"
    with path.open("wb") as stream:
        writer = PackWriter(stream)
        assert [writer.add("some", FeatureData(ARRAYS)), writer.add("some", FeatureData(None, "none", "why"))] == [0, 1]
        digest = writer.finish(FACTS)
    assert writer.bytes == path.stat().st_size
    with ReferencePack(path) as found:
        assert found.sha256 == digest
    return path


def refused(path: Path) -> str:
    with pytest.raises(ReferencePackError) as caught:
        ReferencePack(path)
    assert caught.value.exit_code == 1
    return str(caught.value)


def test_what_is_written_is_read(pack: Path) -> None:
    with ReferencePack(pack) as found:
        data = found.entry(0)
        assert data.arrays is not None
        assert set(data.arrays) == set(ARRAYS)
        for name, array in ARRAYS.items():
            np.testing.assert_array_equal(data.arrays[name], array)
            assert data.arrays[name].dtype == array.dtype.newbyteorder("<")
            assert data.arrays[name].flags.writeable
        assert found.entry(1) == FeatureData(None, "none", "why")


def test_the_bytes_are_as_documented(pack: Path) -> None:
    (feature, found), (_, nothing) = arrays(pack)
    assert feature == "some"
    assert nothing == {}
    assert {name: array.tolist() for name, array in found.items() if name != "half"} == {
        name: array.tolist() for name, array in ARRAYS.items() if name != "half"
    }


def test_every_changed_byte_is_found(pack: Path, tmp_path: Path) -> None:
    content = pack.read_bytes()
    other = tmp_path / "changed.refpack"
    for at in range(len(content)):
        other.write_bytes(content[:at] + bytes([content[at] ^ 1 << at % 8]) + content[at + 1 :])
        message = refused(other)
        assert "damaged" in message or at < 17, message
    for length in range(0, len(content), 7):
        other.write_bytes(content[:length])
        refused(other)
    other.write_bytes(content + b"\0")
    refused(other)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not a reference pack"),
        (b"PK\3\4 a zip of some size, which is no pack at all, however long it may be", "not a reference pack"),
        (b"evalkit refpack 2" + bytes(60), "another version"),
        (b"evalkit refpack 1", "cut off"),
        (joined(b"", b"[]"), "header that is none"),
        (joined(b"", b"{" * 100_000), "header that is none"),
        (joined(b"", b"{}", length=1 << 60), "damaged or cut off"),
        (joined(b"", b"\xff{}"), "header that is none"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "x.refpack"
    path.write_bytes(content)
    assert words in refused(path)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    assert "can't be read" in refused(tmp_path)
    assert "can't be read" in refused(tmp_path / "nothing")
    os.mkfifo(tmp_path / "pipe")
    assert "is not a file" in refused(tmp_path / "pipe")


def _array(entries: list, **facts: object) -> None:
    entries[0]["arrays"]["numbers"] |= facts


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda h: _array(h["entries"], dtype="|O"), "dtype"),
        (lambda h: _array(h["entries"], dtype="<U0"), "dtype"),
        (lambda h: _array(h["entries"], dtype="<f4,<f4"), "dtype"),
        (lambda h: _array(h["entries"], dtype=">f4"), "dtype"),
        (lambda h: _array(h["entries"], shape=[2, 4]), "bytes of data"),
        (lambda h: _array(h["entries"], shape=[-2, -3]), "at least"),
        (lambda h: _array(h["entries"], shape=[1 << 40]), "at most"),
        (lambda h: _array(h["entries"], shape=[0, 200_000, 200_000, 200_000, 200_000, 200_000]), "at most"),
        (lambda h: _array(h["entries"], shape=[200_000, 200_000]), "at most"),
        (lambda h: _array(h["entries"], shape=[2.0, 3.0]), "whole number"),
        (lambda h: _array(h["entries"], shape=[True, 6]), "whole number"),
        (lambda h: _array(h["entries"], shape=[1] * 7), "at most 6"),
        (lambda h: h["entries"][0].update(reason="both"), "both or none"),
        (lambda h: h["entries"][1].pop("reason"), "both or none"),
        (lambda h: h["entries"].pop(), "no entry"),
        (lambda h: h["samples"]["s"]["features"].update(some=7), "no entry"),
        (lambda h: h["samples"]["s"]["features"].update(some=-1), "at least"),
        (lambda h: h["samples"]["s"]["features"].update(other=0), "other features"),
        (lambda h: h["samples"]["s"]["features"].clear(), "other features"),
        (lambda h: h["samples"]["s"].update(fingerprint={"entry": 0, "sha256": ZEROS}), "no entry"),
        (lambda h: h["samples"]["s"].update(sha256="x" * 64), "of the form"),
        (lambda h: h["samples"]["s"].update(length={"seconds": 1e300, "source": "speech"}), "1000000"),
        (lambda h: h["samples"]["s"].update(length={"seconds": 1.0, "source": "hearsay"}), "source"),
        (lambda h: h["entries"][0].update(feature="../../x"), "no entry"),
        (lambda h: h.update(more=1), "unknown key"),
        (lambda h: h.update(schema=2), "must be 1"),
        (lambda h: h.pop("testset"), "is missing"),
        (lambda h: h["readers"].update(length=float("nan")), "NaN"),
        (lambda h: h["features"]["some"]["options"].update(a="\x1b[2J"), None),
    ],
)
def test_a_header_that_lies_is_refused(pack: Path, tmp_path: Path, change, words: str | None) -> None:
    other = rewritten(pack, tmp_path / "lying.refpack", change)
    if words is None:
        ReferencePack(other).close()
    else:
        message = refused(other)
        assert words in message
        assert "\x1b" not in message


def test_a_key_that_is_there_twice_is_refused(pack: Path, tmp_path: Path) -> None:
    data, header = parts(pack)
    text = json.dumps(header).replace('"device"', '"device": "cuda", "device"')
    other = tmp_path / "twice.refpack"
    other.write_bytes(joined(data, text.encode()))
    assert "twice" in refused(other)


@pytest.mark.parametrize(("name", "value"), [("truth", b"\x01\x02\x00"), ("word", b"\xff\xff\xff\x7f" * 7)])
def test_values_that_can_not_be_are_refused(pack: Path, tmp_path: Path, name: str, value: bytes) -> None:
    data, _ = parts(pack)
    before = sum(array.nbytes for other, array in ARRAYS.items() if other < name)
    other = rewritten(pack, tmp_path / "x", lambda _: None, data[:before] + value + data[before + len(value) :])
    with ReferencePack(other) as found, pytest.raises(ReferencePackError, match=f"'{name}'"):
        found.entry(0)


def test_a_pack_that_is_written_over_is_noticed(pack: Path) -> None:
    with ReferencePack(pack) as found:
        content = pack.read_bytes()
        with pack.open("r+b") as stream:
            stream.write(content[:20] + b"\xff" + content[21:])
        with pytest.raises(ReferencePackError, match="changed while it was in use"):
            found.entry(0)
