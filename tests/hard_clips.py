"""One hard MP4 of each kind: what is legal and unusual, what programs read differently, and what lies.

``HARD`` names them all; `make` writes one. The clips are 2 s of 96x64 at 25 frames/s with a tone, made by ffmpeg, and
changed box by box where ffmpeg makes no such file.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from clip_tools import ffmpeg
from mp4_boxes import Box, edit_list, full, parse, patch, table, timescales, tracks, write

PICTURES = "testsrc=s=96x64:r=25:d=2"
TONE = "sine=440:d=2:sample_rate=48000"
X264 = ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-preset", "ultrafast", "-threads", "1")
B_FRAMES = ("-bf", "3", "-x264-params", "b-adapt=0:bframes=3", "-g", "25")
AAC = ("-c:a", "aac", "-b:a", "48k")
MATRIX = 40  # place of the display matrix in a ``tkhd`` of version 0
Maker = Callable[[], bytes]
HARD: dict[str, Maker] = {}


def hard(name: str, *values: object) -> Callable[[Callable[..., bytes]], Callable[..., bytes]]:
    """Register a maker under ``name``, called with ``values``."""

    def register(maker: Callable[..., bytes]) -> Callable[..., bytes]:
        HARD[name] = lambda: maker(*values)
        return maker

    return register


def make(name: str, folder: Path) -> Path:
    """Write the hard clip ``name`` into ``folder``."""
    path = folder / f"{name}.mp4"
    path.write_bytes(HARD[name]())
    return path


@cache
def encoded(*words: str, pictures: str = PICTURES, sound: str | None = TONE, form: str = "mp4") -> bytes:
    """Return what ffmpeg makes of the test pictures and the tone; ``words`` are its options for the output."""
    inputs = ["-f", "lavfi", "-i", pictures, *(("-f", "lavfi", "-i", sound) if sound else ())]
    with TemporaryDirectory() as folder:
        made = Path(folder) / "made.mp4"
        ffmpeg(*inputs, "-fflags", "+bitexact", "-flags", "+bitexact", *words, "-f", form, made)
        return made.read_bytes()


@cache
def remuxed(data: bytes, *words: str, before: tuple[str, ...] = ()) -> bytes:
    """Return ``data`` after ``ffmpeg -i``; no stream is encoded again unless ``words`` say so."""
    with TemporaryDirectory() as folder:
        source, made = Path(folder) / "source.mp4", Path(folder) / "made.mp4"
        source.write_bytes(data)
        ffmpeg(*before, "-i", source, *(words or ("-map", "0", "-c", "copy")), "-f", "mp4", made)
        return made.read_bytes()


def plain() -> bytes:
    """Return the clip that nothing is wrong with, its index at the end."""
    return encoded(*X264, *AAC)


def tree_of(data: bytes) -> tuple[Box, Box, Box]:
    """Return the tree, the track with the pictures and the one with the sound."""
    tree = parse(data)
    return tree, tracks(tree, b"vide")[0], tracks(tree, b"soun")[0]


# --- what is harmless -------------------------------------------------------------------------------------------------

HARD["plain"] = plain
HARD["b-frames"] = lambda: encoded(*X264[:4], *B_FRAMES, *AAC)
HARD["b-frames-fragmented"] = lambda: encoded(
    *X264[:4], *B_FRAMES, *AAC, "-movflags", "+frag_keyframe+empty_moov+default_base_moof"
)
HARD["fragmented-without-edits"] = lambda: encoded(
    *X264, *AAC, "-movflags", "+frag_keyframe+empty_moov", "-use_editlist", "0"
)
HARD["main-profile"] = lambda: encoded(*X264[:4], "-profile:v", "main", *AAC)
HARD["baseline"] = lambda: encoded(*X264[:4], "-profile:v", "baseline", *AAC)
HARD["audio-96000-hz"] = lambda: encoded(*X264, *AAC, "-ar", "96000")
HARD["tagged-bt709"] = lambda: encoded(
    *X264, *AAC, "-color_primaries", "bt709", "-color_trc", "bt709", "-colorspace", "bt709"
)
HARD["faststart"] = lambda: encoded(*X264, *AAC, "-movflags", "+faststart")


# --- edit lists and times ---------------------------------------------------------------------------------------------


@hard("edit-delay-both", 1000, 1000)
@hard("edit-delay-video", 1000, 0)
@hard("edit-delay-audio", 0, 1000)
def edit_delay(video_ms: int, audio_ms: int) -> bytes:
    tree, video, audio = tree_of(plain())
    for track, delay in ((video, video_ms), (audio, audio_ms)):
        start = struct.unpack_from(">i", track.find(b"edts", b"elst").body, 12)[0]
        if delay:
            edit_list(track, (delay, -1, 1), (2000, start, 1))
            patch(track.find(b"tkhd"), 20, "I", 2000 + delay)
    patch(tree.find(b"moov", b"mvhd"), 16, "I", 2000 + max(video_ms, audio_ms))
    return write(tree)


def with_edits(*edits: tuple[int, float, float], data: bytes | None = None) -> bytes:
    """Give both tracks the edits (length in ms, start in seconds or -1 for nothing, rate)."""
    tree, video, audio = tree_of(data or encoded(*X264, "-g", "10", *AAC))
    for track in (video, audio):
        ticks = timescales(tree, track)[1]
        edit_list(track, *((ms, round(at * ticks) if at != -1 else -1, rate) for ms, at, rate in edits))
        patch(track.find(b"tkhd"), 20, "I", sum(ms for ms, _, _ in edits))
    patch(tree.find(b"moov", b"mvhd"), 16, "I", sum(ms for ms, _, _ in edits))
    return write(tree)


HARD["edit-cut-at-keyframe"] = lambda: with_edits((1600, 0.4, 1))
HARD["edit-cut-between-keyframes"] = lambda: with_edits((1400, 0.6, 1))
HARD["edit-cut-end"] = lambda: with_edits((1000, 0, 1))
HARD["edit-hole"] = lambda: with_edits((800, 0, 1), (500, -1, 1), (1200, 0.8, 1))
HARD["edit-negative-time"] = lambda: with_edits((2000, -0.5, 1))
HARD["edit-repeat"] = lambda: with_edits((800, 0, 1), (800, 0, 1), (800, 0.8, 1))
HARD["edit-reorder"] = lambda: with_edits((800, 0.8, 1), (800, 0, 1))
HARD["edit-rate-half"] = lambda: with_edits((4000, 0, 0.5))
HARD["edit-rate-double"] = lambda: with_edits((1000, 0, 2))
HARD["edit-dwell"] = lambda: with_edits((2000, 0.4, 0))
HARD["edit-only-empty"] = lambda: with_edits((2000, -1, 1))
HARD["edit-beyond-end"] = lambda: with_edits((2000, 9, 1))
HARD["edit-video-only"] = lambda: edit_one(b"vide")
HARD["stream-copy-cut"] = lambda: remuxed(encoded(*X264[:4], "-g", "50", *AAC), "-c", "copy", before=("-ss", "0.9"))


def edit_one(handler: bytes) -> bytes:
    tree, video, audio = tree_of(encoded(*X264, "-g", "10", *AAC))
    track = video if handler == b"vide" else audio
    edit_list(track, (1200, round(0.8 * timescales(tree, track)[1]), 1))
    patch(track.find(b"tkhd"), 20, "I", 1200)
    return write(tree)


@hard("negative-times")
def negative_times() -> bytes:
    """Composition offsets of version 1 below zero, and no edit list: the first frame is shown before time 0."""
    tree, video, _ = tree_of(encoded(*X264, *AAC))
    video.children = [child for child in video.children if child.kind != b"edts"]
    stbl = video.find(b"mdia", b"minf", b"stbl")
    stbl.children.append(full(b"ctts", "IIi", 1, 50, -6400, version=1))
    return write(tree)


@hard("times-backward", b"ctts")
@hard("times-equal", b"stts")
def wrong_times(kind: bytes) -> bytes:
    tree, video, _ = tree_of(plain())
    stbl = video.find(b"mdia", b"minf", b"stbl")
    if kind == b"ctts":  # every other pair swapped, without B-frames
        offsets = b"".join(struct.pack(">II", 1, value) for value in (0, 1024, 0, 0) * 12 + (0, 0))
        stbl.children.append(Box(b"ctts", struct.pack(">II", 0, 50) + offsets))
    else:  # ten frames at one moment
        table(video, b"stts").body = struct.pack(">IIIIIII", 0, 2, 40, 512, 10, 0, 0)[:24]
    return write(tree)


# --- streams ----------------------------------------------------------------------------------------------------------

TWICE = ("-map", "0:v", "-map", "0:v", "-map", "1:a")
HARD["two-videos"] = lambda: encoded(*X264, *AAC, *TWICE)
HARD["two-audios"] = lambda: encoded(*X264, *AAC, "-map", "0:v", "-map", "1:a", "-map", "1:a")


@hard("second-video-shown")
def second_video_shown() -> bytes:
    """The first video track is switched off; players show the second."""
    tree = parse(HARD["two-videos"]())
    first, second = tracks(tree, b"vide")
    patch(first.find(b"tkhd"), 0, "I", 0)
    patch(second.find(b"tkhd"), 0, "I", 3)
    return write(tree)


@hard("video-switched-off")
def video_switched_off() -> bytes:
    tree, video, _ = tree_of(plain())
    patch(video.find(b"tkhd"), 0, "I", 0)
    return write(tree)


@hard("subtitles")
def subtitles() -> bytes:
    with TemporaryDirectory() as folder:
        (Path(folder) / "s.srt").write_text("1\n00:00:00,000 --> 00:00:01,000\n<b>words</b>\n", "utf-8")
        (Path(folder) / "p.mp4").write_bytes(plain())
        made = Path(folder) / "made.mp4"
        ffmpeg("-i", f"{folder}/p.mp4", "-i", f"{folder}/s.srt", "-map", "0", "-map", "1", "-c", "copy", "-c:s",
               "mov_text", made)  # fmt: skip
        return made.read_bytes()


HARD["timecode-track"] = lambda: remuxed(plain(), "-c", "copy", "-timecode", "00:00:00:00")


def with_cover(*inputs: str, video: bool) -> bytes:
    with TemporaryDirectory() as folder:
        ffmpeg("-f", "lavfi", "-i", "color=red:s=160x120", "-frames:v", "1", f"{folder}/c.png")
        (Path(folder) / "p.mp4").write_bytes(plain())
        made = Path(folder) / "made.mp4"
        kept = ("-map", "0:v", "-map", "0:a") if video else ("-map", "0:a")
        ffmpeg("-i", f"{folder}/p.mp4", "-i", f"{folder}/c.png", *kept, "-map", "1:v", "-c", "copy",
               f"-disposition:v:{int(video)}", "attached_pic", made)  # fmt: skip
        return made.read_bytes()


HARD["cover-and-video"] = lambda: with_cover(video=True)
HARD["cover-without-video"] = lambda: with_cover(video=False)


@hard("chapters-and-cover")
def chapters_and_cover() -> bytes:
    with TemporaryDirectory() as folder:
        words = ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=1000\ntitle=a\n"
        (Path(folder) / "c.txt").write_text(words)
        chapters = ("-i", f"{folder}/c.txt", "-map", "0", "-map_chapters", "1", "-c", "copy")
        return remuxed(with_cover(video=True), *chapters)


@hard("audio-gap", 0.4, 4)
@hard("audio-gap-at-end", 0.4, 60)
@hard("audio-gap-too-short-to-hear", 0.03, 40)
def audio_gap(seconds: float, packet: int) -> bytes:
    """From one packet on, the sound's time stamps are later."""
    times = f"setts=ts=if(gte(N\\,{packet})\\,TS+{seconds}/TB\\,TS)"
    return remuxed(plain(), "-c", "copy", "-bsf:a", times)


