"""Names of ZIPs that a Unicode Path field repeats in UTF-8 (0x7075), as WinRAR, 7-Zip and Windows write them."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import pytest
from builders.archives import check
from hostile_structures import DATA, GOOD, chinese_name, unicode_name
from hostile_zips import Entry, raw_zip

from evalkit.submission.model import Submission


@pytest.mark.parametrize(
    ("name", "code_page"),
    [
        ("\u8bf4\u660e.txt", "gbk"),
        ("\u63d0\u4ea4/p001.mp4", "gbk"),
        ("\u30bd\u30d5\u30c8/\u8868.mp4", "cp932"),  # two characters with a backslash as their second byte
        ("\u529f\u80fd.mp4", "big5"),
        ("r\u00e9sum\u00e9/\u00fc.mp4", "cp850"),
        ("\u0432\u0438\u0434\u0435\u043e/1.mp4", "cp866"),
        ("\u63d0\u4ea4/", "gbk"),
    ],
)
@pytest.mark.parametrize("local", [True, False], ids=["in both headers", "in the table alone"])
def test_the_name_is_the_fields(tmp_path: Path, name: str, code_page: str, local: bool) -> None:
    entry = chinese_name(name, header_name=name.encode(code_page))
    entry = replace(entry, data=b"" if name.endswith("/") else DATA, local_extra=entry.extra * local)
    path = raw_zip(tmp_path / "in.zip", entry)
    (member,) = Submission.open(path).members
    assert (member.path, member.utf8, member.is_directory) == (name, True, name.endswith("/"))
    assert check(path) == []
    if not member.is_directory:
        Submission.open(path).copy(name, tmp_path / "out", 100)
        assert (tmp_path / "out").read_bytes() == DATA


@pytest.mark.parametrize("header", [b"??/s01.mp4", b"__/s01.mp4", b"?/s01.mp4", b"#U63d0#U4ea4/s01.mp4"])
def test_what_stands_for_characters_beyond_the_code_page_is_no_other_name(tmp_path: Path, header: bytes) -> None:
    path = raw_zip(tmp_path / "in.zip", chinese_name(header_name=header))
    assert [member.path for member in Submission.open(path).members] == ["\u63d0\u4ea4/s01.mp4"]
    assert check(path) == []


def wrong_checksum(name: str) -> Entry:
    raw = name.encode("gbk")
    field = unicode_name("s01.mp4", raw + b"x")
    return Entry(raw, extra=field, local_extra=field)


@pytest.mark.parametrize(
    "field",
    [
        unicode_name("s02.mp4", b"s03.mp4"),
        struct.pack("<HH", 0x7075, 3) + b"\1ab",
        unicode_name(""),
        unicode_name("s\0"),
        unicode_name("aa")[:-2] + b"\xff\xfe",
    ],
    ids=["checksum", "cut", "empty", "NUL", "not UTF-8"],
)
def test_a_field_that_every_program_ignores_is_ignored(tmp_path: Path, field: bytes) -> None:
    path = raw_zip(tmp_path / "in.zip", replace(GOOD, extra=field, local_extra=field))
    assert [member.path for member in Submission.open(path).members] == ["s01.mp4"]
    assert check(path) == []


def test_a_name_of_an_unknown_code_page_stays_unknown_with_a_wrong_checksum(tmp_path: Path) -> None:
    path = raw_zip(tmp_path / "in.zip", wrong_checksum("\u63d0\u4ea4.mp4"))
    assert [finding.rule for finding in check(path)] == ["archive.name-not-utf8"]


@pytest.mark.parametrize(
    ("header", "shown"),
    [
        (b"s01.mp4", "s02.mp4"),
        (b"s01.mp4", "\u63d0\u4ea4.mp4"),
        (b"s_1.mp4", "s?1.mp4"),
        (b"a/\xe9.mp4", "\u00e9.mp4"),
        (b"a/\xe9.mp4", "b/\u00e9.mp4"),
        (b"../\xe9.mp4", "a/\u00e9.mp4"),
        (b"\xe9.mp4", ".."),
        (b"\xe9.mp4", "\u00e9.mp4/"),
    ],
)
def test_a_field_that_leads_elsewhere_is_a_second_name(tmp_path: Path, header: bytes, shown: str) -> None:
    findings = check(raw_zip(tmp_path / "in.zip", chinese_name(shown=shown, header_name=header)))
    (finding,) = (finding for finding in findings if finding.rule == "archive.header-mismatch")
    assert finding.found == f"also the Unicode name '{shown}'"  # once, though it is in both headers


def test_a_field_of_another_version_is_read_by_some_programs(tmp_path: Path) -> None:
    for version in (b"\0", b"\2", b"\xff"):
        field = unicode_name("s02.mp4")
        path = raw_zip(tmp_path / "in.zip", replace(GOOD, extra=field[:4] + version + field[5:]))
        (finding,) = check(path)
        assert (finding.rule, finding.found) == ("archive.header-mismatch", "also the Unicode name 's02.mp4'")


def test_two_members_that_a_field_gives_one_name_are_refused(tmp_path: Path) -> None:
    path = raw_zip(tmp_path / "in.zip", Entry("\u00e9.mp4"), chinese_name(shown="\u00e9.mp4", header_name=b"\xe9.mp4"))
    assert [(finding.rule, finding.path) for finding in check(path)] == [("archive.duplicate-name", "\u00e9.mp4")]
    # A name beyond ASCII never stands for one in ASCII.
    path = raw_zip(tmp_path / "in.zip", GOOD, chinese_name(shown="s01.mp4", header_name=b"\xe9.mp4"))
    assert "archive.second-name" in {finding.rule for finding in check(path)}


@pytest.mark.parametrize(
    ("header", "rule"),
    [(b"..\\..\\\xe9.mp4", "path-traversal"), (b"C:\\\xe9.mp4", "absolute-path"), (b"\\\xe9.mp4", "absolute-path")],
)
def test_the_headers_own_name_is_checked_too(tmp_path: Path, header: bytes, rule: str) -> None:
    """Programs that do not know the field unpack to there."""
    findings = check(raw_zip(tmp_path / "in.zip", chinese_name(shown="s01.mp4", header_name=header)))
    assert f"archive.{rule}" in {finding.rule for finding in findings}


@pytest.mark.parametrize("shown", ["../s01.mp4", "/s01.mp4", "a\\s01.mp4", "s01\u202e4pm.exe"])
def test_the_fields_name_is_checked_like_any_other(tmp_path: Path, shown: str) -> None:
    header = shown.replace("01", "\u00e9").encode("latin-1", "replace")
    assert check(raw_zip(tmp_path / "in.zip", chinese_name(shown=shown, header_name=header)))
