"""The decoder against ffmpeg's own programs: the same frames, the same planes, the same times, the right colours."""

from __future__ import annotations

import contextlib
import hashlib
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest
from clip_tools import ffmpeg, ffprobe, grey_planes, patch_edit, patch_matrix, write_raw

from evalkit.media.colour import luma
from evalkit.media.container import open_media
from evalkit.media.decode import iter_frames
from evalkit.media.inspect import inspect_media, scan_times

pytestmark = pytest.mark.ffmpeg

CLIPS = [f"clips/c{number:02d}.mp4" for number in range(1, 10)] + [f"clips/c{number}.mpg" for number in (10, 11, 12)]
NASTY = [
    f"nasty/{name}.mp4"
    for name in (
        "fragmented",
        "odd_511",
        "h264_10bit",
        "h265_hvc1",
        "av1_aac",
        "vp9_opus",
        "mpeg4part2",
        "vfr_drop",
        "fps60_dup",
        "audio_early_400ms_startpts",
        "webm_renamed",
        "one_frame",
        "truncated_moov_ok",
    )
]
LARGE = {"clips/c04.mp4", "clips/c05.mp4", "clips/c06.mp4", "clips/c08.mp4"}
# docs/definitions/frames-and-audio.md#colour. The arithmetic of BT.601 and BT.709: weights of red and blue in luma.
WEIGHTS = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722)}
# The flags that evalkit uses (evalkit.media.colour), for the scaler of ffmpeg's command line.


# --- planes and times -------------------------------------------------------------------------------------------------


def decoded(container, stream):
    """Yield frames; skip packets that the decoder refuses, as ffmpeg does."""
    for packet in container.demux(stream):
        with contextlib.suppress(av.error.FFmpegError):
            yield from packet.decode()


def native_digests(path: Path, limit: int) -> tuple[str, list[str]]:
    """Return the pixel format and the MD5 of every decoded frame's planes, without padding."""
    digests = []
    with open_media(path) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        for frame in islice(decoded(container, stream), limit):
            digest = hashlib.md5()
            for index, plane in enumerate(frame.planes):
                rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
                bits = frame.format.components[index].bits
                digest.update(rows[: plane.height, : plane.width * (2 if bits > 8 else 1)].tobytes())
            digests.append(digest.hexdigest())
        return str(stream.codec_context.pix_fmt), digests


@pytest.mark.shared
@pytest.mark.parametrize("name", CLIPS + NASTY)
def test_planes_are_those_of_ffmpeg(shared, name):
    path = shared / "data" / name
    limit = 60 if name in LARGE else 100_000
    form, ours = native_digests(path, limit)
    lines = ffmpeg(
        "-noautorotate", "-i", path, "-map", "0:v:0", "-fps_mode", "passthrough", "-frames:v", limit,
        "-pix_fmt", form, "-f", "framemd5", "-",
    )  # fmt: skip
    theirs = [line.rsplit(",", 1)[1].strip() for line in lines.decode().splitlines() if not line.startswith("#")]
    assert ours == theirs


@pytest.mark.shared
@pytest.mark.parametrize("name", CLIPS + NASTY)
def test_number_of_frames_and_times_are_those_of_ffprobe(shared, name):
    path = shared / "data" / name
    lines = ffprobe(
        "-select_streams", "v:0", "-show_entries", "frame=best_effort_timestamp_time", "-of", "csv=p=0", path
    )
    expected = [float(line.rstrip(",")) for line in lines]
    inspection = inspect_media(path)
    assert len(inspection.times) == len(expected)
    np.testing.assert_allclose(inspection.times, expected, rtol=0, atol=1e-6)
    if name != "nasty/truncated_moov_ok.mp4":  # its last packet is cut in two and gives no frame
        np.testing.assert_allclose(scan_times(path), inspection.times, rtol=0, atol=1e-6)


@pytest.mark.shared
def test_clip_with_a_rate_of_1350_61_has_a_late_first_frame_and_one_long_interval(shared):
    # 135 frames at 30/s, of which the header makes 1350/61 = 22.13/s because it counts the time before and a long gap.
    inspection = inspect_media(shared / "data/clips/c02.mp4")
    assert inspection.facts.video.fps == pytest.approx(30, abs=0.01)
    assert inspection.facts.video.start_seconds == pytest.approx(0.033008, abs=1e-6)
    assert inspection.facts.video.irregular_share > 0


@pytest.mark.shared
def test_packets_that_the_edit_list_drops_are_not_frames(shared):
    video = inspect_media(shared / "data/clips/c09.mp4").facts.video
    assert (video.packets, video.frames, video.missing_packets) == (62, 61, 0)