@hard("index-twice")
def index_twice() -> bytes:
    tree = parse(encoded(*X264, *AAC, "-movflags", "+faststart"))
    return write(tree) + tree.find(b"moov").to_bytes()


@hard("cover-before-video")
def cover_before_video() -> bytes:
    """The metadata stand before the tracks, so that the cover becomes the first stream."""
    tree = parse(with_cover(video=True))
    moov = tree.find(b"moov")
    udta = moov.find(b"udta")
    moov.children.remove(udta)
    moov.children.insert(1, udta)
    return write(tree)


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
    return encoded("-c:v", "libx264", "-preset", "ultrafast", *words, pictures=pictures, sound=None)


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


# --- lies -------------------------------------------------------------------------------------------------------------


@hard("zero-frames")
def zero_frames() -> bytes:
    tree, video, _ = tree_of(plain())
    stbl = video.find(b"mdia", b"minf", b"stbl")
    stbl.children = [child for child in stbl.children if child.kind in (b"stsd",)] + [
        full(b"stts", "I", 0), full(b"stsc", "I", 0), full(b"stsz", "II", 0, 0), full(b"stco", "I", 0)
    ]  # fmt: skip
    return write(tree)


HARD["one-frame"] = lambda: encoded(*X264, "-frames:v", "1", *AAC)
TEN_HOURS = 36_000


