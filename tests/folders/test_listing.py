"""Which files a side has, what they are called, and which are pairs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from evalkit.errors import InputError
from evalkit.folders.listing import Side, list_side
from evalkit.folders.pairing import pair_by_name
from evalkit.folders.saved import is_saved


def made(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder


def names(side: Side) -> list[str]:
    return [file.name for file in side.files]


def test_a_folder_is_searched_with_the_folders_in_it(tmp_path: Path) -> None:
    folder = made(tmp_path, "b.mp4", "a/c.MP4", "a/d.png", ".hidden.mp4", ".git/e.mp4", "notes.txt", "README")
    side = list_side(folder, "real")
    assert names(side) == ["a/c", "a/d", "b"]
    assert [file.kind for file in side.files] == ["video", "image", "video"]
    assert side.others == 2


def test_links_are_followed_once(tmp_path: Path) -> None:
    folder = made(tmp_path / "videos", "a.mp4")
    other = made(tmp_path / "other", "b.mp4")
    (folder / "more").symlink_to(other)
    (folder / "again").symlink_to(folder)
    (folder / "c.mp4").symlink_to(other / "b.mp4")
    assert names(list_side(folder, "real")) == ["a", "c", "more/b"]


def test_names_that_two_files_share_have_their_suffix(tmp_path: Path) -> None:
    folder = made(tmp_path, "a.mp4", "a.png", "b.mp4", "b.webm", "c.png", "c.jpg", "v1.2.mp4")
    assert names(list_side(folder, "real")) == ["a", "a.png", "b.mp4", "b.webm", "c.jpg", "c.png", "v1.2"]


def test_patterns_lists_and_single_files(tmp_path: Path) -> None:
    folder = made(tmp_path, "x/a.mp4", "y/b.mp4", "y/z/c.mp4", "y/d.txt")
    assert names(list_side(str(folder / "**/*.mp4"), "real")) == ["x/a", "y/b", "y/z/c"]
    assert names(list_side(str(folder / "y/*"), "real")) == ["b"]
    assert names(list_side([folder / "x/a.mp4", str(folder / "y/b.mp4")], "real")) == ["x/a", "y/b"]
    assert names(list_side(folder / "x/a.mp4", "real")) == ["a"]
    listed = folder / "list.txt"
    listed.write_text("x/a.mp4\n\ny/z/c.mp4\nx/a.mp4\nmissing.mp4\n")
    assert names(list_side(listed, "real")) == ["missing", "x/a", "y/z/c"]
    (folder / "[1]").mkdir()
    made(folder, "[1]/e.mp4")
    assert names(list_side(str(folder / "[1]"), "real")) == ["e"], "a folder that is there is no pattern"
    with pytest.raises(InputError, match="does not exist"):
        list_side(str(folder / "nothing.mp4"), "real")


def test_pairs_are_by_path_then_by_name_alone(tmp_path: Path) -> None:
    real = list_side(made(tmp_path / "real", "a/1.mp4", "a/2.mp4", "b/1.mp4", "5.png", "7.mp4"), "real")
    generated = list_side(made(tmp_path / "gen", "a/1.mp4", "out/2.mp4", "1.mp4", "5.mp4", "6.mp4"), "generated")
    pairs = pair_by_name(real, generated)
    # The bare name 1 is left once on either side when a/1 has found its own.
    assert {name: file.name for name, file in pairs.real.items()} == {"a/1": "a/1", "out/2": "a/2", "1": "b/1"}
    assert (pairs.by_stem, pairs.kinds_differ) == (2, ("5",))
    assert pairs.only_real == ("5", "7")
    assert pairs.only_generated == ("5", "6")


def test_a_name_that_is_not_alone_is_no_pair(tmp_path: Path) -> None:
    real = list_side(made(tmp_path / "real", "a/1.mp4", "b/1.mp4"), "real")
    generated = list_side(made(tmp_path / "gen", "c/1.mp4"), "generated")
    assert dict(pair_by_name(real, generated).real) == {}


def test_a_pipe_in_place_of_a_saved_reference_is_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "real.refpack"
    os.mkfifo(pipe)
    assert not is_saved(pipe)
