"""Boxes of an MP4's index outside of their place, and two tables for one thing: refused; honest files are not."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
from hard_clips.making import AAC, X264, encoded
from mp4_boxes import Box, full, parse, table, tracks, write

from evalkit.challenges.model import load_challenge
from evalkit.media.facts import Mp4Facts
from evalkit.media.inspect import inspect_media
from evalkit.media.mp4.index import read_index
from evalkit.validators.file import File
from evalkit.validators.findings import run_rules
from evalkit.validators.registry import rules_for

pytestmark = pytest.mark.ffmpeg
RULES = load_challenge("talking-head").submission


@pytest.fixture(scope="module")
def clip() -> bytes:
    return encoded(*X264, *AAC)


def facts_of(tree: Box, path: Path) -> Mp4Facts:
    path.write_bytes(write(tree))
    facts = read_index(path)
    assert facts is not None
    return facts


def _in_udta(tree: Box) -> None:
    tree.children.insert(1, Box(b"udta", b"", [copy.deepcopy(tree.find(b"moov"))]))


def _in_meta(tree: Box) -> None:
    handler = full(b"hdlr", "I4s12x", 0, b"mdir")
    tree.find(b"moov").children.append(Box(b"meta", bytes(4), [handler, table(tracks(tree)[0], b"stts")]))


def _in_quicktime_meta(tree: Box) -> None:
    handler = full(b"hdlr", "I4s12x", 0, b"mdir")
    tree.find(b"moov").children.append(Box(b"meta", b"", [handler, table(tracks(tree)[0], b"stts")]))


def _in_late_meta(tree: Box) -> None:
    """FFmpeg looks for the handler anywhere in the box."""
    handler = full(b"hdlr", "I4s12x", 0, b"mdir")
    inner = handler.to_bytes() + table(tracks(tree)[0], b"stco").to_bytes()
    tree.find(b"moov").children.append(Box(b"meta", bytes(13) + inner))


def _in_sample_entry(tree: Box) -> None:
    entry = table(tracks(tree, b"vide")[0], b"stsd").children[0]
    entry.body += full(b"stts", "I", 0).to_bytes()


def _in_track_reference(tree: Box) -> None:
    tracks(tree)[0].children.append(Box(b"tref", b"", [Box(b"edts", b"", [full(b"elst", "I", 0)])]))


def _header_of_a_track(tree: Box) -> None:
    tree.find(b"moov").children.append(tracks(tree)[0].find(b"tkhd"))


def _data_in_a_track(tree: Box) -> None:
    tracks(tree)[0].children.append(Box(b"mdat", b"data"))


def _deep(tree: Box) -> None:
    inner = Box(b"elst", bytes(8))
    for _ in range(8):
        inner = Box(b"sinf", b"", [inner])
    tree.find(b"moov").children.append(inner)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (_in_udta, "moov in udta"),
        (_in_meta, "stts in meta"),
        (_in_quicktime_meta, "stts in meta"),
        (_in_late_meta, "stco in meta"),
        (_in_sample_entry, "stts in sample entry"),
        (_in_track_reference, "edts in tref"),
        (_header_of_a_track, "tkhd in moov"),
        (_data_in_a_track, "mdat in trak"),
        (_deep, "elst in sinf"),
    ],
)
def test_an_index_box_outside_of_its_place_is_an_error(
    clip: bytes, tmp_path: Path, change: Callable[[Box], None], found: str
) -> None:
    tree = parse(clip)
    change(tree)
    assert found in facts_of(tree, tmp_path / "a.mp4").misplaced
    file = File(inspect_media(tmp_path / "a.mp4").facts, RULES)
    rules = {finding.rule for finding in run_rules(rules_for("file"), file, {}) if finding.severity == "error"}
    assert rules & {"encoding.index", "encoding.not-media"}  # the second: FFmpeg does not open it


@pytest.mark.parametrize("more", [(), ("-movflags", "+faststart"), ("-movflags", "+frag_keyframe+empty_moov")])
@pytest.mark.parametrize("form", ["mp4", "mov"])
def test_honest_files_have_none(tmp_path: Path, more: tuple[str, ...], form: str) -> None:
    (tmp_path / "a").write_bytes(encoded(*X264, *AAC, "-metadata", "title=stts", *more, form=form))
    facts = read_index(tmp_path / "a")
    assert facts is not None
    assert facts.misplaced == ()
    assert [track.repeated_boxes for track in facts.tracks if track.kind != "other"] == [(), ()]


@pytest.mark.parametrize(("there", "other"), [(b"stco", b"co64"), (b"stsz", b"stz2")])
@pytest.mark.parametrize("first", [True, False])
def test_two_forms_of_one_table_are_an_error(
    clip: bytes, tmp_path: Path, there: bytes, other: bytes, first: bool
) -> None:
    tree = parse(clip)
    tables = tracks(tree, b"vide")[0].find(b"mdia", b"minf", b"stbl").children
    place = next(at for at, box in enumerate(tables) if box.kind == there)
    tables.insert(place + (not first), Box(other, bytes(12)))
    video = facts_of(tree, tmp_path / "a.mp4").tracks[0]
    assert video.repeated_boxes == (f"{there.decode()} or {other.decode()}",)


@pytest.mark.parametrize(("hidden", "refused"), [(0, True), (1, False)])
def test_a_first_video_track_that_is_a_chapters_image_is_an_error(tmp_path: Path, hidden: int, refused: bool) -> None:
    """FFmpeg skips such a track and other players show it; behind the scored one it is harmless."""
    tree = parse(encoded(*X264, *AAC, "-map", "0:v", "-map", "0:v", "-map", "1:a"))
    numbers = [number_of(track) for track in tracks(tree, b"vide")]
    chapters = Box(b"chap", numbers[hidden].to_bytes(4, "big"))
    tracks(tree, b"soun")[0].children.append(Box(b"tref", b"", [chapters]))
    (tmp_path / "a.mp4").write_bytes(write(tree))
    facts = inspect_media(tmp_path / "a.mp4").facts
    assert facts.video is not None
    assert facts.video.stream_id == numbers[1 - hidden]
    found = [one.found for one in run_rules(rules_for("file"), File(facts, RULES), {}) if one.rule == "encoding.index"]
    assert found == (["a first video track that FFmpeg takes for a chapter's image or a cover"] if refused else [])


def number_of(track: Box) -> int:
    return int.from_bytes(track.find(b"tkhd").body[12:16], "big")
