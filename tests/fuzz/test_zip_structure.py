"""The readers that archives are held against see differences, and the changes reach every rule about structure."""

from __future__ import annotations

import collections
import random
import struct
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import hostile_structures
import hostile_zips
import pytest

from evalkit.errors import SubmissionError
from evalkit.submission.model import Submission
from evalkit.validators.archive.check import check_archive
from fuzz.campaign import run_campaign
from fuzz.kinds import WrongAcceptError
from fuzz.targets import RULES, TARGETS, _compare_readers, make_zip
from fuzz.zip_readers import by_stream, by_unzip
from fuzz.zip_structure import structured_zip

ZIP = TARGETS[0]


def test_other_readers_agree_on_sound_archives(tmp_path: Path) -> None:
    for build in (hostile_zips.good, hostile_zips.zip64, hostile_zips.data_descriptor):
        path = build(tmp_path / "in.zip")
        with zipfile.ZipFile(path) as archive:
            expected = [(name.encode(), archive.read(name)) for name in archive.namelist()]
        assert by_stream(path) in (expected, None)
        assert by_unzip(path) in (b"".join(data for _, data in expected), None)


@pytest.mark.parametrize(
    ("build", "seen"),
    [
        (hostile_structures.hidden_between, [b"s01.mp4", b"hidden.mp4", b"s02.mp4"]),
        (hostile_structures.second_zip_before_adjusted, [b"s01.mp4"]),
        (hostile_zips.two_names, [b"s02.mp4"]),
    ],
)
def test_a_reader_from_the_start_sees_what_the_table_hides(
    tmp_path: Path, build: Callable[[Path], Path], seen: list[bytes]
) -> None:
    found = by_stream(build(tmp_path / "in.zip"))
    assert found is not None
    assert [name for name, _ in found] == seen


def test_wrong_accepts_are_seen(tmp_path: Path) -> None:
    """Were the rules blind, each of these would be one."""
    path = hostile_zips.good(tmp_path / "good.zip", 1)
    opened = Submission.open(path)
    _compare_readers(path, opened, {0: bytes(20) + b"noise"}, silent=True)
    with pytest.raises(WrongAcceptError, match=r"zipfile reads 's00000\.mp4' differently"):
        _compare_readers(path, opened, {0: b"other"}, silent=True)
    path = hostile_structures.hidden_last(tmp_path / "hidden.zip")
    with pytest.raises(WrongAcceptError, match="a reader from the start sees"):
        _compare_readers(path, Submission.open(path), {0: hostile_structures.DATA}, silent=True)


def test_the_changes_reach_every_rule_about_structure(tmp_path: Path) -> None:
    dice, rules = random.Random(3), collections.Counter[str]()
    path = tmp_path / "in.zip"
    for _ in range(600):
        path.write_bytes(structured_zip(dice))
        try:
            found = check_archive(Submission.open(path), RULES, {})
        except SubmissionError:
            rules["damaged"] += 1
            continue
        rules.update({finding.rule for finding in found} or {"silent"})
    wanted = (
        "header-mismatch",
        "end-record",
        "hidden-member",
        "unlisted-data",
        "overlap",
        "encrypted",
        "duplicate-name",
    )
    for rule in ("damaged", "silent", *(f"archive.{name}" for name in wanted)):
        assert rules[rule] >= 6, rules


def test_memory_stays_flat() -> None:
    assert run_campaign(ZIP, 300, seed=2).growth_mib < 24


def test_inputs_are_archives_now_and_then_broken() -> None:
    dice, whole = random.Random(1), 0
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(200):
            path = Path(folder) / "in.zip"
            path.write_bytes(make_zip(dice))
            try:
                whole += len(zipfile.ZipFile(path).namelist()) > 0
            except (zipfile.BadZipFile, ValueError, NotImplementedError, struct.error):
                continue  # one of the broken ones; how many are whole is what is asserted
    assert 60 <= whole <= 190
