"""A submission that is replaced or written over while it is read: nothing follows from it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hostile_zips import Entry, raw_zip

from evalkit.errors import SubmissionChangedError, SubmissionError
from evalkit.submission.model import Submission

ONE, OTHER = b"one" * 9, b"two" * 9
LIMIT = 10**6


def swapped(path: Path) -> None:
    """Put another archive of the same size in the place of this one."""
    raw_zip(path.with_name("other.zip"), Entry("a", data=OTHER)).replace(path)


def written_over(path: Path) -> None:
    """Write other bytes into the file, and give it its old times again."""
    before = path.stat()
    other = raw_zip(path.with_name("other.zip"), Entry("a", data=OTHER)).read_bytes()
    with path.open("r+b") as stream:
        stream.write(other)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (after.st_ino, after.st_size, after.st_mtime_ns) == (before.st_ino, before.st_size, before.st_mtime_ns)


def away_for_a_moment(path: Path) -> None:
    """Let another archive stand under the name, and put the first one back."""
    kept = path.rename(path.with_name("kept.zip"))
    swapped(path)
    kept.replace(path)


def gone(path: Path) -> None:
    path.unlink()


CHANGES = (swapped, written_over, away_for_a_moment, gone)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("first_read", [False, True], ids=["unread", "read"])
def test_a_changed_archive_gives_no_bytes_and_no_digest(
    tmp_path: Path, change: Callable[[Path], None], first_read: bool
) -> None:
    path = raw_zip(tmp_path / "in.zip", Entry("a", data=ONE))
    opened = Submission.open(path)
    if first_read:
        opened.copy("a", tmp_path / "before", LIMIT)
    change(path)
    for use in (lambda: opened.copy("a", tmp_path / "out", LIMIT), lambda: opened.sha256, opened.ref("a").sha256):
        with pytest.raises(SubmissionError, match=r"changed while|can't be read"):
            use()
    assert not opened.ref("a").is_current()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_in_the_middle_of_a_member_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None]
) -> None:
    from evalkit.submission import references

    path = raw_zip(tmp_path / "in.zip", Entry("a", data=ONE))
    opened = Submission.open(path)
    plain = references._read

    def read(*words: object) -> bytes:
        if path.exists() and not (tmp_path / "other.zip").exists() and not (tmp_path / "done").exists():
            (tmp_path / "done").touch()
            change(path)
        return plain(*words)  # type: ignore[arg-type]

    monkeypatch.setattr(references, "_read", read)
    with pytest.raises(SubmissionChangedError, match="changed while it was being read"):
        opened.copy("a", tmp_path / "out", LIMIT)
    assert not (tmp_path / "out").exists()


def test_the_digest_is_of_the_archive_that_was_listed(tmp_path: Path) -> None:
    path = raw_zip(tmp_path / "in.zip", Entry("a", data=ONE))
    opened = Submission.open(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert opened.sha256 == digest
    swapped(path)
    assert opened.sha256 == digest  # of what was read, not of what lies there now


def test_a_file_of_a_folder_must_be_what_the_digest_says(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a").write_bytes(ONE)
    opened = Submission.open(tmp_path / "in")
    assert opened.sha256 == hashlib.sha256(b"a\0" + hashlib.sha256(ONE).digest()).hexdigest()
    opened.refuse_changed("a", opened.copy("a", tmp_path / "before", LIMIT))
    (tmp_path / "in" / "a").write_bytes(OTHER)
    with pytest.raises(SubmissionChangedError, match="in/a changed"):
        opened.refuse_changed("a", opened.copy("a", tmp_path / "after", LIMIT))


def test_a_file_of_a_folder_that_could_not_be_read_is_looked_at_again(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a").write_bytes(ONE)
    opened = Submission.open(tmp_path / "in")
    assert opened.sha256
    opened.refuse_changed("a", None)  # it is too large for the rules, say
    (tmp_path / "in" / "a").write_bytes(ONE + b"more")
    with pytest.raises(SubmissionError, match="not as long"):
        opened.copy("a", tmp_path / "after", LIMIT)
    with pytest.raises(SubmissionChangedError):
        opened.refuse_changed("a", None)
