"""Facts by hand, hostile bytes, and which frames reach the sinks."""

from __future__ import annotations

import struct
from pathlib import Path

import av
import numpy as np
import pytest
from builders.clips import Recorder, facts_of
from clip_tools import ffmpeg, grey_planes, numbered, picture_of, tone, write_raw, write_wav

from evalkit.errors import MediaError
from evalkit.media import readers
from evalkit.media.container import open_media
from evalkit.media.encode import write_video
from evalkit.media.facts import MediaFacts
from evalkit.media.file_kind import container_title, describe_file
from evalkit.media.inspect import inspect_media
from evalkit.media.limits import ReadLimits

GREY = np.full((64, 96, 3), 128, np.uint8)


BLACK = np.zeros((64, 96, 3), np.uint8)


# --- facts ------------------------------------------------------------------------------------------------------------


def test_every_fact_of_a_plain_clip(plain):
    inspection = inspect_media(plain)
    facts, video, audio = inspection.facts, inspection.facts.video, inspection.facts.audio
    assert facts.size_bytes == plain.stat().st_size
    assert (facts.container, facts.brand) == ("mov,mp4,m4a,3gp,3g2,mj2", "isom")
    assert (facts.video_streams, facts.audio_streams, facts.other_streams, facts.open_error) == (1, 1, (), None)

    assert (video.codec, video.pixel_format, video.width, video.height) == ("h264", "yuv420p", 96, 64)
    assert video.profile == "Constrained Baseline"
    assert (video.sample_aspect_ratio, video.rotation, video.mirrored) == ("1:1", 0, False)
    assert (video.header_frames, video.packets, video.frames, video.missing_packets) == (50, 50, 50, 0)
    assert (video.decode_errors, video.corrupt_frames, video.first_error) == (0, 0, None)
    assert (video.interlaced_frames, video.backward_steps, video.size_changes) == (0, 0, 0)
    assert video.fps == 25.0
    assert (video.start_seconds, video.duration_seconds) == (0.0, pytest.approx(2.0))
    assert (video.irregular_share, video.duplicate_share, video.longest_still_seconds) == (0.0, 0.0, 0.0)
    assert (video.black_share, video.stopped_early) == (0.0, False)

    assert (audio.codec, audio.sample_rate, audio.channels, audio.decode_errors) == ("aac", 16_000, 1, 0)
    assert audio.start_seconds == 0.0
    assert 2.0 <= audio.duration_seconds <= 2.0 + 1024 / 16_000  # the last AAC block is filled up
    assert audio.rms_dbfs == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=0.3)  # -9.03 dBFS, a sine of 0.5
    assert audio.peak == pytest.approx(0.5, abs=0.05)

    np.testing.assert_allclose(inspection.times, np.arange(50) / 25, atol=1e-9)
    assert inspection.passes == 1
    assert MediaFacts.model_validate_json(facts.model_dump_json()) == facts


def test_repeated_pictures_are_counted(tmp_path):
    # 20 pictures: 0, 1 five times, 2, 3 three times, 4 ... 13: of the 19 steps 4 and 2 in a row show no change
    pictures = [picture_of(0), *[picture_of(1)] * 5, picture_of(2), *[picture_of(3)] * 3, *numbered(10, first=4)]
    write_video(tmp_path / "v.mp4", pictures, 25, preset="ultrafast", crf=0)
    video = facts_of(tmp_path / "v.mp4").video
    assert video.duplicate_share == pytest.approx(6 / 19)
    assert video.longest_still_seconds == pytest.approx(4 / 25)


def test_longest_still_is_the_longest_not_the_last():
    assert readers.longest_run([True, True, True, False, True, True, False]) == 3
    assert readers.longest_run([]) == 0


def test_black_pictures_are_counted(tmp_path):
    write_video(tmp_path / "v.mp4", [BLACK] * 3 + [GREY] * 7, 25, preset="ultrafast")
    assert facts_of(tmp_path / "v.mp4").video.black_share == pytest.approx(0.3)