@hard("ten-hours-mvhd", b"mvhd")
@hard("ten-hours-tkhd", b"tkhd")
@hard("ten-hours-mdhd", b"mdhd")
@hard("ten-hours-stts", b"stts")
def ten_hours(kind: bytes) -> bytes:
    tree, video, _ = tree_of(plain())
    movie, ticks = timescales(tree, video)
    if kind == b"mvhd":
        patch(tree.find(b"moov", b"mvhd"), 16, "I", TEN_HOURS * movie)
    elif kind == b"tkhd":
        patch(video.find(b"tkhd"), 20, "I", TEN_HOURS * movie)
    elif kind == b"mdhd":
        patch(video.find(b"mdia", b"mdhd"), 16, "I", TEN_HOURS * ticks)
    else:
        video.children = [child for child in video.children if child.kind != b"edts"]
        table(video, b"stts").body = struct.pack(">IIIIII", 0, 2, 49, 512, 1, TEN_HOURS * ticks)
    return write(tree)


def with_table(kind: bytes, body: bytes, handler: bytes = b"vide") -> bytes:
    """Replace one sample table of a track by ``body``."""
    tree, video, audio = tree_of(plain())
    track = video if handler == b"vide" else audio
    stbl = track.find(b"mdia", b"minf", b"stbl")
    stbl.children = [child for child in stbl.children if child.kind != kind] + [Box(kind, body)]
    return write(tree)


