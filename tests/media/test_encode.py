"""Encode, decode, compare: pictures, frame rate, sound and its place in time; what is refused."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from clip_tools import ffprobe, number_of, numbered, picture_of, tone

from evalkit.errors import StorageError
from evalkit.media.audio import read_audio
from evalkit.media.decode import iter_frames
from evalkit.media.encode import write_video
from evalkit.media.inspect import inspect_media

COLOURS = np.array([[200, 40, 40], [40, 200, 40], [40, 40, 200], [230, 230, 230], [20, 20, 20], [180, 160, 60]])


def smooth(count: int, height: int = 96, width: int = 128):
    """Yield coloured pictures without sharp edges that move a little."""
    y, x = np.mgrid[0:height, 0:width]
    for number in range(count):
        red = 128 + 90 * np.sin((x + 2 * number) / 17)
        green = 128 + 90 * np.sin((y + number) / 13)
        blue = 128 + 90 * np.sin((x + y - number) / 23)
        yield np.stack([red, green, blue], axis=-1).round().astype(np.uint8)


def psnr(first, second) -> float:
    return float(10 * np.log10(255**2 / np.mean((first.astype(float) - second) ** 2)))


@pytest.mark.parametrize(("crf", "bound"), [(0, 40.0), (18, 38.0), (35, 27.0)])
def test_pictures_survive(tmp_path, crf, bound):
    pictures = list(smooth(10))
    assert write_video(tmp_path / "v.mp4", pictures, 25, crf=crf, preset="fast") == 10
    back = list(iter_frames(tmp_path / "v.mp4"))
    assert len(back) == 10
    assert min(psnr(before, after) for before, after in zip(pictures, back, strict=True)) > bound


def test_lossless_colours_are_within_two_levels(tmp_path):
    # 8 bits of Y'CbCr in limited range hold RGB to about one level; BT.601 both ways.
    pictures = [np.full((32, 32, 3), colour, np.uint8) for colour in COLOURS]
    write_video(tmp_path / "v.mp4", pictures, 25, crf=0, preset="ultrafast")
    difference = np.stack(list(iter_frames(tmp_path / "v.mp4"))).astype(int) - np.stack(pictures)
    assert np.abs(difference).max() <= 2
    assert -1.5 < difference.mean() < 0.5  # FFmpeg's way back to RGB rounds down: see evalkit.media.colour


def test_chroma_does_not_wander(tmp_path):
    """A red bar on grey stays where it is: its centre of redness moves less than a tenth of a pixel.

    Were the place of chroma not written into the stream, a decoder would put it half a pixel to the left.
    """
    picture = np.full((64, 96, 3), 110, np.uint8)
    picture[:, 40:56] = (180, 80, 80)
    write_video(tmp_path / "v.mp4", [picture], 25, crf=0, preset="ultrafast")
    back = next(iter_frames(tmp_path / "v.mp4")).astype(float)
    redness = (back[..., 0] - back[..., 1]).clip(0).mean(axis=0)
    centre = (redness * np.arange(96)).sum() / redness.sum()
    assert centre == pytest.approx(47.5, abs=0.1)


@pytest.mark.parametrize("preset", ["ultrafast", "medium"])
def test_frames_keep_number_and_order(tmp_path, preset):
    write_video(tmp_path / "v.mp4", numbered(60), 25, preset=preset)
    assert [number_of(rgb) for rgb in iter_frames(tmp_path / "v.mp4")] == list(range(60))


@pytest.mark.parametrize(
    ("fps", "exact"),
    [
        (25, Fraction(25)),
        (Fraction(30_000, 1001), Fraction(30_000, 1001)),
        (30_000 / 1001, Fraction(30_000, 1001)),
        (23.976, Fraction(2997, 125)),
        (60.0, Fraction(60)),
    ],
)
def test_frame_rate_is_exact(tmp_path, fps, exact):
    write_video(tmp_path / "v.mp4", numbered(31), fps, preset="ultrafast")
    inspection = inspect_media(tmp_path / "v.mp4")
    assert inspection.facts.video.fps == round(float(exact), 6)
    np.testing.assert_allclose(inspection.times, [float(n / exact) for n in range(31)], atol=1e-6)


@pytest.mark.ffmpeg
def test_what_ffprobe_says_of_the_file(tmp_path):
    write_video(tmp_path / "v.mp4", smooth(30), Fraction(30_000, 1001), tone(440, 1.0, 16_000), preset="ultrafast")
    keys = "codec_name,pix_fmt,r_frame_rate,avg_frame_rate,nb_frames,color_space,color_range,chroma_location,start_time"
    lines = ffprobe(
        "-select_streams", "v", "-show_entries", f"stream={keys}", "-of", "default=nw=1", tmp_path / "v.mp4"
    )
    assert set(lines) == {
        "codec_name=h264", "pix_fmt=yuv420p", "r_frame_rate=30000/1001", "avg_frame_rate=30000/1001", "nb_frames=30",
        "color_space=bt470bg", "color_range=tv", "chroma_location=center", "start_time=0.000000",
    }  # fmt: skip


def delay(heard, played, rate: int) -> float:
    """Return by how many seconds ``heard`` is late, by cross-correlation."""
    size = 2 * max(len(heard), len(played))
    product = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(played, size)), size)
    lag = int(np.argmax(product))
    return (lag - size if lag > size // 2 else lag) / rate


@pytest.mark.parametrize("rate", [16_000, 22_050, 44_100, 48_000])
def test_sound_is_neither_late_nor_cut(tmp_path, rate):
    noise = np.random.default_rng(rate).normal(0, 0.1, 2 * rate)
    smoothed = np.convolve(noise, np.ones(8) / 8, mode="same").astype(np.float32)
    write_video(tmp_path / "v.mp4", numbered(50), 25, smoothed, rate, preset="ultrafast")
    heard = read_audio(tmp_path / "v.mp4", rate)
    assert abs(delay(heard, smoothed, rate)) <= 0.001
    assert 0 <= len(heard) - len(smoothed) <= 1024  # the last AAC block is filled up
    facts = inspect_media(tmp_path / "v.mp4").facts
    assert facts.audio.start_seconds == facts.video.start_seconds == 0.0
    assert (facts.audio.sample_rate, facts.audio.channels, facts.audio.codec) == (rate, 1, "aac")


def test_sound_longer_and_shorter_than_the_pictures(tmp_path):
    for seconds in (0.05, 3.0):
        write_video(tmp_path / "v.mp4", numbered(25), 25, tone(440, seconds, 16_000), preset="ultrafast")
        facts = inspect_media(tmp_path / "v.mp4").facts
        assert facts.video.frames == 25
        assert seconds <= facts.audio.duration_seconds <= seconds + 2 * 1024 / 16_000


def test_too_loud_sound_is_clipped(tmp_path):
    write_video(tmp_path / "v.mp4", numbered(25), 25, 8 * tone(100, 1.0, 16_000), preset="ultrafast")
    assert inspect_media(tmp_path / "v.mp4").facts.audio.peak < 1.5


def test_same_input_same_bytes(tmp_path):
    for name in ("a.mp4", "b.mp4"):
        write_video(tmp_path / name, smooth(12), 25, tone(440, 0.48, 16_000), preset="fast")
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_index_comes_first(tmp_path):
    write_video(tmp_path / "v.mp4", numbered(5), 25, preset="ultrafast")
    data = (tmp_path / "v.mp4").read_bytes()
    assert 0 < data.find(b"moov") < data.find(b"mdat")


# --- refused ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pictures", "words"),
    [
        ([], "at least one frame"),
        ([np.zeros((63, 96, 3), np.uint8)], "even sizes, found 96x63"),
        ([np.zeros((64, 95, 3), np.uint8)], "even sizes, found 95x64"),
        ([*numbered(90), picture_of(1, 64, 128)], "one size, found"),
        ([np.zeros((64, 96), np.uint8)], r"\(H, W, 3\) uint8, found uint8 \(64, 96\)"),
        ([np.zeros((64, 96, 4), np.uint8)], r"\(H, W, 3\) uint8"),
        ([np.zeros((64, 96, 3), np.float32)], "found float32"),
    ],
)
@pytest.mark.parametrize("audio", [None, np.zeros(1600, np.float32)])
def test_bad_frames_are_refused_and_leave_no_file(tmp_path, pictures, words, audio):
    with pytest.raises(ValueError, match=words):
        write_video(tmp_path / "v.mp4", pictures, 25, audio, preset="ultrafast")
    assert list(tmp_path.iterdir()) == []


def test_failing_frames_leave_no_file(tmp_path):
    def broken():
        yield from numbered(90)  # more than the encoder holds back
        raise KeyError("the generator's own")

    with pytest.raises(KeyError):
        write_video(tmp_path / "v.mp4", broken(), 25, preset="ultrafast")
    assert list(tmp_path.iterdir()) == []


def test_folder_that_is_missing(tmp_path):
    with pytest.raises(StorageError, match=r"can't be written\. Found No such file or directory"):
        write_video(tmp_path / "no" / "v.mp4", numbered(2), 25, preset="ultrafast")


def test_folder_in_place_of_the_file(tmp_path):
    with pytest.raises(StorageError, match="can't be written"):
        write_video(tmp_path, numbered(2), 25, preset="ultrafast")
    assert tmp_path.is_dir()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_full_disk(tmp_path):
    with pytest.raises(StorageError, match="can't be written"):
        write_video(Path("/dev/full"), numbered(50), 25, tone(440, 2, 16_000), preset="ultrafast")
    assert Path("/dev/full").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_full_disk_behind_a_link(tmp_path):
    link = tmp_path / "v.mp4"
    link.symlink_to("/dev/full")
    with pytest.raises(StorageError):
        write_video(link, numbered(50), 25, preset="ultrafast")
    assert Path("/dev/full").exists()