def test_edit_list_that_skips_whole_groups_of_pictures_is_not_truncation(tmp_path):
    # 100 frames with a key frame every 10; the edit shows 2 s from 1 s on. FFmpeg leaves the first two groups out.
    ffmpeg(
        "-f", "lavfi", "-i", "testsrc=s=64x64:r=25:d=4", "-c:v", "libx264", "-g", 10, "-bf", 2, tmp_path / "all.mp4"
    )  # fmt: skip
    path = patch_edit(tmp_path / "all.mp4", tmp_path / "cut.mp4", skip_ticks=12800, length=2000)
    inspection = inspect_media(path)
    video = inspection.facts.video
    assert (video.frames, video.missing_packets, video.decode_errors) == (50, 0, 0)
    assert video.header_frames == video.packets < 100
    assert video.duration_seconds == pytest.approx(2.0)
    np.testing.assert_allclose(scan_times(path), inspection.times, atol=1e-9)


def test_b_frames_come_in_display_order(tmp_path):
    pictures = [grey_planes(np.full((32, 32), 40 + 4 * number, np.uint8)) for number in range(40)]
    path = write_raw(
        tmp_path / "b.mp4", pictures, (32, 32), options={"crf": "1", "bf": "3", "x264-params": "b-adapt=0"}
    )
    assert int(ffprobe("-select_streams", "v:0", "-show_entries", "stream=has_b_frames", "-of", "csv=p=0", path)[0]) > 0
    with open_media(path) as container:
        levels = [int(luma(frame)[0, 0]) for frame in container.decode(container.streams.video[0])]
    np.testing.assert_allclose(levels, [40 + 4 * number for number in range(40)], atol=1)
    np.testing.assert_allclose(inspect_media(path).times, np.arange(40) / 25, atol=1e-9)


# --- luma -------------------------------------------------------------------------------------------------------------


@pytest.mark.shared
def test_luma_of_ten_bits_is_the_plane_divided_by_four(shared):
    path = shared / "data/nasty/h264_10bit.mp4"
    with open_media(path) as container:
        frame = next(container.decode(container.streams.video[0]))
        ours = luma(frame)
    raw = ffmpeg("-i", path, "-frames:v", 1, "-f", "rawvideo", "-pix_fmt", "yuv420p10le", "-")
    plane = np.frombuffer(raw, "<u2", 512 * 512).reshape(512, 512)
    np.testing.assert_array_equal(ours, plane >> 2)


@pytest.mark.parametrize("form", ["rgb24", "gbrp", "yuyv422"])
def test_luma_of_formats_without_a_first_luma_plane_is_a_grey_conversion(tmp_path, form):
    rgb = np.zeros((32, 32, 3), np.uint8) + np.array([200, 100, 50], np.uint8)
    frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
    grey = luma(frame if form == "rgb24" else frame.reformat(format=form))
    # 0.299 * 200 + 0.587 * 100 + 0.114 * 50 = 124.2, or 16 + 124.2 * 219 / 255 = 122.7 in limited range
    assert grey.shape == (32, 32)
    assert 121 <= grey.mean() <= 126


# --- RGB --------------------------------------------------------------------------------------------------------------


def exact_rgb(y, u, v, matrix: str, full: bool) -> np.ndarray:
    """Return RGB in 0..255 as float64 by ITU-R BT.601/709: Y' = Kr R + Kg G + Kb B, Cb = (B - Y') / (2 (1 - Kb))."""
    red, blue = WEIGHTS[matrix]
    y, u, v = (np.asarray(part, dtype=np.float64) for part in (y, u, v))
    y = y / 255 if full else (y - 16) / 219
    u, v = (u - 128) / (255 if full else 224), (v - 128) / (255 if full else 224)
    r, b = y + 2 * (1 - red) * v, y + 2 * (1 - blue) * u
    g = (y - red * r - blue * b) / (1 - red - blue)
    return np.clip(np.stack([r, g, b], axis=-1) * 255, 0, 255)


def upsampled(chroma, *, left: bool) -> np.ndarray:
    """Return (2H, 2W): linear interpolation of (H, W) chroma that lies left of or amid its four pixels."""
    height, width = chroma.shape
    rows = (np.arange(2 * height) + 0.5) / 2 - 0.5
    columns = np.arange(2 * width) / 2 if left else (np.arange(2 * width) + 0.5) / 2 - 0.5

    def along(values, places):
        places = np.clip(places, 0, len(values) - 1)
        low = np.minimum(places.astype(int), len(values) - 2)
        part = (places - low).reshape(-1, *[1] * (values.ndim - 1))
        return values[low] * (1 - part) + values[low + 1] * part

    return along(along(chroma.astype(np.float64), rows).T, columns).T