MANY = 0xFFFFFFFF
HARD["stsz-claims-4e9"] = lambda: with_table(b"stsz", struct.pack(">III", 0, 0, MANY) + bytes(200))
HARD["stsz-constant-4e9"] = lambda: with_table(b"stsz", struct.pack(">III", 0, 1, MANY))
HARD["stts-claims-4e9"] = lambda: with_table(b"stts", struct.pack(">IIII", 0, 1, MANY, 512))
HARD["ctts-claims-4e9"] = lambda: with_table(b"ctts", struct.pack(">IIII", 0, 1, MANY, 0))


@hard("constant-samples", 100_000_000, b"vide")
@hard("constant-samples-audio", 100_000_000, b"soun")
def constant_samples(count: int, handler: bytes) -> bytes:
    """One chunk that holds 1e8 samples of one byte, by its index."""
    tree, video, audio = tree_of(plain())
    track = video if handler == b"vide" else audio
    table(track, b"stsz").body = struct.pack(">III", 0, 1, count)
    table(track, b"stsc").body = struct.pack(">IIIII", 0, 1, 1, count, 1)
    table(track, b"stts").body = struct.pack(">IIII", 0, 1, count, 512)
    table(track, b"stco").body = struct.pack(">III", 0, 1, 48)
    return write(tree)


@hard("trun-claims-1e8")
def trun_claims() -> bytes:
    tree = parse(HARD["fragmented-without-edits"]())
    moof = next(box for box in tree.children if box.kind == b"moof")
    trun = moof.find(b"traf", b"trun")
    trun.body = struct.pack(">II", 0, 100_000_000)
    return write(tree)


