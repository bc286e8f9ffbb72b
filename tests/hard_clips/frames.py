"""Colours, transfer functions, rotation and cropping: what the frames should look like."""

from __future__ import annotations

import struct
from pathlib import Path
from tempfile import TemporaryDirectory

from clip_tools import ffmpeg
from mp4_boxes import Box, parse, patch, table, tracks, write

from hard_clips.making import (
    AAC,
    HARD,
    MATRIX,
    PICTURES,
    TONE,
    X264,
    encoded,
    hard,
    plain,
    tree_of,
)

# --- pictures ---------------------------------------------------------------------------------------------------------


def joined(first: bytes, second: bytes) -> bytes:
    """Return one H.264 stream with in-band headers made of two, with the tone."""
    with TemporaryDirectory() as folder:
        parts = []
        for number, data in enumerate((first, second)):
            (Path(folder) / f"{number}.mp4").write_bytes(data)
            ffmpeg("-i", f"{folder}/{number}.mp4", "-map", "0:v", "-c", "copy", "-bsf:v", "h264_mp4toannexb",
                   "-f", "h264", f"{folder}/{number}.h264")  # fmt: skip
            parts.append((Path(folder) / f"{number}.h264").read_bytes())
        (Path(folder) / "both.h264").write_bytes(b"".join(parts))
        made = Path(folder) / "made.mp4"
        ffmpeg("-framerate", "25", "-i", f"{folder}/both.h264", "-f", "lavfi", "-i", TONE.replace("d=2", "d=4"),
               "-c:v", "copy", *AAC, made)  # fmt: skip
        return made.read_bytes()


def coded(*words: str, pictures: str = PICTURES) -> bytes:
    return encoded("-c:v", "libx264", "-preset", "ultrafast", *words, pictures=pictures, audio=None)


YUV420 = ("-pix_fmt", "yuv420p")
HARD["size-change"] = lambda: joined(coded(*YUV420), coded(*YUV420, pictures=PICTURES.replace("96x64", "128x96")))
HARD["format-change-to-444"] = lambda: joined(coded(*YUV420), coded("-pix_fmt", "yuv444p"))
HARD["format-change-from-444"] = lambda: joined(coded("-pix_fmt", "yuv444p"), coded(*YUV420))
HARD["format-change-from-10-bit"] = lambda: joined(coded("-pix_fmt", "yuv420p10le"), coded(*YUV420))
HARD["interlaced"] = lambda: encoded(
    "-vf", "interlace,setfield=tff", "-flags", "+ilme+ildct", "-c:v", "libx264", "-pix_fmt", "yuv420p", *AAC
)
PQ = ("-color_primaries", "bt2020", "-color_trc", "smpte2084", "-colorspace", "bt2020nc")
HLG = ("-color_primaries", "bt2020", "-color_trc", "arib-std-b67", "-colorspace", "bt2020nc")
TEN = ("-c:v", "libx264", "-pix_fmt", "yuv420p10le", "-preset", "ultrafast")
HARD["hdr-pq-10-bit"] = lambda: encoded(*TEN, *AAC, *PQ)
HARD["hdr-pq-8-bit"] = lambda: encoded(*X264, *AAC, *PQ)
HARD["hdr-hlg-8-bit"] = lambda: encoded(*X264, *AAC, *HLG)
HARD["wide-gamut-8-bit"] = lambda: encoded(
    *X264, *AAC, "-color_primaries", "bt2020", "-color_trc", "bt709", "-colorspace", "bt2020nc"
)


HARD["hdr-pq-lone-tag"] = lambda: encoded(*X264, *AAC, "-color_trc", "smpte2084")
HARD["wide-gamut-lone-tag"] = lambda: encoded(*X264, *AAC, "-color_primaries", "bt2020")
HARD["film-primaries"] = lambda: encoded(*X264, *AAC, "-color_primaries", "film")


PLAIN_TAGS = "transfer_characteristics=1:colour_primaries=1:matrix_coefficients=1"


def retold(*changes: str) -> bytes:
    """Two streams in one, the second one with other words in its header."""
    with TemporaryDirectory() as folder:
        parts = []
        for number, change in enumerate((PLAIN_TAGS, *changes)):
            part = Path(folder) / f"{number}.h264"
            ffmpeg("-f", "lavfi", "-i", PICTURES, *X264, "-bf", "0", "-bsf:v", f"h264_metadata={change}", part)
            parts.append(part.read_bytes())
        (Path(folder) / "all.h264").write_bytes(b"".join(parts))
        made = Path(folder) / "made.mp4"
        sound = ("-f", "lavfi", "-i", TONE.replace("d=2", "d=4"))
        ffmpeg("-r", "25", "-i", f"{folder}/all.h264", *sound, "-c:v", "copy", *AAC, made)
        return made.read_bytes()


