"""Clips of 2 s that are broken in one way or in several, made with ffmpeg; `KINDS` lists them by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from clip_tools import ffmpeg, patch_matrix

SECONDS = 2
X264 = ("-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p")
AAC = ("-c:a", "aac")
HEVC = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none", "-tag:v", "hvc1")
PQ = ("-color_trc", "smpte2084", "-color_primaries", "bt2020", "-colorspace", "bt2020nc")
HLG = ("-color_trc", "arib-std-b67", "-color_primaries", "bt2020", "-colorspace", "bt2020nc")
INTERLACED = ("-vf", "interlace,setfield=tff", "-flags", "+ilme+ildct")
DROPPED = ("-vf", "select='gt(mod(n,5),1)'", "-fps_mode", "vfr")


def pictures(size: str = "64x64", rate: float = 25, seconds: float = SECONDS) -> tuple[str, ...]:
    """Return the input of moving pictures."""
    return ("-f", "lavfi", "-i", f"testsrc2=s={size}:r={rate}:d={seconds}")


def sound(rate: int = 16_000, seconds: float = SECONDS) -> tuple[str, ...]:
    """Return the input of a tone."""
    return ("-f", "lavfi", "-i", f"sine=440:d={seconds}:sample_rate={rate}")


@dataclass(frozen=True)
class Kind:
    """A broken file.

    Args:
        make: writes it.
        name: of the file, with ``{}`` for the sample's id.
        rule: the rule that it breaks for good; ``None`` when it is valid after the repair.
        why: what the report says then.
        left: warnings that stay after the repair.
    """

    make: Callable[[Path], None]
    name: str = "{}.mp4"
    rule: str | None = None
    why: str = ""
    left: tuple[str, ...] = ()


def encoded(*words: str, inputs: Sequence[str] = (*pictures(), *sound())) -> Callable[[Path], None]:
    """Return what encodes the inputs; later options win over the usual ones."""
    return lambda path: _run(path, *inputs, *X264, *AAC, *words)


def copied(*after: str, before: Sequence[str] = ()) -> Callable[[Path], None]:
    """Return what copies the streams of a good file with ``before`` its input and ``after`` it."""

    def make(path: Path) -> None:
        plain = path.with_suffix(".plain.mp4")
        _run(plain, *pictures(), *sound(), *X264, *AAC)
        _run(path, *before, "-i", str(plain), *(word.format(plain=plain) for word in after), "-c", "copy")
        plain.unlink()

    return make


def turned(*matrix: int, words: Sequence[str] = ()) -> Callable[[Path], None]:
    """Return what encodes with ``words`` and sets (a, b, c, d) of the display matrix."""

    def make(path: Path) -> None:
        encoded(*words)(path)
        patch_matrix(path, path, (matrix[0], matrix[1], matrix[2], matrix[3]))

    return make


def bytes_of(change: Callable[[bytes], bytes], *words: str) -> Callable[[Path], None]:
    """Return what encodes a file and changes its bytes."""

    def make(path: Path) -> None:
        _run(path, *pictures(), *sound(), *X264, *AAC, *words)
        path.write_bytes(change(path.read_bytes()))

    return make


def _web_page(path: Path) -> None:
    path.write_text("<html>404</html>")


def _run(path: Path, *words: str) -> None:
    ffmpeg(*words, path)


def _damaged(data: bytes) -> bytes:
    """Return the file with random bytes in the middle of its media data."""
    start = data.index(b"mdat") + 3000
    return data[:start] + bytes((value * 73 + 41) % 256 for value in range(4000)) + data[start + 4000 :]


def _two_sizes(path: Path) -> None:
    parts = [path.with_suffix(f".{number}.ts") for number in range(2)]
    for part, size in zip(parts, ("64x64", "96x64"), strict=True):
        _run(part, *pictures(size, seconds=1), *sound(seconds=1), *X264, *AAC)
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    for part in parts:
        part.unlink()


ANTIPHASE = "pan=stereo|c0=c0|c1=-1*c0"
INDEX_FIRST = ("-movflags", "+faststart")
TAIL, SHORT = (*pictures(seconds=2.4), *sound()), (*pictures(seconds=1), *sound(seconds=1))
SLOW = (*pictures(seconds=3), *sound())
FIELDS = (*pictures(rate=50), *sound())
LOST = "a part of the file is lost"
UNREADABLE = "there is no video in it that can be read"
AT_3_S = (*pictures(seconds=3), *sound(seconds=3))

KINDS: dict[str, Kind] = {
    # names
    "copy": Kind(encoded(), "{} (1).mp4"),
    "spaces": Kind(encoded(), "{} .mp4"),
    "capitals": Kind(encoded(), "{}.MP4"),
    "folder": Kind(encoded(), "my results/{}.mp4"),
    # containers and codecs
    "mkv": Kind(encoded(), "{}.mkv"),
    "avi_renamed": Kind(encoded("-c:v", "mpeg4", "-c:a", "libmp3lame", "-f", "avi")),
    "avi": Kind(encoded("-c:v", "mpeg4", "-c:a", "libmp3lame"), "{}.avi"),
    "vp9_webm": Kind(encoded("-c:v", "libvpx-vp9", "-cpu-used", "8", "-c:a", "libopus"), "{}.webm"),
    "webm_renamed": Kind(encoded("-c:v", "libvpx-vp9", "-cpu-used", "8", "-c:a", "libopus", "-f", "webm")),
    "prores": Kind(encoded("-c:v", "prores_ks", "-pix_fmt", "yuv422p10le", "-c:a", "pcm_s16le"), "{}.mov"),
    "prores_alpha": Kind(
        encoded("-c:v", "prores_ks", "-profile:v", "4444", "-pix_fmt", "yuva444p10le", "-c:a", "pcm_s16le"), "{}.mov"
    ),
    "vp9_alpha": Kind(
        encoded("-c:v", "libvpx-vp9", "-cpu-used", "8", "-pix_fmt", "yuva420p", "-c:a", "libopus"), "{}.webm"
    ),
    "hevc": Kind(encoded(*HEVC)),
    "av1": Kind(encoded("-c:v", "libaom-av1", "-cpu-used", "8", "-row-mt", "1")),
    "mpeg2": Kind(encoded("-c:v", "mpeg2video", "-c:a", "mp2"), "{}.mpg"),
    "flv": Kind(encoded("-c:v", "flv", "-c:a", "libmp3lame", "-ar", "44100"), "{}.flv"),
    "wmv": Kind(encoded("-c:v", "wmv2", "-c:a", "wmav2"), "{}.wmv"),
    "ts_renamed": Kind(encoded("-f", "mpegts")),
    "motion_jpeg": Kind(encoded("-c:v", "mjpeg", "-pix_fmt", "yuvj422p", "-c:a", "pcm_s16le"), "{}.mov"),
    "ffv1": Kind(encoded("-c:v", "ffv1", "-c:a", "flac"), "{}.mkv"),
    "fragmented": Kind(encoded("-movflags", "frag_keyframe+empty_moov")),
    # pictures
    "ten_bit": Kind(encoded("-pix_fmt", "yuv420p10le")),
    "yuv422": Kind(encoded("-pix_fmt", "yuv422p")),
    "rgb": Kind(encoded("-c:v", "libx264rgb", "-pix_fmt", "rgb24")),
    "grey": Kind(encoded("-pix_fmt", "gray")),
    "hdr_pq": Kind(encoded(*HEVC, "-pix_fmt", "yuv420p10le", *PQ)),
    "hdr_hlg": Kind(encoded(*HEVC, "-pix_fmt", "yuv420p10le", *HLG)),
    "hlg_8_bit": Kind(encoded(*HLG)),
    "bt2020": Kind(encoded("-color_primaries", "bt2020", "-colorspace", "bt2020nc", "-color_trc", "bt709")),
    "odd_size": Kind(encoded("-pix_fmt", "yuv444p", inputs=(*pictures("63x65"), *sound()))),
    "rotated": Kind(turned(0, 1, -1, 0)),
    "mirrored": Kind(turned(-1, 0, 0, 1)),
    "interlaced": Kind(encoded(*INTERLACED, inputs=FIELDS)),
    "wide_pixels": Kind(encoded("-vf", "setsar=4/3")),
    "too_large": Kind(encoded(inputs=(*pictures("128x128"), *sound()))),
    "two_sizes": Kind(_two_sizes),
    # time
    "variable_rate": Kind(encoded(*DROPPED)),
    "slow_rate": Kind(encoded(inputs=(*pictures(rate=12), *sound())), left=("content.duplicate-frames",)),
    "fast_rate": Kind(encoded(inputs=(*pictures(rate=120), *sound()))),
    "late_sound": Kind(encoded(inputs=(*pictures(), "-itsoffset", "0.4", *sound(seconds=1.6)))),
    "late_pictures": Kind(copied("-itsoffset", "0.24", "-i", "{plain}", "-map", "1:v", "-map", "0:a")),
    "negative_start": Kind(copied("-output_ts_offset", "-0.2", "-avoid_negative_ts", "disabled")),
    "tail": Kind(encoded(inputs=TAIL)),
    "slow": Kind(encoded(inputs=SLOW), rule="content.length", why="a video of another length"),
    "too_long": Kind(encoded(inputs=AT_3_S), rule="content.length", why="a video of another length"),
    "too_short": Kind(encoded(inputs=SHORT), rule="content.length", why="a video of another length"),
    # sound
    "no_sound": Kind(encoded("-an")),
    "empty_sound": Kind(encoded("-frames:a", "0")),
    "eight_khz": Kind(encoded("-ar", "8000")),
    "stereo": Kind(encoded("-ac", "2", "-ar", "44100")),
    "six_channels": Kind(encoded("-ac", "6", "-ar", "48000")),
    "ac3": Kind(encoded("-c:a", "ac3", "-ar", "48000")),
    "long_sound": Kind(encoded(inputs=(*pictures(), *sound(seconds=4)))),
    "endless_sound": Kind(encoded(inputs=(*pictures(), *sound(seconds=90)))),
    "long_sound_hevc_late": Kind(encoded(*HEVC, inputs=(*pictures(), "-itsoffset", "0.4", *sound(seconds=9)))),
    "short_sound": Kind(encoded(inputs=(*pictures(), *sound(seconds=1)))),
    "antiphase": Kind(encoded("-af", ANTIPHASE)),
    "antiphase_8_khz_vp9": Kind(
        encoded("-c:v", "libvpx-vp9", "-cpu-used", "8", "-af", ANTIPHASE, "-c:a", "aac", "-ar", "8000")
    ),
    # streams
    "two_sounds": Kind(encoded("-map", "0:v", "-map", "1:a", "-map", "1:a")),
    "two_videos": Kind(encoded("-map", "0:v", "-map", "0:v", "-map", "1:a")),
    # several faults of one file
    "hevc_10_bit_mute": Kind(encoded(*HEVC, "-pix_fmt", "yuv420p10le", "-an")),
    "rotated_8_khz": Kind(turned(0, -1, 1, 0, words=("-ar", "8000")), "{} (2).mp4"),
    "interlaced_wide_ac3": Kind(
        encoded("-vf", "interlace,setfield=tff,setsar=4/3", *INTERLACED[2:], "-c:a", "ac3", inputs=FIELDS)
    ),
    "webm_odd_large_mute": Kind(
        encoded("-c:v", "libvpx-vp9", "-cpu-used", "8", "-pix_fmt", "yuv444p", "-an", inputs=pictures("127x129")),
        "{}.webm",
    ),
    "avi_slow_copy": Kind(
        encoded("-c:v", "mpeg4", "-c:a", "libmp3lame", inputs=(*pictures(rate=10), *sound())),
        "{} (1).avi",
        left=("content.duplicate-frames",),
    ),
    "hlg_large": Kind(encoded(*HEVC, "-pix_fmt", "yuv420p10le", *HLG, inputs=(*pictures("128x128"), *sound()))),
    "variable_late": Kind(encoded(*DROPPED, inputs=(*pictures(), "-itsoffset", "0.4", *sound(seconds=1.6)))),
    "prores_tail_wide": Kind(
        encoded("-c:v", "prores_ks", "-pix_fmt", "yuv422p10le", "-vf", "setsar=4/3", "-c:a", "pcm_s16le", inputs=TAIL),
        "{}.mov",
    ),
    # beyond repair
    "truncated": Kind(bytes_of(lambda data: data[: len(data) * 2 // 3], *INDEX_FIRST),
                      rule="content.truncated", why=LOST),
    "no_index": Kind(bytes_of(lambda data: data[: data.rindex(b"moov") - 4]),
                     rule="encoding.not-media", why=UNREADABLE),
    "damaged": Kind(bytes_of(_damaged, *INDEX_FIRST), rule="content.decode-errors", why=LOST),
    "damaged_12_fps_wide": Kind(
        bytes_of(_damaged, *INDEX_FIRST, "-r", "12", "-vf", "setsar=4/3"), rule="content.decode-errors", why=LOST
    ),
    "hevc_truncated": Kind(bytes_of(lambda data: data[: len(data) * 2 // 3], *HEVC, *INDEX_FIRST),
                           rule="encoding.codec", why=LOST),
    "mkv_truncated": Kind(bytes_of(lambda data: data[: len(data) * 2 // 3]), "{}.mkv",
                          rule="content.length", why="a video of another length"),
    "empty": Kind(lambda path: path.touch(), rule="encoding.not-media", why=UNREADABLE),
    "text": Kind(_web_page, rule="encoding.not-media", why=UNREADABLE),
    "no_frames": Kind(encoded("-frames:v", "0"), rule="encoding.no-video", why=UNREADABLE),
    "one_frame": Kind(encoded("-frames:v", "1"), rule="content.too-few-frames", why="no conversion makes frames"),
    "sound_only": Kind(encoded("-vn"), rule="encoding.no-video", why=UNREADABLE),
    "jpeg": Kind(encoded("-frames:v", "1", "-c:v", "mjpeg", "-f", "image2", "-update", "1", inputs=pictures()),
                 rule="encoding.container", why="a still picture"),
    "png": Kind(encoded("-frames:v", "1", "-c:v", "png", "-pix_fmt", "rgb24", inputs=pictures()), "{}.png",
                rule="encoding.container", why="a still picture"),
    "gif": Kind(encoded("-c:v", "gif", "-pix_fmt", "rgb8", "-f", "gif", inputs=pictures()), "{}.gif"),
    "gif_renamed": Kind(encoded("-c:v", "gif", "-pix_fmt", "rgb8", "-f", "gif", inputs=pictures())),
    "encrypted": Kind(encoded("-encryption_scheme", "cenc-aes-ctr",
                              "-encryption_key", f"{7:032x}", "-encryption_kid", f"{9:032x}"),
                      rule="encoding.encrypted", why="only its owner"),
}  # fmt: skip
