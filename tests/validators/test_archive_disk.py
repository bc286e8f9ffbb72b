"""A full disk and an interruption: said before anything is written, and nothing is left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hostile_zips import Entry, raw_zip, wrong_crc

from evalkit.challenges.submission_rules import ArchiveRules
from evalkit.errors import StorageError, SubmissionError
from evalkit.submission import references as reading
from evalkit.submission.model import Submission

MIB = 1 << 20
LIMIT = ArchiveRules().max_file_bytes


def test_no_room_is_said_before_anything_is_read(
    tmp_path: Path, tiny_disk: Callable[[int], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = tiny_disk(20 * 1024)
    opened = Submission.open(raw_zip(tmp_path / "in.zip", Entry("s01.mp4", data=os.urandom(5 * MIB))))
    monkeypatch.setattr(reading, "_read", lambda *_: pytest.fail("something was read"))
    with pytest.raises(StorageError, match=r"no room to extract 's01\.mp4' from") as caught:
        opened.copy("s01.mp4", disk / "out", LIMIT)
    assert caught.value.expected == f"{5 * MIB} bytes for the file and {16 * MIB} more"
    assert caught.value.exit_code == 4
    assert list(disk.iterdir()) == []


def test_with_room_and_the_margin_it_is_copied(tmp_path: Path, tiny_disk: Callable[[int], Path]) -> None:
    data = os.urandom(3 * MIB)
    opened = Submission.open(raw_zip(tmp_path / "in.zip", Entry("s01.mp4", data=data)))
    roomy = tiny_disk(19 * 1024 + 64)
    opened.copy("s01.mp4", roomy / "out", LIMIT)
    assert (roomy / "out").read_bytes() == data
    with pytest.raises(StorageError, match="no room"):
        opened.copy("s01.mp4", roomy / "again", LIMIT)
    assert [path.name for path in roomy.iterdir()] == ["out"]


def test_a_disk_that_fills_up_meanwhile_leaves_nothing(
    tmp_path: Path, tiny_disk: Callable[[int], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else writes at the same time, so that the room that was there is gone: a real full disk."""
    monkeypatch.setattr(reading, "MARGIN", -(1 << 40))
    disk = tiny_disk(4 * 1024)
    opened = Submission.open(raw_zip(tmp_path / "in.zip", Entry("s01.mp4", data=os.urandom(6 * MIB))))
    with pytest.raises(StorageError, match="No space left on device"):
        opened.copy("s01.mp4", disk / "out", LIMIT)
    assert list(disk.iterdir()) == []
    assert os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize == 4 * MIB


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, SystemExit, RuntimeError])
def test_whatever_interrupts_a_copy_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    """After the first mebibyte was written."""
    path = raw_zip(tmp_path / "in.zip", Entry("s01.mp4", data=os.urandom(3 * MIB)))
    opened, read, out = Submission.open(path), reading._read, tmp_path / "folder" / "out"
    out.parent.mkdir()
    calls = []

    def interrupted(*args: object) -> bytes:
        calls.append(out.exists())
        if len(calls) == 3:
            raise error
        return read(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(reading, "_read", interrupted)
    with pytest.raises(error):
        opened.copy("s01.mp4", out, LIMIT)
    assert calls == [True, True, True]
    assert list(out.parent.iterdir()) == []


def test_damage_at_the_end_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(SubmissionError, match="CRC"):
        Submission.open(wrong_crc(tmp_path / "in.zip")).copy("s01.mp4", folder / "out", LIMIT)
    assert list(folder.iterdir()) == []


def test_validate_on_a_full_disk_is_one_sentence_and_leaves_nothing(
    tmp_path: Path, tiny_disk: Callable[[int], Path]
) -> None:
    disk = tiny_disk(8 * 1024)
    path = raw_zip(tmp_path / "in.zip", Entry("s01.mp4", data=os.urandom(MIB)))
    command = [sys.executable, "-m", "evalkit", "validate", str(path), "-c", "talking-head", "--workers", "1"]
    done = subprocess.run(
        [*command, "--cache", str(tmp_path / "cache")],
        env={**os.environ, "TMPDIR": str(disk)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 4, done.stderr
    assert "no room to extract 's01.mp4'" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert list(disk.iterdir()) == []