def test_silence_has_no_level(tmp_path):
    write_video(tmp_path / "v.mp4", numbered(10), 25, np.zeros(6400, np.float32), preset="ultrafast")
    audio = facts_of(tmp_path / "v.mp4").audio
    assert (audio.rms_dbfs, audio.peak) == (None, 0.0)


def test_no_audio_and_no_video(tmp_path):
    write_video(tmp_path / "v.mp4", numbered(3), 25, preset="ultrafast")
    facts = facts_of(tmp_path / "v.mp4")
    assert (facts.audio, facts.audio_streams, facts.video_streams) == (None, 0, 1)
    facts = facts_of(write_wav(tmp_path / "a.wav", tone(440, 0.5, 16_000), 16_000))
    assert (facts.video, facts.video_streams, facts.audio_streams) == (None, 0, 1)
    assert (facts.container, facts.audio.codec) == ("wav", "pcm_s16le")
    assert facts.audio.duration_seconds == pytest.approx(0.5)


def test_gap_and_irregular_intervals(tmp_path):
    # Intervals in ms: 40 40 40 200 40 40 40 40 80: 2 of 9 are irregular; 560 + 40 ms long
    times = [0, 40, 80, 120, 320, 360, 400, 440, 480, 560]
    pictures = [grey_planes(np.full((32, 32), 40 + 9 * number, np.uint8)) for number in range(10)]
    inspection = inspect_media(write_raw(tmp_path / "gap.mp4", pictures, (32, 32), times=times, rate=1000))
    video = inspection.facts.video
    assert video.irregular_share == pytest.approx(2 / 9)
    assert video.fps == pytest.approx(25.0)
    assert video.duration_seconds == pytest.approx(0.6)
    np.testing.assert_allclose(inspection.times, np.array(times) / 1000, atol=1e-6)


def test_one_frame_has_no_rate(tmp_path):
    write_video(tmp_path / "v.mp4", [GREY], 25, preset="ultrafast")
    video = facts_of(tmp_path / "v.mp4").video
    assert (video.frames, video.fps, video.duration_seconds, video.duplicate_share) == (1, None, 0.0, 0.0)


def test_second_stream_is_counted_but_not_read(tmp_path):
    with av.open(str(tmp_path / "two.mp4"), "w") as container:
        streams = [container.add_stream("libx264", rate=25, options={"preset": "ultrafast"}) for _ in range(2)]
        for stream in streams:
            stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for number, stream in [(number, stream) for number in range(6) for stream in streams]:
            if stream is streams[0] or number < 3:
                frame = av.VideoFrame.from_ndarray(picture_of(number), format="rgb24")
                frame.pts = number
                for packet in stream.encode(frame):
                    container.mux(packet)
        for stream in streams:
            for packet in stream.encode(None):
                container.mux(packet)
    facts = facts_of(tmp_path / "two.mp4")
    assert (facts.video_streams, facts.video.frames) == (2, 6)


def mpeg1(path: Path, sizes: list[tuple[int, int]]) -> Path:
    """Write bare MPEG-1 sequences of 5 pictures each, one after the other."""
    parts = []
    for number, (width, height) in enumerate(sizes):
        part = path.with_name(f"part{number}.m1v")
        with av.open(str(part), "w", format="mpeg1video") as container:
            stream = container.add_stream("mpeg1video", rate=25)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            for index in range(5):
                frame = av.VideoFrame.from_ndarray(picture_of(index, height, width), format="rgb24")
                for packet in stream.encode(frame):
                    container.mux(packet)
            for packet in stream.encode(None):
                container.mux(packet)
        parts.append(part.read_bytes())
    path.write_bytes(b"".join(parts))
    return path


def test_size_changes_are_counted(tmp_path):
    video = facts_of(mpeg1(tmp_path / "v.mpg", [(96, 64), (128, 96), (96, 64)])).video
    assert video.size_changes == 2


