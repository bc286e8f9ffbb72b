from __future__ import annotations

import errno
import hashlib
import io
import os
import pickle
import random
import zipfile
import zlib
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import hostile_zips
import pytest
from hostile_zips import Entry, raw_zip
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evalkit.challenges.model import ArchiveRules
from evalkit.errors import StorageError, SubmissionError
from evalkit.submission import references as module
from evalkit.submission.model import Submission
from evalkit.submission.references import MemberRef
from evalkit.submission.zip.listing import opened as opened_archive

LIMIT = 1 << 30


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


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


@pytest.mark.parametrize(
    "build", [hostile_zips.good, hostile_zips.self_extracting, hostile_zips.zip64, hostile_zips.data_descriptor]
)
def test_copies_are_what_zipfile_reads(tmp_path: Path, build: Callable[[Path], Path]) -> None:
    path = build(tmp_path / "in.zip")
    opened = Submission.open(path)
    with zipfile.ZipFile(path) as archive:
        assert sorted(archive.namelist()) == [member.path for member in opened.members]
        for number, member in enumerate(opened.members):
            expected = archive.read(member.path)
            out = tmp_path / f"out{number}"
            assert opened.copy(member.path, out, len(expected)) == sha256(expected)
            assert out.read_bytes() == expected
            with opened.open_member(member.path) as stream:
                assert stream.read() == expected


@pytest.mark.shared
def test_copies_of_real_submissions_are_what_zipfile_reads(shared: Path, tmp_path: Path) -> None:
    # data/cases holds submissions that something is wrong with.
    for path in sorted(path for path in (shared / "data").rglob("*.zip") if "cases" not in path.parts):
        opened = Submission.open(path)
        with zipfile.ZipFile(path) as archive:
            for member in opened.members:
                out = tmp_path / "out"
                assert opened.copy(member.path, out, LIMIT) == sha256(archive.read(member.path))
                out.unlink()


@pytest.mark.parametrize(
    ("build", "name", "words"),
    [
        (hostile_zips.wrong_crc, "s01.mp4", "CRC"),
        (hostile_zips.garbled_deflate, "s01.mp4", "can't be read"),
        (hostile_zips.two_names, "s01.mp4", "contradicts itself"),
        (hostile_zips.understated, "s01.mp4", "CRC|not as long"),
        (hostile_zips.overstated, "s01.mp4", "not as long"),
        (hostile_zips.encrypted, "s02.mp4", r"^'s02\.mp4' is encrypted\."),
        (hostile_zips.symlink, "s02.mp4", "not a file"),
        (hostile_zips.device, "s01.mp4", "not a file"),
        (hostile_zips.unsupported_method, "s01.mp4", "ZIP method 9"),
        (lambda path: hostile_zips.unsupported_method(path, 12), "s01.mp4", "ZIP method 12"),
        (hostile_zips.duplicate, "s01.mp4", "2 members"),
        (hostile_zips.good, "absent\x1b.mp4", r"no member named 'absent\\x1b"),
        (lambda path: raw_zip(path, Entry("d/", data=b"x")), "d/", "not a file"),
        (lambda path: raw_zip(path, Entry("a", offset=9999)), "a", "no header of its own"),
    ],
)
def test_what_can_not_be_copied_leaves_nothing(
    tmp_path: Path, build: Callable[[Path], Path], name: str, words: str
) -> None:
    opened = Submission.open(build(tmp_path / "in.zip"))
    out = tmp_path / "out"
    with pytest.raises(SubmissionError, match=words):
        opened.copy(name, out, LIMIT)
    assert not out.exists()


def test_excess_is_found_even_when_the_checksum_fits_the_stated_part(tmp_path: Path) -> None:
    """zipfile alone cuts at the stated size, finds the checksum right and says nothing."""
    data = bytes(range(256)) * 8192
    entry = Entry("s01.mp4", data=data, method=8, size=1000, crc=zlib.crc32(data[:1000]))
    path = raw_zip(tmp_path / "in.zip", entry)
    with zipfile.ZipFile(path) as archive:
        assert archive.read("s01.mp4") == data[:1000]
    with pytest.raises(SubmissionError, match=r"CRC|not as long"):
        Submission.open(path).copy("s01.mp4", tmp_path / "out", LIMIT)
    assert not (tmp_path / "out").exists()


def test_limit_is_kept(tmp_path: Path) -> None:
    path = raw_zip(tmp_path / "in.zip", Entry("a", data=b"x" * 100))
    opened = Submission.open(path)
    assert opened.copy("a", tmp_path / "fits", 100) == sha256(b"x" * 100)
    with pytest.raises(SubmissionError, match=r"too large\. Found 100 bytes; expected at most 99 bytes"):
        opened.copy("a", tmp_path / "out", 99)
    assert not (tmp_path / "out").exists()