@hard("edit-list-twice")
def edit_list_twice() -> bytes:
    tree, video, _ = tree_of(plain())
    video.find(b"edts").children *= 2
    return write(tree)


@hard("fewer-sizes-than-times")
def fewer_sizes() -> bytes:
    """Forty samples by their sizes, fifty by their times."""
    tree, video, _ = tree_of(plain())
    patch(table(video, b"stsz"), 8, "I", 40)
    return write(tree)


@hard("sample-larger-than-file")
def large_sample() -> bytes:
    """In the time code's track, which nobody plays: some programs refuse the file all the same."""
    tree = parse(HARD["timecode-track"]())
    patch(table(tracks(tree)[2], b"stsz"), 4, "I", 0x7FFFFFFF)
    return write(tree)


@hard("places-end-early")
def places_end_early() -> bytes:
    """In the time code's track: its list of places claims 4e9 and holds one; some programs refuse the file."""
    tree = parse(HARD["timecode-track"]())
    patch(table(tracks(tree)[2], b"stco"), 4, "I", MANY)
    return write(tree)


@hard("sps-cut-short")
def sps_cut_short() -> bytes:
    """The last byte of the sequence's parameters is gone: decoders complain and go on."""
    tree, video, _ = tree_of(plain())
    entry = table(video, b"stsd").children[0]
    at = entry.body.index(b"avcC") - 4
    size, sps = (int.from_bytes(entry.body[place:end], "big") for place, end in ((at, at + 4), (at + 14, at + 16)))
    end = at + 16 + sps
    entry.body = b"".join((
        entry.body[:at], (size - 1).to_bytes(4, "big"), entry.body[at + 4 : at + 14], (sps - 1).to_bytes(2, "big"),
        entry.body[at + 16 : end - 1], entry.body[end:],
    ))  # fmt: skip
    return write(tree)


@hard("chunks-hold-too-much")
def chunks_hold_too_much() -> bytes:
    """By the list of chunks there are more samples than the list of sizes has."""
    tree, video, _ = tree_of(plain())
    runs = table(video, b"stsc")
    patch(runs, len(runs.body) - 8, "I", 200)
    return write(tree)


@hard("sizes-cut-off")
def sizes_cut_off() -> bytes:
    """The list of the sound's sizes has no entries for what it counts; FFmpeg reads on in the next box."""
    tree, _, audio = tree_of(plain())
    sizes = table(audio, b"stsz")
    sizes.body = sizes.body[:12]
    return write(tree)


@hard("samples-in-a-track")
def samples_in_a_track() -> bytes:
    """A second ``mdat`` where the place of the data is said."""
    tree, _, audio = tree_of(plain())
    audio.find(b"mdia", b"minf", b"dinf").children.append(Box(b"mdat", bytes(8)))
    return write(tree)


