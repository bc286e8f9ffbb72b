"""A submission of which every fifth video is broken, in twenty ways; the others are good."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from clip_tools import ffmpeg

Break = Callable[[bytes, Path], bytes | None]
X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")


def coded(*words: str, form: str = "mp4") -> Break:
    """Encode the good video anew, with these words between ffmpeg's input and output."""

    def broken(good: bytes, folder: Path) -> bytes:
        source, target = folder / "in.mp4", folder / f"out.{form}"
        source.write_bytes(good)
        ffmpeg("-i", source, *words, target)
        return target.read_bytes()

    return broken


def cut(flags: str) -> Break:
    """Keep three fifths of the file, written with these flags of ffmpeg's MP4 writer."""

    def broken(good: bytes, folder: Path) -> bytes | None:
        whole = coded("-c", "copy", "-movflags", flags)(good, folder)
        return whole[: len(whole) * 3 // 5] if whole else None

    return broken


def scrambled(good: bytes, folder: Path) -> bytes:
    """Overwrite a stretch in the middle of the media data."""
    at = good.index(b"mdat") + 4
    middle, noise = at + (len(good) - at) // 4, np.random.default_rng(0).bytes(len(good) // 3)
    return good[:middle] + noise + good[middle + len(noise) :]


def resized(good: bytes, folder: Path) -> bytes:
    """Join two H.264 streams of different sizes into one file; the header tells of the first only."""
    parts = []
    for number, size in enumerate(("96:96", "64:64")):
        (folder / "in.mp4").write_bytes(good)
        part = folder / f"part{number}.ts"
        ffmpeg(
            "-i", folder / "in.mp4", "-vf", f"scale={size}", *X264, "-bsf:v", "h264_mp4toannexb", "-c:a", "aac", part
        )
        parts.append(part)
    (folder / "both.ts").write_bytes(b"".join(part.read_bytes() for part in parts))
    ffmpeg("-i", folder / "both.ts", "-c", "copy", "-bsf:a", "aac_adtstoasc", folder / "both.mp4")
    return (folder / "both.mp4").read_bytes()


# Way -> how it is made, and the rule that must speak. ``None`` in place of bytes: the file is left out.
WAYS: dict[str, tuple[Break, str]] = {
    "empty": (lambda good, folder: b"", "encoding.not-media"),
    "noise": (lambda good, folder: np.random.default_rng(1).bytes(len(good)), "encoding.not-media"),
    "text": (lambda good, folder: b"404 Not Found\n" * 50, "encoding.not-media"),
    "cut, its index at the end": (cut("0"), "encoding.not-media"),
    "cut, its index in front": (cut("+faststart"), "content.truncated"),
    "scrambled": (scrambled, "content.decode-errors"),
    "no audio": (coded("-an", "-c", "copy"), "encoding.audio-missing"),
    "no video": (coded("-vn", "-c", "copy"), "encoding.no-video"),
    "HEVC": (coded("-c:v", "libx265", "-x265-params", "log-level=none", "-c:a", "copy"), "encoding.codec"),
    "MPEG-4 part 2": (coded("-c:v", "mpeg4", "-c:a", "copy"), "encoding.codec"),
    "VP9": (coded("-c:v", "libvpx-vp9", "-c:a", "copy"), "encoding.codec"),
    "ten bits": (coded("-c:v", "libx264", "-pix_fmt", "yuv420p10le", "-c:a", "copy"), "encoding.pixel-format"),
    "full colour": (coded("-c:v", "libx264", "-pix_fmt", "yuv444p", "-c:a", "copy"), "encoding.pixel-format"),
    "too slow": (coded("-r", "10", *X264, "-c:a", "copy"), "encoding.frame-rate"),
    "frames left out": (
        coded("-vf", "select='not(eq(mod(n,3),1))'", "-fps_mode", "vfr", *X264, "-c:a", "copy"),
        "encoding.variable-frame-rate",
    ),
    "interlaced": (
        coded("-vf", "setfield=tff", "-flags", "+ilme+ildct", "-x264opts", "tff=1", *X264, "-c:a", "copy"),
        "encoding.interlaced",
    ),
    "one frame": (coded("-frames:v", "1", *X264, "-c:a", "copy"), "content.too-few-frames"),
    "another size midway": (resized, "content.size-change"),
    "a wrong checksum": (lambda good, folder: good, "archive.unreadable-member"),
    "left out": (lambda good, folder: None, "layout.missing"),
}
WRONG_SUM = "a wrong checksum"


def write_broken(path: Path, good: Path, folder: Path) -> dict[str, str]:
    """Write the submission ``good`` to ``path`` with every fifth video broken; return sample -> way."""
    ways = list(WAYS)
    chosen: dict[str, str] = {}
    wrong: list[str] = []
    with zipfile.ZipFile(good) as source, zipfile.ZipFile(path, "w") as target:
        for number, name in enumerate(sorted(source.namelist())):
            data: bytes | None = source.read(name)
            if number % 5 == 0:
                way = ways[number // 5 % len(ways)]
                chosen[Path(name).stem] = way
                work = folder / f"work{number}"
                work.mkdir(parents=True)
                data = WAYS[way][0](data or b"", work)
                if way == WRONG_SUM:
                    wrong.append(name)
            if data is not None:
                target.writestr(name, data)
    _spoil_sums(path, wrong)
    return chosen


def _spoil_sums(path: Path, names: list[str]) -> None:
    """Write another checksum into both headers of each member."""
    with zipfile.ZipFile(path) as archive:
        sums = {name: (archive.getinfo(name).header_offset, archive.getinfo(name).CRC) for name in names}
        start = archive.start_dir
    data = bytearray(path.read_bytes())
    for name, (offset, crc) in sums.items():
        wrong = struct.pack("<L", crc ^ zlib.crc32(b"spoilt") | 1)
        at = data.index(name.encode(), start) - 46
        data[offset + 14 : offset + 18] = data[at + 16 : at + 20] = wrong
    path.write_bytes(data)