def test_pictures_that_grow_too_large_are_refused_by_the_decoder(tmp_path, monkeypatch):
    path = mpeg1(tmp_path / "v.mpg", [(96, 64), (256, 256)])
    monkeypatch.setattr(readers, "MAX_PIXELS", 128 * 128)
    video = facts_of(path).video
    assert video.decode_errors > 0
    assert video.size_changes == 0


def test_pictures_that_are_too_large_are_not_decoded(plain, monkeypatch):
    monkeypatch.setattr(readers, "MAX_PIXELS", 1000)
    facts = facts_of(plain)
    assert (facts.video.frames, facts.video.decode_errors) == (0, 1)
    assert facts.video.first_error == "96x64 pixels are too many to decode"
    assert facts.video.missing_packets == 0  # the packets are there
    assert facts.audio.duration_seconds >= 2.0


def test_loud_nonsense_in_float_audio_stays_finite(tmp_path):
    samples = np.array([np.nan, np.inf, -np.inf, 3e38, 0.5] * 100, np.float32)
    header = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + samples.nbytes, b"WAVE", b"fmt ", 16, 3, 1, 16000, 64000,
                         4, 32, b"data", samples.nbytes)  # fmt: skip
    (tmp_path / "a.wav").write_bytes(header + samples.tobytes())
    audio = facts_of(tmp_path / "a.wav").audio
    assert np.isfinite([audio.peak, audio.rms_dbfs]).all()


# --- a header that lies -----------------------------------------------------------------------------------------------


def cut(path: Path, target: Path, share: float) -> Path:
    data = path.read_bytes()
    target.write_bytes(data[: int(len(data) * share)])
    return target


def test_truncated_file_promises_more_than_it_holds(tmp_path, plain):
    inspection = inspect_media(cut(plain, tmp_path / "cut.mp4", 0.5))
    video = inspection.facts.video
    assert video.header_frames == 50
    assert video.packets < 49 and video.missing_packets == 50 - video.packets
    assert video.frames <= video.packets


@pytest.mark.ffmpeg
def test_avi_counts_frames_that_repeat_the_one_before_as_empty_and_not_as_missing(tmp_path):
    source = ("-f", "lavfi", "-i", "testsrc2=s=64x64:r=25:d=2", "-vf", "select='not(between(n,20,24))'")
    ffmpeg(*source, "-fps_mode", "vfr", "-c:v", "mpeg4", tmp_path / "repeats.avi")
    whole = inspect_media(tmp_path / "repeats.avi").facts.video
    assert (whole.packets, whole.frames, whole.missing_packets) == (45, 45, 0)
    half = inspect_media(cut(tmp_path / "repeats.avi", tmp_path / "cut.avi", 0.6)).facts.video
    assert half.packets < 35
    assert half.missing_packets == pytest.approx(45 - half.packets, abs=1)


# --- hostile bytes ----------------------------------------------------------------------------------------------------


def corrupted(data: bytes, rng: np.random.Generator) -> bytes:
    """Return ``data`` with a few bytes changed, a piece cut off, zeroed, repeated or shuffled."""
    out = bytearray(data)
    for _ in range(int(rng.integers(1, 4))):
        kind = int(rng.integers(6))
        start = int(rng.integers(len(out))) if out else 0
        length = int(rng.integers(1, 400))
        if kind == 0:
            del out[start:]
        elif kind == 1:
            out[start : start + length] = bytes(len(out[start : start + length]))
        elif kind == 2:
            out[start:start] = out[start : start + length]
        elif kind == 3:
            del out[start : start + length]
        else:
            for place in rng.integers(len(out), size=int(rng.integers(1, 40))) if out else ():
                out[int(place)] = int(rng.integers(256))
    return bytes(out)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("tiny") / "tiny.mp4"
    write_video(path, numbered(12, 32, 64), 25, tone(440, 0.48, 16_000), preset="ultrafast", crf=30)
    return path.read_bytes()