def test_a_growing_file_stays_within_the_limit(tmp_path: Path) -> None:
    """In a folder the stated size is a moment's; what is copied is still bounded."""
    folder = tmp_path / "team"
    folder.mkdir()
    (folder / "a").write_bytes(b"x" * 50)
    opened = Submission.open(folder)
    (folder / "a").write_bytes(b"x" * 5000)
    for limit, words in ((100, "too large"), (LIMIT, "not as long")):
        with pytest.raises(SubmissionError, match=words):
            opened.copy("a", tmp_path / "out", limit)
        assert not (tmp_path / "out").exists()


def test_an_existing_file_is_neither_overwritten_nor_removed(tmp_path: Path) -> None:
    opened = Submission.open(raw_zip(tmp_path / "in.zip", Entry("a")))
    out = tmp_path / "out"
    out.write_bytes(b"precious")
    with pytest.raises(StorageError, match="can't be written"):
        opened.copy("a", out, LIMIT)
    assert out.read_bytes() == b"precious"
    with pytest.raises(StorageError, match="can't be written"):
        opened.copy("a", tmp_path / "no such folder" / "out", LIMIT)


def test_a_full_disk_is_the_machines_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Submission.open(raw_zip(tmp_path / "in.zip", Entry("a")))

    class Full(io.FileIO):
        def write(self, _: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "open", lambda path, mode: Full(path, mode.replace("b", "")))
    with pytest.raises(StorageError, match="No space left on device") as caught:
        opened.copy("a", tmp_path / "out", LIMIT)
    assert caught.value.exit_code == 4
    assert not (tmp_path / "out").exists()


def test_an_interrupted_copy_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Submission.open(raw_zip(tmp_path / "in.zip", Entry("a")))

    def interrupt(*_: object) -> bytes:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "_read", interrupt)
    with pytest.raises(KeyboardInterrupt):
        opened.copy("a", tmp_path / "out", LIMIT)
    assert not (tmp_path / "out").exists()


def test_a_replaced_archive_is_refused(tmp_path: Path) -> None:
    opened = Submission.open(raw_zip(tmp_path / "in.zip", Entry("a", data=b"one")))
    raw_zip(tmp_path / "in.zip", Entry("a", data=b"other"))
    with pytest.raises(SubmissionError, match="changed while it was being read"):
        opened.copy("a", tmp_path / "out", LIMIT)


def _copy(job: tuple[MemberRef, Path]) -> str:
    ref, destination = job
    return ref.copy(destination, LIMIT)


@pytest.mark.parametrize("start", ["spawn", "forkserver"])
def test_members_are_read_from_several_processes(tmp_path: Path, start: str) -> None:
    data = {f"s{i:02d}.mp4": random.Random(i).randbytes(50_000) for i in range(24)}
    path = raw_zip(tmp_path / "in.zip", *(Entry(name, data=content, method=8) for name, content in data.items()))
    opened = Submission.open(path)
    assert opened.copy("s00.mp4", tmp_path / "parent", LIMIT) == sha256(data["s00.mp4"])
    jobs = [(opened.ref(name), tmp_path / f"{start}-{name}") for name in data]
    assert pickle.loads(pickle.dumps(jobs)) == jobs
    with ProcessPoolExecutor(2, mp_context=get_context(start)) as pool:
        assert list(pool.map(_copy, jobs)) == [sha256(content) for content in data.values()]


def test_a_forked_child_does_not_share_the_parents_file_position(tmp_path: Path) -> None:
    path = hostile_zips.good(tmp_path / "in.zip")
    opened = Submission.open(path)
    stamp = opened.ref("s00000.mp4").stamp
    assert stamp is not None
    mine, _ = opened_archive(os.getpid(), path, stamp)
    childs, _ = opened_archive(os.getpid() + 1, path, stamp)
    assert mine is not childs


def test_the_table_of_contents_is_parsed_once_per_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Submission.open(hostile_zips.good(tmp_path / "in.zip", 20))
    monkeypatch.setattr(zipfile, "ZipFile", lambda *_: pytest.fail("parsed again"))
    for number, member in enumerate(opened.members):
        opened.copy(member.path, tmp_path / f"out{number}", LIMIT)


def test_a_table_of_contents_full_of_long_names_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # 300 names of 60,000 bytes: 18 MB, above the 16 MiB that are accepted for up to 16,384 members.
    path = raw_zip(tmp_path / "in.zip", *(Entry(f"{i:03d}" + "x" * 59_997, local_name=b"") for i in range(300)))
    monkeypatch.setattr(zipfile, "ZipFile", lambda *_: pytest.fail("zipfile was asked"))
    with pytest.raises(SubmissionError, match=r"table of contents of .* is too large"):
        Submission.open(path)


def test_zipfile_is_not_asked_when_there_are_too_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    claims = hostile_zips.claims_million(tmp_path / "claims.zip")
    holds = hostile_zips.understates_count(tmp_path / "holds.zip", 50)
    monkeypatch.setattr(zipfile, "ZipFile", lambda *_: pytest.fail("zipfile was asked"))
    opened = Submission.open(claims)
    assert (opened.member_count, opened.complete, opened.members) == (1_000_000, False, ())
    opened = Submission.open(holds, ArchiveRules(max_files=40))
    assert (opened.member_count, opened.complete, opened.members) == (41, False, ())
