"""An archive in the archive is one fault with one remedy."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

import evalkit


def archive_of(path: Path, names: list[str]) -> Path:
    """Write a ZIP of small files; names that end in .zip are archives themselves."""
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("s01.mp4", b"x")
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, inner.getvalue() if name.endswith(".zip") else b"x")
    return path


@pytest.mark.parametrize("names", [["all.zip"], ["team/all.tar.gz"], ["s01.zip", "s02.zip", "__MACOSX/._s01.zip"]])
def test_an_archive_that_hides_every_video_has_one_remedy(tmp_path: Path, names: list[str]) -> None:
    (tmp_path / "samples.jsonl").write_text('{"id": "s01"}\n{"id": "s02"}\n')
    report = evalkit.validate(
        archive_of(tmp_path / "team.zip", names), "talking-head", tmp_path / "samples.jsonl", workers=1,
        cache=tmp_path / "cache",
    )  # fmt: skip
    assert not report.ok
    assert {one.rule for one in report.findings if one.severity != "info"} == {"archive.nested-archive"}
    assert {one.fix for one in report.findings if one.severity != "info"} == {"Unpack it and make one flat ZIP."}
    assert report.counts()[-1] == "2 missing"


def test_an_archive_beside_other_files_is_named_once(tmp_path: Path) -> None:
    (tmp_path / "samples.jsonl").write_text('{"id": "s01"}\n{"id": "s02"}\n')
    report = evalkit.validate(
        archive_of(tmp_path / "team.zip", ["a.zip", "notes.mp4"]), "talking-head", tmp_path / "samples.jsonl",
        workers=1, cache=tmp_path / "cache",
    )  # fmt: skip
    assert [one.rule for one in report.findings] == ["archive.nested-archive", "layout.no-match"]
    assert report.findings[1].found == "notes.mp4"
