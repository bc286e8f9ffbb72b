"""Where FFmpeg and GStreamer show different pictures of an MP4, evalkit refuses it."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from mp4_boxes import Box, edit_list, full, parse, patch, timescales, tracks, write

from fuzz.differences import run_differences
from fuzz.mp4_crafted import FRAGMENTS, STBL, crafted, index_of, keep, original, two_videos
from fuzz.mp4_players import Shown, by_evalkit, by_gstreamer, difference, has_gstreamer, judge, refused_by

pytestmark = pytest.mark.ffmpeg
INPUTS = 15


@pytest.fixture(scope="module", autouse=True)
def _gstreamer() -> None:
    if not has_gstreamer():
        pytest.skip("no GStreamer with qtdemux and avdec_h264 (Debian: gstreamer1.0-tools, -plugins-good, -libav)")


def one_video(number: int = 0, *more: str) -> Box:
    tree = parse(two_videos(*more))
    keep(tree, number)
    return tree


@pytest.mark.parametrize(("number", "more"), [(0, ()), (1, ()), (0, FRAGMENTS)], ids=["first", "second", "fragments"])
def test_honest_files_are_shown_alike_and_taken(number: int, more: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(write(one_video(number, *more)))
    mine, other = by_evalkit(path), by_gstreamer(path)
    assert (len(mine.frames), mine.complained) == (15, False)
    assert mine == other
    assert refused_by(path) == ()


def _nested(around: bytes, last: bool) -> Callable[[Box], None]:
    def change(tree: Box) -> None:
        at = len(tree.children) if last else [box.kind for box in tree.children].index(b"moov")
        tree.children.insert(at, Box(around, b"", [index_of(1)]))

    return change


def _second_index(tree: Box) -> None:
    tree.children.append(index_of(1))


def _first_index(tree: Box) -> None:
    tree.children.insert([box.kind for box in tree.children].index(b"moov"), index_of(1))


def _places(first: bool) -> Callable[[Box], None]:
    def change(tree: Box) -> None:
        tables = tracks(tree, b"vide")[0].find(*STBL).children
        places = [number for (number,) in struct.iter_unpack(">I", original(b"stco", 1).body[8:])]
        at = [box.kind for box in tables].index(b"stco")
        tables.insert(at + (not first), full(b"co64", f"I{len(places)}Q", len(places), *places))

    return change


def _twice(kind: bytes, first: bool) -> Callable[[Box], None]:
    def change(tree: Box) -> None:
        tables = tracks(tree, b"vide")[0].find(*STBL).children
        tables.insert([box.kind for box in tables].index(kind) + (not first), original(kind, 1))

    return change


def _chapter(tree: Box) -> None:
    """Take the other video in as a second track, and call the first one the sound's chapters."""
    other = tracks(parse(two_videos()), b"vide")[1]
    patch(other.find(b"tkhd"), 3, "B", 3)
    tree.find(b"moov").children.insert(2, other)
    number = tracks(tree, b"vide")[0].find(b"tkhd").body[12:16]
    tracks(tree, b"soun")[0].children.append(Box(b"tref", b"", [Box(b"chap", number)]))


def _edited(*edits: tuple[float, float | None, float]) -> Callable[[Box], None]:
    """Return a change of the edit list: seconds, start in seconds (``None``: nothing shown), speed."""

    def change(tree: Box) -> None:
        track = tracks(tree, b"vide")[0]
        movie, media = timescales(tree, track)
        rows = [(round(length * movie), -1 if start is None else round(start * media), rate)
                for length, start, rate in edits]  # fmt: skip
        edit_list(track, *rows)

    return change


def _short(seconds: float) -> Callable[[Box], None]:
    """Return a change to a file without edits whose media header states so many seconds."""

    def change(tree: Box) -> None:
        track = tracks(tree, b"vide")[0]
        track.children = [box for box in track.children if box.kind != b"edts"]
        patch(track.find(b"mdia", b"mdhd"), 16, "I", round(seconds * timescales(tree, track)[1]))

    return change


def _movie_clock(ticks: int) -> Callable[[Box], None]:
    """Return a change of the movie's ticks per second: the lengths of edits are in them."""
    return lambda tree: patch(tree.find(b"moov", b"mvhd"), 12, "I", ticks)


CHANGES: dict[str, Callable[[Box], None]] = {
    "index in udta, first": _nested(b"udta", False),
    "index in udta, last": _nested(b"udta", True),
    "index in an index": _nested(b"moov", False),
    "index in mdia": _nested(b"mdia", True),
    "second index": _second_index,
    "second index, first": _first_index,
    "co64 before stco": _places(True),
    "co64 behind stco": _places(False),
    "stco twice": _twice(b"stco", True),
    "stco twice, last": _twice(b"stco", False),
    "stsz twice": _twice(b"stsz", True),
    "chapters": _chapter,
    "edits in another order": _edited((0.2, 0.28, 1), (0.2, 0.08, 1)),
    "an edit twice": _edited((0.2, 0.08, 1), (0.2, 0.08, 1)),
    "double speed": _edited((0.6, 0.08, 2)),
    "a movie clock that FFmpeg reads as negative": _movie_clock(0xFFFFFFFF),
    "the slowest movie clock that FFmpeg reads as negative": _movie_clock(1 << 31),
    "a movie clock that stands still": _movie_clock(0),
    "0.2 s in the media header": _short(0.2),
    "0.3 s in the media header": _short(0.3),
    "0.5 s in the media header": _short(0.5),
}


# What GStreamer 1.22 shows otherwise; of the rest FFmpeg and GStreamer show the same, or one of them fails.
DIFFERING = {"index in udta, first", "stsz twice", "chapters", "a movie clock that FFmpeg reads as negative"} | {
    name for name in CHANGES if "media header" in name
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_file_that_lets_programs_choose_is_refused(name: str, tmp_path: Path) -> None:
    tree = one_video()
    CHANGES[name](tree)
    path = tmp_path / "a.mp4"
    path.write_bytes(write(tree))
    assert refused_by(path)
    if name in DIFFERING:
        assert difference(by_evalkit(path), by_gstreamer(path)) is not None


def test_no_crafted_file_is_taken_that_two_programs_show_differently(tmp_path: Path) -> None:
    figures = run_differences("mp4-players", crafted, judge, INPUTS, seed=1, suffix=".mp4", keep=tmp_path)
    assert figures.clean, figures.failures
    assert min(figures.accepted, figures.refused) >= INPUTS // 10


def test_a_difference_is_seen() -> None:
    frames = tuple(bytes([number]) for number in range(9))
    whole = Shown(frames)
    assert difference(whole, whole) is None
    assert difference(whole, Shown(frames[:-2])) is None
    assert difference(Shown(frames[1:]), whole) is None
    assert difference(whole, Shown((), complained=True)) is None
    assert difference(whole, Shown(frames[:-3])) == "9 frames, 6 by GStreamer"
    assert difference(whole, Shown(())) == "9 frames, 0 by GStreamer"
    assert difference(whole, Shown(frames[2:])) == "9 frames, 7 by GStreamer"
    assert difference(whole, Shown((*frames[:-1], b"x"))) == "1 of 9 frames differ"


def test_the_same_seed_makes_the_same_files() -> None:
    one, two, other = ([crafted(dice) for _ in range(20)] for dice in map(random.Random, (5, 5, 6)))
    assert one == two != other
