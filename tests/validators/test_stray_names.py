"""Unusual names: a stray file is a warning, a video an error; second bytes of characters are no separators."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders.archives import check
from hostile_zips import Entry, raw_zip

from evalkit.challenges.model import load_challenge
from evalkit.scoring.intake import open_gate
from evalkit.submission.members import Member
from evalkit.submission.model import Submission
from evalkit.validators.archive.check import blocks

CHALLENGE = load_challenge("talking-head")
SUFFIXES = [".txt", ".json", ".pdf", ".docx", ".csv", ".png", ".PY", "", "\u65b0"]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    "name",
    [
        "\u8bf4\u660e".encode("gbk"),
        "\u8868\u793a".encode("cp932"),
        "\u529f\u80fd".encode("big5"),
        b"caf\xe9",
        b"read\x1bme",
        "read\u200bme",
        "docs\\read\\me",
        "\u202areadme",
        "n" * 300,
        "d/" * 80 + "n",
    ],
)
def test_a_stray_file_with_an_unusual_name_is_a_warning(tmp_path: Path, name: str | bytes, suffix: str) -> None:
    stray = name + suffix if isinstance(name, str) else name + suffix.encode("gbk")
    path = raw_zip(tmp_path / "in.zip", *(Entry(f"s{i:02d}.mp4") for i in range(5)), Entry(stray))
    (finding,) = check(path)
    assert (finding.rule, finding.severity) == ("archive.stray-name", "warning")
    gate = open_gate(Submission.open(path), CHALLENGE, None)
    assert not gate.refused
    assert [finding.rule for finding in gate.findings] == ["archive.stray-name"]  # and no second one of the layout
    assert len(gate.layout.files) == 5


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        (b"caf\xe9.mp4", "name-not-utf8"),
        (b"caf\xe9.MOV", "name-not-utf8"),
        (b"caf\xe9/s01.mkv", "name-not-utf8"),
        ("s01.mp4\0.txt", "control-characters"),
        ("s01.mp4\x1b", "control-characters"),
        ("s01.m\u200bp4", "control-characters"),
        ("s01.mp4.\u200b ", "control-characters"),
        ("s01.mp4;1\x07", "control-characters"),
        ("s01.mp4:x\x07", "control-characters"),
        ("s01\u202e4pm.txt", "control-characters"),
        ("s01\u20674pm", "control-characters"),
        ("a\\s01.mp4", "backslash"),
        ("a" * 300 + ".mp4", "long-name"),
    ],
)
def test_what_could_be_taken_for_a_video_is_an_error(tmp_path: Path, name: str | bytes, rule: str) -> None:
    findings = check(raw_zip(tmp_path / "in.zip", Entry(name)))
    assert f"archive.{rule}" in {finding.rule for finding in findings}
    assert "archive.stray-name" not in {finding.rule for finding in findings}
    assert blocks(findings)


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("../read\x1bme.txt", "path-traversal"),
        (b"..\\caf\xe9.txt", "path-traversal"),
        (b"/caf\xe9.txt", "absolute-path"),
    ],
)
def test_a_stray_that_leads_elsewhere_is_refused(tmp_path: Path, name: str | bytes, rule: str) -> None:
    findings = check(raw_zip(tmp_path / "in.zip", Entry(name)))
    assert f"archive.{rule}" in {finding.rule for finding in findings}
    assert blocks(findings)


def test_a_link_with_an_unusual_name_is_refused(tmp_path: Path) -> None:
    assert blocks(check(raw_zip(tmp_path / "in.zip", Entry(b"caf\xe9.txt", data=b"/etc", mode=0o120777))))


def test_a_file_that_ends_like_the_layout_is_no_stray(tmp_path: Path) -> None:
    rules = CHALLENGE.submission.model_copy(update={"layouts": ("{id}.clip",)})
    challenge = CHALLENGE.model_copy(update={"submission": rules})
    path = raw_zip(tmp_path / "in.zip", Entry(b"caf\xe9.clip"))
    assert open_gate(Submission.open(path), challenge, None).refused
    assert not open_gate(Submission.open(path), CHALLENGE, None).refused


def test_a_folder_is_told_once_by_what_lies_in_it(tmp_path: Path) -> None:
    folder = "\u63d0\u4ea4/".encode("gbk")
    path = raw_zip(tmp_path / "in.zip", Entry(folder, data=b""), Entry(folder + b"s01.mp4"))
    assert [finding.rule for finding in check(path)] == ["archive.name-not-utf8"]
    path = raw_zip(tmp_path / "in.zip", Entry(folder, data=b""), Entry("s01.mp4"))
    assert [finding.rule for finding in check(path)] == ["archive.stray-name"]


@pytest.mark.parametrize(
    ("name", "page"),
    [
        ("\u8868\u793a.mp4", "cp932"),
        ("\u30bd\u30d5\u30c8/\u80fd.mp4", "cp932"),
        ("\u4e57.mp4", "gbk"),
        ("\u529f.mp4", "big5"),
        ("\u8a31/\u84cb.mp4", "big5"),
    ],
)
def test_the_second_byte_of_a_character_is_no_separator(tmp_path: Path, name: str, page: str) -> None:
    raw = name.encode(page)
    assert b"\\" in raw
    path = raw_zip(tmp_path / "in.zip", Entry(raw))
    (member,) = Submission.open(path).members
    assert len(member.parts) == name.count("/") + 1
    assert [finding.rule for finding in check(path)] == ["archive.name-not-utf8"]


def test_files_whose_names_end_in_such_a_byte_are_files(tmp_path: Path) -> None:
    """Read as a folder, the second one would collide with nothing."""
    raw = "\u8868".encode("cp932")
    rules = [finding.rule for finding in check(raw_zip(tmp_path / "in.zip", Entry(raw), Entry(raw + b"/x.mp4")))]
    assert "archive.file-is-folder" in rules


@pytest.mark.parametrize(
    ("raw", "parts"),
    [
        (b"a\\b", 2),
        ("\u30bd\\b".encode("cp932"), 2),  # the second of the two
        ("\u3042\\b".encode("cp932"), 2),
        ("\u00e9/\\b".encode(), 2),
    ],
)
def test_real_backslashes_stay_separators(raw: bytes, parts: int) -> None:
    try:
        member = Member(raw.decode(), raw, 1, 1, "file")
    except UnicodeDecodeError:
        member = Member(raw.decode("cp437"), raw, 1, 1, "file", utf8=False)
    assert len(member.parts) == parts
