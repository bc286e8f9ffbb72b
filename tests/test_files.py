"""A file appears whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from evalkit import files
from evalkit.errors import StorageError
from evalkit.files import OwnFolder, abandon_parts, atomic_write, storage_error, sweep_folders, write_text


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_the_content_arrives_in_new_folders(tmp_path):
    path = tmp_path / "a" / "b" / "file.bin"
    with atomic_write(path) as stream:
        stream.write(b"one ")
        stream.write(b"two")
        assert not path.exists()
    assert path.read_bytes() == b"one two"
    assert names(path.parent) == ["file.bin"]


def test_an_existing_file_is_replaced_at_the_end(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with atomic_write(path) as stream:
        stream.write(b"new, and longer")
        stream.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new, and longer"
    with atomic_write(path):
        pass
    assert path.read_bytes() == b""
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("error", [ValueError("planted"), KeyboardInterrupt(), StorageError("planted")])
def test_an_exception_in_the_block_leaves_the_old_file(tmp_path, error):
    def write(path: Path) -> None:
        with atomic_write(path) as stream:
            stream.write(b"half")
            raise error

    path = tmp_path / "file"
    with pytest.raises(type(error)) as caught:
        write(path)
    assert caught.value is error
    assert names(tmp_path) == []
    path.write_bytes(b"old")
    with pytest.raises(type(error)):
        write(path)
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


def test_a_file_where_the_folder_should_be(tmp_path):
    (tmp_path / "file").write_bytes(b"kept")
    with pytest.raises(StorageError, match="can't be written") as caught, atomic_write(tmp_path / "file" / "x" / "y"):
        pass
    assert caught.value.exit_code == 4
    assert (tmp_path / "file").read_bytes() == b"kept"
    assert names(tmp_path) == ["file"]


def test_a_folder_where_the_file_should_be(tmp_path):
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    with pytest.raises(StorageError, match="can't be written"):
        write_text(tmp_path / "folder", "text")
    assert names(tmp_path) == ["folder"]
    assert names(tmp_path / "folder") == ["inner"]


def test_a_folder_that_vanishes_while_the_file_is_written(tmp_path):
    folder = tmp_path / "folder"
    with pytest.raises(StorageError, match="can't be written"), atomic_write(folder / "file") as stream:
        stream.write(b"data")
        for entry in folder.iterdir():
            entry.unlink()
        folder.rmdir()
    assert names(tmp_path) == []


def small_disk(place: Path) -> bool:
    """Mount a file system that holds 256 KiB; return whether that is allowed here."""
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)]
    return (
        shutil.which("mount") is not None and subprocess.run(command, capture_output=True, check=False).returncode == 0
    )


def test_a_full_disk(tmp_path):
    disk = tmp_path / "small"
    if not small_disk(disk):
        return  # the next test fills a disk without asking for privileges
    path = disk / "file"
    try:
        path.write_bytes(b"old")
        for size in (300_000, 5_000_000):  # more than fits, more than the stream's buffer
            with pytest.raises(StorageError, match="no space left") as caught:
                write_text(path, "x" * size)
            assert str(path) in caught.value.what
            assert "run the same command again" in (caught.value.fix or "")
            assert path.read_bytes() == b"old"
            assert names(disk) == ["file"]
        write_text(path, "y" * 100_000)
        assert path.read_text() == "y" * 100_000
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize("size", [10, 1_000_000])
def test_a_disk_that_fills_up_while_the_file_is_written(tmp_path, size):
    # The temporary file's descriptor is made to point to /dev/full, which refuses every byte. The few bytes that the
    # stream buffers are refused only when the block has ended.
    path = tmp_path / "file"
    path.write_bytes(b"old")
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        with pytest.raises(StorageError, match="no space left"), atomic_write(path) as stream:
            os.dup2(full, stream.fileno())
            stream.write(bytes(size))
    finally:
        os.close(full)
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


def test_others_may_read_what_the_umask_lets_them(tmp_path):
    before = os.umask(0o022)
    try:
        write_text(tmp_path / "open", "text")
        with atomic_write(tmp_path / "binary") as stream:
            stream.write(b"x")
    finally:
        os.umask(before)
    for name in ("open", "binary"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o644


def test_text_is_utf_8_with_its_line_ends(tmp_path):
    write_text(tmp_path / "text", "Größe 漢字\r\nend\n")
    assert (tmp_path / "text").read_bytes() == "Größe 漢字\r\nend\n".encode()
    with pytest.raises(UnicodeEncodeError):
        write_text(tmp_path / "other", "lone \ud800")
    assert names(tmp_path) == ["text"]


def test_two_writers_of_one_file(tmp_path):
    path = tmp_path / "file"
    with atomic_write(path) as first, atomic_write(path) as second:
        first.write(b"first")
        second.write(b"second")
    assert path.read_bytes() == b"first"  # the one that ends last
    assert names(tmp_path) == ["file"]


def test_a_name_as_long_as_names_may_be(tmp_path):
    path = tmp_path / ("n" * 230 + ".json")
    write_text(path, "text")
    assert path.read_text() == "text"
    with pytest.raises(StorageError, match="can't be written"):
        write_text(tmp_path / ("n" * 300), "text")


@pytest.mark.parametrize(
    ("code", "words"),
    [(errno.ENOSPC, "no space left"), (errno.EDQUOT, "no space left"), (errno.EROFS, "can't be written")],
)
def test_the_words_for_each_fault(code, words):
    error = storage_error(Path("place"), OSError(code, os.strerror(code)))
    assert words in error.what
    assert "place" in error.what
    assert error.fix


def test_who_reads_the_old_file_reads_it_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    write_text(path, "old")
    with path.open() as reader:
        write_text(path, "new, and longer")
        assert reader.read() == "old"
    assert path.read_text() == "new, and longer"


def test_a_part_whose_block_was_never_entered_is_abandoned(tmp_path: Path) -> None:
    """As when a signal comes right after the part was made."""
    (tmp_path / "other.part").touch()
    _, stream = files._new_part(tmp_path / "file.bin")
    stream.close()
    with atomic_write(tmp_path / "whole.bin") as whole:
        whole.write(b"all of it")
    with pytest.raises(OSError, match="No such file"):
        files._new_part(tmp_path / "nowhere" / "file.bin")
    assert len(names(tmp_path)) == 3
    abandon_parts()
    assert names(tmp_path) == ["other.part", "whole.bin"]
    assert not files._unfinished


@pytest.mark.parametrize("moment", ["mkdtemp", "open"])
def test_a_folder_that_another_process_sweeps_at_once_is_made_again(tmp_path, monkeypatch, moment):
    """The sweep comes before the folder is opened, or between that and its lock."""
    monkeypatch.setattr(files.tempfile, "tempdir", str(tmp_path))
    owner, made = (files.tempfile, []) if moment == "mkdtemp" else (files.os, [])
    plain = getattr(owner, moment)

    def swept(*words, **options):
        result = plain(*words, **options)
        made.append(result)
        if len(made) == 1:
            monkeypatch.setattr(owner, moment, plain)
            sweep_folders("evalkit-test-")
        return result

    monkeypatch.setattr(owner, moment, swept)
    folder = OwnFolder("evalkit-test-")
    assert len(made) == 1
    assert folder.path.is_dir()
    sweep_folders("evalkit-test-")
    assert folder.path.is_dir()
    folder.remove()
    assert not names(tmp_path)