def planes_420(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    with open_media(path) as container:
        frame = next(container.decode(container.streams.video[0]))
        return tuple(
            np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width].astype(int)
            for plane in frame.planes
        )


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "matrix", "left"),
    [
        ("clips/c03.mp4", "bt601", True),  # H.264 without tags
        ("clips/c06.mp4", "bt709", True),  # H.264, tagged BT.709
        ("clips/c04.mp4", "bt709", True),  # HEVC, tagged BT.709
        ("clips/c01.mp4", "bt601", True),  # MPEG-4 part 2
        ("clips/c10.mpg", "bt601", False),  # MPEG-1: chroma amid its four pixels
    ],
)
def test_rgb_of_real_frames_is_near_the_exact_arithmetic(shared, name, matrix, left):
    path = shared / "data" / name
    y, u, v = planes_420(path)
    expected = exact_rgb(y, upsampled(u, left=left), upsampled(v, left=left), matrix, full=False)
    difference = (next(iter_frames(path)).astype(float) - expected)[2:-2, 2:-2]
    # FFmpeg's path repeats chroma and rounds down: see evalkit.media.colour.
    assert np.abs(difference).mean() < 2.0
    assert -1.6 < difference.mean() < -0.5


COLOURS = [
    (16, 128, 128),
    (235, 128, 128),
    (81, 90, 240),
    (145, 54, 34),
    (41, 240, 110),
    (128, 100, 160),
    (60, 180, 90),
]


