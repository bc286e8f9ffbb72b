"""None"""

from __future__ import annotations

import errno
import hashlib
import os
import random
from collections.abc import Callable
from pathlib import Path

import hostile_zips
import pytest
from builders.submissions import LIMIT, sha256
from hostile_zips import Entry, raw_zip
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evalkit.errors import SubmissionError
from evalkit.submission.model import Submission


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"Rar!\x1a\x07\x01\x00rest", "RAR"),
        (b"7z\xbc\xaf\x27\x1crest", "7z"),
        (b"\x1f\x8b\x08rest", "tar.gz"),
        (b"BZh9rest", "bzip2"),
        (b"\xfd7zXZ\x00rest", "xz"),
        (b"\x28\xb5\x2f\xfdrest", "Zstandard"),
        (bytes(257) + b"ustar" + bytes(600), "tar archive"),
        (b"\n<!DOCTYPE html><title>Log in</title>", "web page"),
        (b"\0\0\0\x20ftypisom", "MP4 video"),
        (b"\x1b]0;owned\x07", r"starts with b'\\x1b]0;owne'"),
        (b"PK\7\x08PK\3\4rest", "split ZIP"),
        (b"PK\3\4rest", "cut off or damaged"),
        (b"x", "not a ZIP"),
    ],
)
def test_what_is_no_zip_is_called_by_its_name(tmp_path: Path, data: bytes, words: str) -> None:
    path = tmp_path / "in.zip"
    path.write_bytes(data)
    with pytest.raises(SubmissionError, match=words) as caught:
        Submission.open(path)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (hostile_zips.truncated, "cut off or damaged"),
        (hostile_zips.garbled_table, "cut off or damaged"),
        (hostile_zips.huge_table, "cut off or damaged"),
        (hostile_zips.understates_count, "states 1 members and lists 50"),
        (hostile_zips.split_part, "one part of a split ZIP"),
        (hostile_zips.false_utf8_name, "marked as UTF-8 but is not"),
        (lambda path: raw_zip(path, Entry("a", version=99)), "needs a newer ZIP version"),
    ],
)
def test_a_damaged_zip_is_one_sentence(tmp_path: Path, build: Callable[[Path], Path], words: str) -> None:
    with pytest.raises(SubmissionError, match=words) as caught:
        Submission.open(build(tmp_path / "in.zip"))
    assert caught.value.exit_code == 1
    assert caught.value.fix


@pytest.mark.parametrize("starts_with", [b"PK\3\4", b"\x7fELF"])
def test_more_than_4_gb_without_zip64(tmp_path: Path, starts_with: bytes) -> None:
    """Its numbers lost 2**32; behind a program of that length, the same numbers are right."""
    small = raw_zip(tmp_path / "small.zip", Entry("s01.mp4"), Entry("s02.mp4")).read_bytes()
    path = tmp_path / "large.zip"
    with path.open("wb") as file:  # a hole takes no room on the disk
        file.write(starts_with)
        file.seek(1 << 32)
        file.write(small)
    if starts_with != b"PK\3\4":
        assert len(Submission.open(path).members) == 2
        return
    with pytest.raises(SubmissionError, match=r"larger than 4 GB and written without Zip64.*'zip -r' in a terminal"):
        Submission.open(path)


def test_paths_that_hold_no_submission(tmp_path: Path) -> None:
    with pytest.raises(SubmissionError, match="does not exist"):
        Submission.open(tmp_path / "absent.zip")
    os.mkfifo(tmp_path / "pipe.zip")
    with pytest.raises(SubmissionError, match="neither a ZIP nor a folder"):
        Submission.open(tmp_path / "pipe.zip")
    with pytest.raises(SubmissionError, match="can't be read"):
        Submission.open(tmp_path / "a\0b.zip")


def test_no_permission_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = hostile_zips.good(tmp_path / "in.zip")

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)  # the tests may run as root, whom no mode stops
    with pytest.raises(SubmissionError, match=r"no permission to read .*in\.zip"):
        Submission.open(path)


def test_every_cut_of_a_zip_is_refused_or_listed(tmp_path: Path) -> None:
    data = hostile_zips.good(tmp_path / "good.zip").read_bytes()
    path = tmp_path / "cut.zip"
    for length in range(len(data)):
        path.write_bytes(data[:length])
        with pytest.raises(SubmissionError):
            Submission.open(path)


def test_every_flipped_byte_ends_in_a_result_or_our_own_error(tmp_path: Path) -> None:
    """What a bit flip does to zipfile (struct, Unicode, zlib errors, ...) never comes out raw."""
    data = hostile_zips.data_descriptor(tmp_path / "good.zip").read_bytes()
    good = {"s01.mp4": sha256(b"not really a video"), "s02.mp4": sha256(b"not really a video")}
    path, out = tmp_path / "flipped.zip", tmp_path / "out"
    for index in range(len(data)):
        for mask in (0x01, 0x80, 0xFF):
            path.write_bytes(data[:index] + bytes([data[index] ^ mask]) + data[index + 1 :])
            try:
                opened = Submission.open(path)
            except SubmissionError:
                continue
            for member in opened.members:
                try:
                    digest = opened.copy(member.path, out, LIMIT)
                except SubmissionError:
                    assert not out.exists()
                else:
                    assert digest == good.get(member.path, digest)
                    out.unlink()


