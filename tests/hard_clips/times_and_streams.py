"""Harmless clips, edit lists, times, and tracks that some programs don't expect."""

from __future__ import annotations

import struct
from pathlib import Path
from tempfile import TemporaryDirectory

from clip_tools import ffmpeg
from mp4_boxes import Box, edit_list, full, parse, patch, table, timescales, tracks, write

from hard_clips.making import (
    AAC,
    B_FRAMES,
    HARD,
    X264,
    encoded,
    hard,
    plain,
    remuxed,
    tree_of,
)

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
