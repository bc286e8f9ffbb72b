"""Copies of members: exact, within the limit, whole or not at all, from several processes."""

from __future__ import annotations

import errno
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
from builders.submissions import LIMIT, sha256
from hostile_zips import Entry, raw_zip

from evalkit.challenges.submission_rules import ArchiveRules
from evalkit.errors import StorageError, SubmissionError
from evalkit.submission import references as module
from evalkit.submission.model import Submission
from evalkit.submission.references import MemberRef
from evalkit.submission.zip.listing import opened as opened_archive


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