@pytest.mark.parametrize("form", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le"])
@pytest.mark.parametrize(("space", "matrix"), [(1, "bt709"), (2, "bt601"), (5, "bt601"), (6, "bt601")])
def test_matrix_follows_the_tag(tmp_path, form, space, matrix):
    height, width = {"yuv420p": (8, 8), "yuv420p10le": (8, 8), "yuv422p": (16, 8), "yuv444p": (16, 16)}[form]
    kind, scale = ("<u2", 4) if "10" in form else (np.uint8, 1)
    frames = [
        np.full((16, 16), y * scale, kind).tobytes()
        + np.full((height, width), u * scale, kind).tobytes()
        + np.full((height, width), v * scale, kind).tobytes()
        for y, u, v in COLOURS
    ]
    path = write_raw(tmp_path / "c.mp4", frames, (16, 16), pixel_format=form, colorspace=space, color_range=1)
    for rgb, colour in zip(iter_frames(path), COLOURS, strict=True):
        np.testing.assert_allclose(rgb[8, 8], exact_rgb(*colour, matrix, full=False), atol=3.0)


@pytest.mark.parametrize(("form", "tag"), [("yuvj420p", 2), ("yuv420p", 2), ("yuvj420p", None)])
def test_full_range_is_not_stretched(tmp_path, form, tag):
    frames = [bytes([y]) * 256 + bytes([u]) * 64 + bytes([v]) * 64 for y, u, v in [(0, 128, 128), *COLOURS]]
    path = write_raw(tmp_path / "full.mp4", frames, (16, 16), pixel_format=form, colorspace=1, color_range=tag)
    for rgb, colour in zip(iter_frames(path), [(0, 128, 128), *COLOURS], strict=True):
        np.testing.assert_allclose(rgb[8, 8], exact_rgb(*colour, "bt709", full=True), atol=3.0)


def test_full_range_is_told_by_the_tag_alone(tmp_path):
    # VP9 has no pixel format of its own for full range, as H.264 has (yuvj420p).
    frames = [bytes([y]) * 4096 + bytes([u]) * 1024 + bytes([v]) * 1024 for y, u, v in COLOURS]
    path = write_raw(
        tmp_path / "full.webm", frames, (64, 64), codec="libvpx-vp9", options={"lossless": "1"}, colorspace=1,
        color_range=2,
    )  # fmt: skip
    assert inspect_media(path).facts.video.pixel_format == "yuv420p"
    for rgb, colour in zip(iter_frames(path), COLOURS, strict=True):
        np.testing.assert_allclose(rgb[8, 8], exact_rgb(*colour, "bt709", full=True), atol=3.0)


@pytest.mark.shared
@pytest.mark.parametrize(
    "name",
    ["clips/c01.mp4", "clips/c03.mp4", "clips/c06.mp4", "clips/c09.mp4", "clips/c10.mpg"],
)
def test_rgb_is_bit_identical_with_ffmpegs_default_conversion(shared, name):
    path = shared / "data" / name
    ours = np.stack(list(islice(iter_frames(path), 4)))
    raw = ffmpeg(
        "-i", path, "-map", "0:v:0", "-fps_mode", "passthrough", "-frames:v", 4,
        "-f", "rawvideo", "-pix_fmt", "rgb24", "-",
    )  # fmt: skip
    np.testing.assert_array_equal(ours, np.frombuffer(raw, np.uint8).reshape(ours.shape))


@pytest.mark.shared
def test_rgb_is_bit_identical_with_opencv(shared):
    import cv2

    path = shared / "data" / "talking-heads" / "testset" / "videos" / "s01.mp4"
    capture = cv2.VideoCapture(str(path))
    for ours in islice(iter_frames(path), 5):
        theirs = cv2.cvtColor(capture.read()[1], cv2.COLOR_BGR2RGB)
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.shared
def test_444_with_odd_sizes_is_bit_identical_with_ffmpeg(shared):
    path = shared / "data/nasty/odd_511.mp4"
    ours = np.stack(list(islice(iter_frames(path), 5)))
    raw = ffmpeg("-i", path, "-map", "0:v:0", "-frames:v", 5, "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
    assert ours.shape == (5, 511, 511, 3)
    np.testing.assert_array_equal(ours.ravel(), np.frombuffer(raw, np.uint8))


def test_odd_sizes_in_420_keep_their_last_row_and_column(tmp_path):
    ramp = (np.arange(33)[:, None] * 3 + np.arange(35)[None, :] * 2 + 40).astype(np.uint8)
    raw = ramp.tobytes() + bytes([128]) * (2 * 17 * 18)
    ffmpeg(
        "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", "35x33", "-i", "-", "-c:v", "ffv1", tmp_path / "odd.mkv",
        data=raw,
    )  # fmt: skip
    rgb = next(iter_frames(tmp_path / "odd.mkv"))
    expected = exact_rgb(ramp, np.full(ramp.shape, 128), np.full(ramp.shape, 128), "bt601", full=False)
    assert rgb.shape == (33, 35, 3)
    np.testing.assert_allclose(rgb, expected, atol=3.0)


# --- orientation ------------------------------------------------------------------------------------------------------

TURNS = {  # display matrix (a, b, c, d): FFmpeg's rotation, what happens to the picture
    "upright": ((1, 0, 0, 1), 0, False, lambda p: p),
    "clockwise": ((0, 1, -1, 0), -90, False, lambda p: np.rot90(p, -1)),
    "upside-down": ((-1, 0, 0, -1), 180, False, lambda p: np.rot90(p, 2)),
    "counterclockwise": ((0, -1, 1, 0), 90, False, lambda p: np.rot90(p, 1)),
    "mirrored": ((-1, 0, 0, 1), 180, True, np.fliplr),
    "mirrored-down": ((1, 0, 0, -1), 0, True, np.flipud),
    "transposed": ((0, 1, 1, 0), -90, True, lambda p: p.swapaxes(0, 1)),
}


@pytest.fixture(scope="module")
def upright_clip(tmp_path_factory):
    picture = (np.arange(64)[:, None] * 2 + np.arange(96)[None, :] + 16).clip(16, 235).astype(np.uint8)
    path = tmp_path_factory.mktemp("turned") / "upright.mp4"
    return write_raw(path, [grey_planes(picture)] * 3, (96, 64))


@pytest.mark.parametrize("turn", TURNS)
def test_pictures_are_shown_as_the_display_matrix_says(tmp_path, upright_clip, turn):
    matrix, rotation, mirrored, shown = TURNS[turn]
    path = patch_matrix(upright_clip, tmp_path / f"{turn}.mp4", matrix)
    rgb = next(iter_frames(path))
    np.testing.assert_array_equal(rgb, shown(next(iter_frames(upright_clip))))
    assert rgb.flags.c_contiguous
    raw = ffmpeg("-i", path, "-frames:v", 1, "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
    theirs = np.frombuffer(raw, np.uint8).reshape(rgb.shape).astype(int)
    assert np.abs(theirs - rgb).max() <= 3  # without colour nothing but ffmpeg's darker rounding is left
    video = inspect_media(path).facts.video
    assert (video.rotation - rotation) % 360 == 0
    assert video.mirrored is mirrored


@pytest.mark.shared
def test_rotated_file_has_the_orientation_of_ffmpegs_autorotate(shared):
    path = shared / "data/nasty/rotated90_metadata.mp4"
    ours = next(iter_frames(path)).astype(int)
    raw = ffmpeg("-i", path, "-map", "0:v:0", "-frames:v", 1, "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
    theirs = np.frombuffer(raw, np.uint8).reshape(ours.shape)
    assert np.abs(ours - theirs).mean() < 1.6
    assert np.abs(np.rot90(ours) - theirs).mean() > 10