@pytest.mark.parametrize("seed", range(10))
def test_damaged_files_never_raise(tmp_path, tiny, seed):
    rng = np.random.default_rng(seed)
    path = tmp_path / "damaged.mp4"
    head = tiny.find(b"mdat")
    for number in range(20):
        # Half of the time only the index is hit: random places would mostly land in pictures and sound.
        data = corrupted(tiny[:head], rng) + tiny[head:] if number % 2 else corrupted(tiny, rng)
        path.write_bytes(data)
        sink = Recorder()
        inspection = inspect_media(path, [sink], ReadLimits(200))
        facts = inspection.facts
        assert isinstance(facts, MediaFacts)
        assert facts.size_bytes == len(data)
        assert str(tmp_path) not in facts.model_dump_json()  # a scorecard must not depend on where the file lay
        assert MediaFacts.model_validate_json(facts.model_dump_json()) == facts
        assert (facts.open_error is None) == (inspection.passes > 0)
        if facts.video is not None:
            assert len(inspection.times) == facts.video.frames
        if inspection.complete:
            assert [index for index, _, _ in sink.got] == list(range(len(inspection.times)))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "an empty file"),
        (b"\xff\xd8\xff\xd8nonsense", "a JPEG image"),
        (b"\x89PNG\r\n\x1a\n", "a PNG image"),
        (b"\x1a\x45\xdf\xa3" + b"x" * 50, "a WebM or Matroska file"),
        (b"PK\x03\x04" + bytes(30), "a ZIP archive"),
        (b"RIFF\x00\x00\x00\x00WAVE", "a WAV file"),
        (b"RIFF\x00\x00\x00\x00WEBP", "a WebP image"),
        (b"#EXTM3U\n#EXTINF:1\nother.mp4\n", "a playlist (M3U8), not a video"),
        (b"ffconcat version 1.0\nfile other.mp4\n", "a list of files (ffconcat), not a video"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "a Git LFS pointer, not the file itself"),
        (b"<!DOCTYPE html>\n<html><body>404</body></html>", "a web page (HTML)"),
        (("Grüße an alle, " * 600).encode(), "a text file"),
        (bytes(9000), "nothing but zero bytes at the start"),
        (b"\x9c\x01\xee\x8f" * 99, "data of no known kind (it starts with the bytes 9c 01 ee 8f)"),
        (
            b"\x00\x00\x00\x18ftypisom" + bytes(12) + b"\x7f\xff\xff\xffmdat" + bytes(99),
            "an MP4 without its index (moov): it was cut off while being written or copied",
        ),
        (b"\0\0\0\x10ftypisom" + bytes(4) + b"\0\0\0\x10moovjunkjunk", "an MP4 whose index (moov) is damaged"),
        (b"\x00\x00\x00\x00ftypisom", "an MP4 without its index (moov): it was cut off while being written or copied"),
    ],
)  # fmt: skip
def test_unreadable_files_are_named(tmp_path, data, words):
    path = tmp_path / "sample.mp4"
    path.write_bytes(data)
    assert describe_file(path) == words
    inspection = inspect_media(path)
    if inspection.facts.open_error is not None:
        assert inspection.facts.open_error == words
        assert (inspection.passes, inspection.complete, len(inspection.times)) == (0, False, 0)
        assert (inspection.facts.video, inspection.facts.audio, inspection.facts.container) == (None, None, None)


def test_file_that_cannot_be_read_is_not_called_bad_media(tmp_path):
    with pytest.raises(MediaError, match=r"can't be read\. Found No such file") as caught, open_media(tmp_path / "no"):
        pass
    assert str(tmp_path) not in str(caught.value)
    assert describe_file(tmp_path / "no") is None
    assert describe_file(tmp_path) is None


def test_container_titles_fall_back_to_ffmpegs_name():
    assert container_title("jpeg_pipe") == "a JPEG image"
    assert container_title("swf") == "swf"