@hard("fragmented-and-cut")
def fragmented_and_cut() -> bytes:
    """The last fragment lists more than the file holds, which FFmpeg does not mind."""
    data = HARD["b-frames-fragmented"]()
    last = data.rfind(b"mdat")
    return data[: last + (data.find(b"mfra", last) - last) // 8]


@hard("audio-elsewhere")
def audio_elsewhere() -> bytes:
    """The last chunk of the sound lies behind the file's end."""
    tree, _, audio = tree_of(plain())
    places = table(audio, b"stco")
    count = struct.unpack_from(">I", places.body, 4)[0]
    patch(places, 4 + 4 * count, "I", 0x7FFFFFFF)
    return write(tree)


@hard("audio-without-samples")
def audio_without_samples() -> bytes:
    tree, _, audio = tree_of(plain())
    for kind, form, values in (
        (b"stts", "I", (0,)), (b"stsc", "I", (0,)), (b"stsz", "II", (0, 0)), (b"stco", "I", (0,))
    ):  # fmt: skip
        table(audio, kind).body = full(kind, form, *values).body
    return write(tree)


@hard("compressed-index")
def compressed_index() -> bytes:
    """QuickTime's compressed ``moov``, which unpacks to whatever it claims."""
    tree, _, _ = tree_of(plain())
    packed = zlib.compress(tree.find(b"moov").to_bytes())
    inner = [Box(b"dcom", b"zlib"), Box(b"cmvd", struct.pack(">I", 0x7FFFFFFF) + packed)]
    tree.find(b"moov").children = [Box(b"cmov", b"".join(box.to_bytes() for box in inner))]
    return write(tree)


@hard("elst-claims-1e9")
def elst_claims() -> bytes:
    tree, video, _ = tree_of(plain())
    edit_list(video, (2000, 0, 1), claimed=1_000_000_000)
    return write(tree)


@hard("elst-100000-edits")
def elst_many() -> bytes:
    tree, video, _ = tree_of(plain())
    edit_list(video, *[(2000, 0, 1)] * 100_000)
    return write(tree)


@hard("tracks-5000")
def many_tracks() -> bytes:
    tree, _, audio = tree_of(plain())
    tree.find(b"moov").children += [audio] * 5000
    return write(tree)


@hard("nested-5000", b"udta")
@hard("nested-5000-moov", b"moov")
def nested(kind: bytes) -> bytes:
    tree, _, _ = tree_of(plain())
    data = b""
    for _ in range(5000):
        data = struct.pack(">I4s", len(data) + 8, kind) + data
    tree.find(b"moov").children.append(Box(kind, data))
    return write(tree)


@hard("boxes-500000")
def many_boxes() -> bytes:
    return plain() + struct.pack(">I4s", 8, b"free") * 500_000


@hard("udta-32-mib")
def huge_metadata() -> bytes:
    tree, _, _ = tree_of(plain())
    item = Box(b"\xa9nam", struct.pack(">II", 1, 0) + b"x" * (32 << 20))
    tree.find(b"moov").children.append(
        Box(b"udta", b"", [full_meta([Box(b"ilst", b"", [Box(b"\xa9nam", b"", [Box(b"data", item.body)])])])])
    )
    return write(tree)


def full_meta(children: list[Box]) -> Box:
    handler = full(b"hdlr", "I4sIII", 0, b"mdir", 0, 0, 0)
    handler.body += b"\0"
    return Box(b"meta", bytes(4), [handler, *children])


@hard("handler-name-hostile", b"a\r\nb\x1b[31mred\x1b]0;title\x07<script>alert(1)</script>\0")
@hard("handler-name-2-mib", b"n" * (2 << 20) + b"\0")
def handler_name(name: bytes) -> bytes:
    tree, video, _ = tree_of(plain())
    box = video.find(b"mdia", b"hdlr")
    box.body = box.body[:24] + name
    return write(tree)


HARD["title-hostile"] = lambda: remuxed(
    plain(), "-c", "copy", "-metadata", "title=\x1b[2J<script>\n=cmd()", "-metadata", "comment=" + "x" * 50_000
)


@hard("brand-hostile")
def brand_hostile() -> bytes:
    data = bytearray(plain())
    data[8:12] = b"\x1b[7m"
    return bytes(data)


# --- encryption and other files ---------------------------------------------------------------------------------------

KEY = "76a6c65c5ea762046bd749a2e632ccbb"
HARD["encrypted"] = lambda: remuxed(
    plain(), "-c", "copy", "-encryption_scheme", "cenc-aes-ctr", "-encryption_key", KEY, "-encryption_kid",
    "a7e61c373e219033c21091fa607bf3b8",
)  # fmt: skip


@hard("encrypted-tag-only")
def encrypted_tag_only() -> bytes:
    """The sample entry says encrypted; the data are not."""
    tree, video, _ = tree_of(plain())
    stsd = table(video, b"stsd")
    entry = stsd.children[0]
    sinf = Box(b"sinf", b"", [
        Box(b"frma", b"avc1"), full(b"schm", "4sI", b"cenc", 0x10000),
        Box(b"schi", b"", [full(b"tenc", "BBBB16s", 0, 0, 1, 8, bytes(16))]),
    ])  # fmt: skip
    stsd.children[0] = Box(b"encv", entry.body + sinf.to_bytes())
    return write(tree)


def external(kind: bytes, where: bytes) -> bytes:
    """Let the pictures' data lie in another file, by the data reference."""
    tree, video, _ = tree_of(plain())
    dref = video.find(b"mdia", b"minf", b"dinf", b"dref")
    dref.children = [Box(kind, bytes(4) + where)]
    return write(tree)


def alias(path: bytes) -> bytes:
    """Return the body of a QuickTime alias record that names ``path``."""
    record = bytearray(150)
    struct.pack_into(">HH", record, 4, 0, 2)
    name = path.rpartition(b"/")[2]
    record[10:11] = b"\x03"
    record[10:14] = b"\x03abc"
    record[50] = min(63, len(name))
    record[51 : 51 + min(63, len(name))] = name[:63]
    struct.pack_into(">hh", record, 130, 1, 1)
    body = bytes(record)
    body += struct.pack(">HH", 2, len(path)) + path + b"\0" * (len(path) % 2)
    body += struct.pack(">HH", 18, len(path)) + path + b"\0" * (len(path) % 2)
    return body + struct.pack(">HH", 0xFFFF, 0)


HARD["external-url-file"] = lambda: external(b"url ", b"file:///etc/hostname\0")
HARD["external-url-http"] = lambda: external(b"url ", b"http://127.0.0.1:9/v.mp4\0")
HARD["external-alias"] = lambda: external(b"alis", alias(b"/etc/hostname"))


# --- tags that lie ----------------------------------------------------------------------------------------------------


def retagged(data: bytes, kind: bytes) -> bytes:
    tree, video, _ = tree_of(data)
    table(video, b"stsd").children[0].kind = kind
    return write(tree)


HARD["hevc-tagged-avc1"] = lambda: retagged(HARD["hevc"](), b"avc1")
HARD["mpeg4-tagged-avc1"] = lambda: retagged(encoded("-c:v", "mpeg4", "-pix_fmt", "yuv420p", *AAC), b"avc1")
HARD["h264-tagged-hvc1"] = lambda: retagged(plain(), b"hvc1")
HARD["h264-tagged-mp4v"] = lambda: retagged(plain(), b"mp4v")
HARD["h264-tagged-nonsense"] = lambda: retagged(plain(), b"zzzz")


# --- sound ------------------------------------------------------------------------------------------------------------

HARD["audio-8-channels"] = lambda: encoded(*X264, "-c:a", "aac", "-af", "aformat=channel_layouts=7.1")
HARD["audio-pcm"] = lambda: encoded(*X264, "-c:a", "pcm_s16le", form="mov")
HARD["audio-opus"] = lambda: encoded(*X264, "-c:a", "libopus")
HARD["audio-alac-192000-hz"] = lambda: encoded(*X264, "-c:a", "alac", "-ar", "192000")


@hard("audio-pcm-in-mp4")
def _pcm_in_mp4() -> bytes:
    data = bytearray(encoded(*X264, "-c:a", "pcm_s16le", form="mov"))
    data[8:12] = b"isom"
    return bytes(data)


@hard("audio-rate-change")
def audio_rate_change() -> bytes:
    """MP3 frames of 44100 Hz, then of 32000 Hz, in one track."""
    with TemporaryDirectory() as folder:
        parts = []
        for rate in ("44100", "32000"):
            made = f"{folder}/{rate}.mp3"
            ffmpeg("-f", "lavfi", "-i", TONE, "-ar", rate, "-c:a", "libmp3lame", "-b:a", "64k", "-write_xing", "0",
                   "-id3v2_version", "0", made)  # fmt: skip
            parts.append(Path(made).read_bytes())
        (Path(folder) / "both.mp3").write_bytes(b"".join(parts))
        (Path(folder) / "p.mp4").write_bytes(encoded(*X264, sound=None, pictures=PICTURES.replace("d=2", "d=4")))
        made = f"{folder}/made.mp4"
        ffmpeg("-i", f"{folder}/p.mp4", "-i", f"{folder}/both.mp3", "-c", "copy", made)
        return Path(made).read_bytes()
