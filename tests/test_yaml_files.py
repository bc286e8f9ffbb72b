"""Reading the text of a YAML file: its encoding, its size, and what is no file."""

from __future__ import annotations

from pathlib import Path

import pytest

from evalkit.errors import InputError, TestSetError
from evalkit.yamlio import is_there, read_text


def test_read_text(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_bytes(b"\xef\xbb\xbfname: caf\xc3\xa9\n")
    assert read_text(file, kind=InputError, what="The file") == "name: caf\u00e9\n"
    file.write_bytes(b"name: caf\xe9\n")
    with pytest.raises(TestSetError, match=r"The file .*a\.yaml is not UTF-8 text. Found byte 9 is not UTF-8"):
        read_text(file, kind=TestSetError, what="The file")
    file.write_bytes("name: a".encode("utf-16"))
    with pytest.raises(InputError, match=r"not UTF-8 text. Found byte 0"):
        read_text(file, kind=InputError, what="The file")


def test_read_text_refuses_what_is_too_large(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_bytes(b"x" * 10)
    assert read_text(file, kind=InputError, what="The file", limit=10) == "x" * 10
    with pytest.raises(InputError, match=r"too large. Found 10 bytes; expected at most 9 bytes"):
        read_text(file, kind=InputError, what="The file", limit=9)
    with file.open("wb") as stream:
        stream.truncate(5 * 1024**3)  # a sparse file: 5 GiB that nobody may read into memory
    with pytest.raises(InputError, match=r"too large. Found 5368709120 bytes; expected at most 4194304 bytes"):
        read_text(file, kind=InputError, what="The file")
    with pytest.raises(InputError, match="too large"):
        read_text(Path("/dev/zero"), kind=InputError, what="The file", limit=100)


def test_read_text_of_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        read_text(tmp_path / "none.yaml", kind=InputError, what="The file")
    with pytest.raises(InputError, match=r"is a folder. Expected a file"):
        read_text(tmp_path, kind=InputError, what="The file")
    with pytest.raises(InputError, match=r"can't be read. Found File name too long"):
        read_text(tmp_path / ("a" * 300), kind=InputError, what="The file")
    with pytest.raises(InputError, match=r"a\\x00b can't be read"):
        read_text(Path("a\0b"), kind=InputError, what="The file")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(InputError, match="can't be read"):
        read_text(tmp_path / "loop", kind=InputError, what="The file")


def test_read_text_without_permission(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("a: 1")
    file.chmod(0)
    request.getfixturevalue("unprivileged")
    with pytest.raises(InputError, match=r"can't be read. Found Permission denied"):
        read_text(file, kind=InputError, what="The file")


def test_is_there(tmp_path: Path) -> None:
    assert is_there(tmp_path)
    assert not is_there(tmp_path / "none")
    assert not is_there(Path("a" * 5000))
    assert not is_there(Path("a\0b"))
