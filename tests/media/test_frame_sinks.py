"""Frames go to the sinks that want them, and no other file is opened."""

from __future__ import annotations

import ctypes
import os
import struct
from pathlib import Path

import numpy as np
import pytest
from builders.clips import Recorder, facts_of

from evalkit.media.colour import RgbConverter
from evalkit.media.inspect import Inspection, inspect_media, scan_times
from evalkit.media.limits import ReadLimits


def lying(plain: Path, target: Path) -> Path:
    """Let the index's last ten samples be two bytes long, so that the decoder refuses them."""
    data = bytearray(plain.read_bytes())
    place = data.find(b"stsz") + 4
    _, size, count = struct.unpack_from(">III", data, place)
    assert (size, count) == (0, 50)
    for number in range(40, 50):
        struct.pack_into(">I", data, place + 12 + 4 * number, 2)
    target.write_bytes(data)
    return target


# --- other files stay closed ------------------------------------------------------------------------------------------


class Watch:
    """Says whether a file was opened, by inotify."""

    OPEN = 0x20

    def __init__(self, path: Path) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self.fd = libc.inotify_init1(os.O_NONBLOCK)
        if self.fd < 0 or libc.inotify_add_watch(self.fd, os.fsencode(path), self.OPEN) < 0:
            pytest.skip("no inotify")

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.fd)

    def opened(self) -> bool:
        try:
            return bool(os.read(self.fd, 4096))
        except BlockingIOError:
            return False


def referring(plain: Path, other: Path) -> bytes:
    """Return an MP4 whose samples lie in another file: a data reference of kind "url " without the flag "self"."""
    data = plain.read_bytes()
    place = data.find(b"dref") + 4 + 8
    size = struct.unpack_from(">I", data, place)[0]
    assert data[place + 4 : place + 12] == b"url \0\0\0\1"
    url = b"url \0\0\0\0" + b"file://" + os.fsencode(other) + b"\0"
    grown = len(url) + 4 - size
    out = bytearray(data[:place] + struct.pack(">I", len(url) + 4) + url + data[place + size :])
    for box in (b"dref", b"dinf", b"minf", b"mdia", b"trak", b"moov"):
        at = out.find(box) - 4
        struct.pack_into(">I", out, at, struct.unpack_from(">I", out, at)[0] + grown)
    return bytes(out)


@pytest.mark.skipif(not hasattr(os, "O_NONBLOCK") or os.uname().sysname != "Linux", reason="needs inotify")
@pytest.mark.parametrize("kind", ["m3u8", "ffconcat", "concat-words", "dash", "sdp", "dref"])
def test_no_other_file_is_opened(tmp_path, plain, kind):
    other = tmp_path / "other.mp4"
    other.write_bytes(plain.read_bytes())
    text = {
        "m3u8": "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nother.mp4\n#EXT-X-ENDLIST\n",
        "ffconcat": "ffconcat version 1.0\nfile other.mp4\n",
        "concat-words": f"concat:{other}|{other}",
        "dash": f'<?xml version="1.0"?><MPD><Period><BaseURL>file:{other}</BaseURL></Period></MPD>',
        "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    }
    path = tmp_path / "sample.mp4"
    path.write_bytes(referring(plain, other) if kind == "dref" else text[kind].encode())
    with Watch(other) as watch:
        facts = facts_of(path)
        assert not watch.opened()
        other.read_bytes()
        assert watch.opened()  # the watch works
    if kind != "dref":
        assert facts.open_error is not None


def test_name_is_never_taken_for_a_protocol_or_a_pattern(tmp_path, plain, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("concat:a.mp4", "%03d.mp4", "-i.mp4", "pipe:0", "ümläut \n x.mp4", "data:text.mp4"):
        path = Path(name)
        path.write_bytes(plain.read_bytes())
        assert facts_of(path).video.frames == 50


def test_wanted_frames_come_once_in_order_with_their_pictures(plain):
    one, two, none = Recorder([3, 4, 40]), Recorder([0, 4, 49]), Recorder([])
    inspection = inspect_media(plain, [one, two, none])
    assert inspection.complete and inspection.passes == 1
    assert one.got == [(index, pytest.approx(index / 25), index) for index in (3, 4, 40)]
    assert two.got == [(index, pytest.approx(index / 25), index) for index in (0, 4, 49)]
    assert none.got == []
    np.testing.assert_allclose(one.plans[0], inspection.times, atol=1e-9)


def test_only_wanted_frames_are_converted_and_each_once(plain, monkeypatch):
    converted = []
    original = RgbConverter.rgb
    monkeypatch.setattr(RgbConverter, "rgb", lambda self, frame: converted.append(1) or original(self, frame))
    inspect_media(plain, [Recorder([3, 4, 40]), Recorder([4, 49]), Recorder([])])
    assert len(converted) == 4
    inspect_media(plain)
    assert len(converted) == 4


def test_sinks_plan_again_when_the_index_was_wrong(tmp_path, plain):
    sink = Recorder()
    inspection = inspect_media(lying(plain, tmp_path / "lie.mp4"), [sink])
    assert inspection.passes == 2
    assert [len(times) for times in sink.plans] == [50, len(inspection.times)]
    assert len(inspection.times) < 50
    assert inspection.complete
    assert [index for index, _, _ in sink.got] == list(range(len(inspection.times)))
    assert inspection.facts.video.decode_errors > 0
    assert inspection.facts.video.first_error == "Invalid data found when processing input"


def test_without_sinks_a_wrong_index_costs_no_second_pass(tmp_path, plain):
    assert inspect_media(lying(plain, tmp_path / "lie.mp4")).passes == 1


def test_limit_stops_the_reading(plain):
    sink = Recorder()
    inspection = inspect_media(plain, [sink], ReadLimits(7))
    assert inspection.facts.video.stopped_early
    assert inspection.facts.video.frames == 7
    assert not inspection.complete
    assert [number for _, _, number in sink.got] == list(range(7))
    assert len(scan_times(plain, max_frames=7)) == 7
    assert not inspect_media(plain, [Recorder()], ReadLimits(50)).facts.video.stopped_early


def test_exception_of_a_sink_is_the_callers(plain):
    class Broken(Recorder):
        def frame(self, index, time, rgb):
            raise KeyError(index)

    with pytest.raises(KeyError):
        inspect_media(plain, [Broken()])


def test_frames_that_cannot_be_converted_are_a_fault_of_the_file(plain, monkeypatch):
    def fail(self, frame):
        raise ValueError("no such conversion")

    monkeypatch.setattr(RgbConverter, "rgb", fail)
    inspection = inspect_media(plain, [Recorder([0, 1])])
    assert isinstance(inspection, Inspection)
    assert not inspection.complete
    assert inspection.facts.video.decode_errors == 2
    assert inspection.facts.video.first_error == "a yuv420p frame can't be converted: no such conversion"


def test_two_readings_give_the_same_facts(plain):
    first, second = inspect_media(plain), inspect_media(plain)
    assert first.facts == second.facts
    np.testing.assert_array_equal(first.times, second.times)