HARD["hdr-after-sdr"] = lambda: retold("transfer_characteristics=16:colour_primaries=9:matrix_coefficients=9")
HARD["wide-pixels-after-square"] = lambda: retold("sample_aspect_ratio=2/1")


@hard("hdr-by-container-only")
def hdr_by_container_only() -> bytes:
    """The stream says nothing; the sample entry's ``colr`` says PQ."""
    tree, video, _ = tree_of(plain())
    entry = table(video, b"stsd").children[0]
    colr = Box(b"colr", b"nclx" + struct.pack(">HHHB", 9, 16, 9, 0)).to_bytes()
    entry.body += colr
    return write(tree)


HARD["alpha-vp9"] = lambda: encoded(
    "-vf", "format=yuva420p", "-c:v", "libvpx-vp9", "-pix_fmt", "yuva420p", "-deadline", "realtime", *AAC
)
HARD["hevc"] = lambda: encoded("-c:v", "libx265", "-pix_fmt", "yuv420p", "-preset", "ultrafast", "-x265-params",
                               "log-level=none:pools=none:frame-threads=1", *AAC)  # fmt: skip
HARD["high-10"] = lambda: encoded(*TEN, *AAC)
HARD["high-4-2-2"] = lambda: encoded("-c:v", "libx264", "-pix_fmt", "yuv422p", "-preset", "ultrafast", *AAC)
HARD["high-4-4-4"] = lambda: encoded("-c:v", "libx264", "-pix_fmt", "yuv444p", "-preset", "ultrafast", *AAC)
HARD["lossless"] = lambda: encoded(*X264, "-qp", "0", *AAC)
HARD["odd-size"] = lambda: encoded("-c:v", "libx264", "-pix_fmt", "yuv444p", *AAC, pictures="testsrc=s=95x63:r=25:d=2")


def matrix(*values: float, movie: bool = False) -> bytes:
    """Set the display matrix (a b u c d v x y w) of the video track, or of the whole movie."""
    tree, video, _ = tree_of(plain())
    fixed = [round(value * (1 << (30 if at % 3 == 2 else 16))) for at, value in enumerate(values)]
    patch(tree.find(b"moov", b"mvhd") if movie else video.find(b"tkhd"), 36 if movie else MATRIX, "9i", *fixed)
    return write(tree)


HARD["rotated-90"] = lambda: matrix(0, 1, 0, -1, 0, 0, 64, 0, 1)
HARD["mirrored"] = lambda: matrix(-1, 0, 0, 0, 1, 0, 96, 0, 1)
HARD["rotated-10-degrees"] = lambda: matrix(0.985, 0.174, 0, -0.174, 0.985, 0, 0, 0, 1)
HARD["scaled-by-matrix"] = lambda: matrix(2, 0, 0, 0, 2, 0, 0, 0, 1)
HARD["sheared"] = lambda: matrix(1, 0.5, 0, 0, 1, 0, 0, 0, 1)
HARD["zero-matrix"] = lambda: matrix(0, 0, 0, 0, 0, 0, 0, 0, 0)
HARD["movie-rotated-180"] = lambda: matrix(-1, 0, 0, 0, -1, 0, 96, 64, 1, movie=True)


@hard("movie-rotated-back")
def movie_rotated_back() -> bytes:
    """The movie's matrix turns by 180 degrees, the track's turns back."""
    tree = parse(matrix(-1, 0, 0, 0, -1, 0, 96, 64, 1, movie=True))
    half = (-65536, 0, 0, 0, -65536, 0, 96 << 16, 64 << 16, 1 << 30)
    patch(tracks(tree, b"vide")[0].find(b"tkhd"), MATRIX, "9i", *half)
    return write(tree)


@hard("cropped-by-container")
def cropped_by_container() -> bytes:
    """A clean aperture of half the width."""
    tree, video, _ = tree_of(plain())
    entry = table(video, b"stsd").children[0]
    entry.body += Box(b"clap", struct.pack(">IIIIiIiI", 48, 1, 64, 1, 0, 1, 0, 1)).to_bytes()
    return write(tree)


@hard("stretched-by-track-header")
def stretched_by_track_header() -> bytes:
    """The track header asks for twice the width."""
    tree, video, _ = tree_of(plain())
    patch(video.find(b"tkhd"), 76, "II", 192 << 16, 64 << 16)
    return write(tree)