def test_members_of_a_zip(tmp_path: Path) -> None:
    path = raw_zip(
        tmp_path / "team.run1.zip",
        Entry("b/", data=b""),
        Entry("b/s01.mp4", data=b"x" * 500, method=8),
        Entry("\u00e9.mp4".encode("cp437")),
        Entry("nul\0name"),
        prefix=b"#!",
    )
    opened = Submission.open(str(path))
    assert (opened.kind, opened.name, opened.size, opened.complete) == ("zip", "team.run1", path.stat().st_size, True)
    assert opened.sha256 == sha256(path.read_bytes())
    assert [member.path for member in opened.members] == ["b/", "b/s01.mp4", "nul\0name", "\u00e9.mp4"]
    folder, video, nul, accent = opened.members
    assert (folder.kind, folder.is_directory) == ("directory", True)
    assert (video.size, video.method, video.kind, video.utf8, video.encrypted) == (500, 8, "file", True, False)
    assert video.compressed_size < 500
    assert nul.raw_name == b"nul\0name"
    assert (accent.raw_name, accent.utf8) == (b"\x82.mp4", False)
    assert folder.header_offset == 2


def test_members_of_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "team.v2"
    (folder / "id1").mkdir(parents=True)
    (folder / "id1" / "p1.mp4").write_bytes(b"one")
    (folder / "a.mp4").write_bytes(b"two!")
    opened = Submission.open(folder)
    assert (opened.kind, opened.name, opened.size) == ("directory", "team.v2", 7)
    assert [(m.path, m.kind, m.size) for m in opened.members] == [
        ("a.mp4", "file", 4),
        ("id1/", "directory", 0),
        ("id1/p1.mp4", "file", 3),
    ]
    assert opened.copy("id1/p1.mp4", tmp_path / "out", LIMIT) == sha256(b"one")
    # Over the files in the order of their paths: the path, a NUL, the digest of the contents.
    expected = hashlib.sha256()
    for name, data in ((b"a.mp4", b"two!"), (b"id1/p1.mp4", b"one")):
        expected.update(name + b"\0" + hashlib.sha256(data).digest())
    assert opened.sha256 == expected.hexdigest()


def test_a_link_put_in_a_files_place_is_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "team"
    folder.mkdir()
    (folder / "a.mp4").write_bytes(b"video")
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    opened = Submission.open(folder)
    (folder / "a.mp4").unlink()
    (folder / "a.mp4").symlink_to(secret)
    with pytest.raises(SubmissionError, match="can't be read"):
        opened.copy("a.mp4", tmp_path / "out", LIMIT)
    assert not (tmp_path / "out").exists()


def test_a_file_that_can_not_be_read_leaves_a_mark_in_the_folders_digest(tmp_path: Path) -> None:
    folder = tmp_path / "team"
    folder.mkdir()
    for name in ("a.mp4", "gone.txt", "folder.txt"):
        (folder / name).write_bytes(b"x")
    opened = Submission.open(folder)
    (folder / "gone.txt").unlink()
    (folder / "folder.txt").unlink()
    (folder / "folder.txt").mkdir()
    expected = hashlib.sha256(b"a.mp4\0" + hashlib.sha256(b"x").digest())
    expected.update(b"folder.txt\0" + bytes(32) + b"gone.txt\0" + bytes(32))
    assert opened.sha256 == expected.hexdigest()
    for name in ("gone.txt", "folder.txt"):
        with pytest.raises(SubmissionError, match=r"can't be read.*Make the file readable\."):
            opened.copy(name, tmp_path / "out", LIMIT)


def test_a_link_put_in_a_folders_place_is_not_followed(tmp_path: Path) -> None:
    folder, outside = tmp_path / "team", tmp_path / "outside"
    for place, data in ((folder / "id1" / "deep", b"video"), (outside / "deep", b"other")):
        place.mkdir(parents=True)
        (place / "a.mp4").write_bytes(data)
    opened = Submission.open(folder)
    assert opened.copy("id1/deep/a.mp4", tmp_path / "out", LIMIT) == sha256(b"video")
    (folder / "id1").rename(tmp_path / "id1")
    (folder / "id1").symlink_to(outside)
    with pytest.raises(SubmissionError, match="can't be read"):
        opened.copy("id1/deep/a.mp4", tmp_path / "other", LIMIT)
    assert not (tmp_path / "other").exists()


def test_the_submission_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "team").mkdir()
    (tmp_path / "team" / "a.mp4").write_bytes(b"video")
    (tmp_path / "link").symlink_to(tmp_path / "team")
    assert Submission.open(tmp_path / "link").copy("a.mp4", tmp_path / "out", LIMIT) == sha256(b"video")


def test_a_folder_that_vanishes_while_it_is_listed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "team" / "sub").mkdir(parents=True)
    scandir = os.scandir

    def vanish(place: bytes) -> object:
        if place.rstrip(b"/").endswith(b"sub"):
            (tmp_path / "team" / "sub").rmdir()
        return scandir(place)

    monkeypatch.setattr(os, "scandir", vanish)
    with pytest.raises(SubmissionError, match=r"sub/? disappeared while the folder was being listed"):
        Submission.open(tmp_path / "team")


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    names=st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8), unique=True, max_size=8),
    seed=st.integers(0, 1000),
)
def test_order_of_the_archive_never_shows(tmp_path: Path, names: list[str], seed: int) -> None:
    entries = [Entry(name, data=name.encode() * 3) for name in names]
    shuffled = list(entries)
    random.Random(seed).shuffle(shuffled)
    first = Submission.open(raw_zip(tmp_path / "a.zip", *entries))
    second = Submission.open(raw_zip(tmp_path / "b.zip", *shuffled))
    assert [m.path for m in first.members] == [m.path for m in second.members] == sorted(names, key=str.encode)
    assert [(m.size, m.crc) for m in first.members] == [(m.size, m.crc) for m in second.members]
