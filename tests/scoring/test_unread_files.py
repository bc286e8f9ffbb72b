"""Files that can't be read: one finding each, whose rule is documented and can be configured."""

from __future__ import annotations

import ast
import zipfile
from dataclasses import replace
from pathlib import Path

import hostile_structures
import hostile_zips
import pytest
from hostile_zips import Entry, raw_zip

import evalkit
from evalkit import validators
from evalkit.challenges.model import load_challenge
from evalkit.scoring.intake import failed_report, open_gate
from evalkit.submission.model import Submission
from evalkit.validators.reading import RULES, FailedReading
from evalkit.validators.registry import rule_registry

CHALLENGE = load_challenge("talking-head")
FAILURES = ("member", "timeout", "total-timeout", "memory", "crashed", "error")


def challenge(**severities: str):
    rules = CHALLENGE.submission.model_copy(
        update={"severities": {f"archive.{name.replace('_', '-')}": value for name, value in severities.items()}}
    )
    return CHALLENGE.model_copy(update={"submission": rules})


@pytest.mark.parametrize("failure", FAILURES)
def test_each_way_to_fail_has_a_rule_of_its_own(failure):
    reading = FailedReading("s01.mp4", "s01", failure, "first line\nlast line")
    report = failed_report(reading, {})
    (finding,) = report.findings
    assert (finding.rule, finding.severity, finding.path, finding.sample) == (reading.rule, "error", "s01.mp4", "s01")
    assert finding.found.endswith("last line")
    assert finding.fix
    assert reading.rule in rule_registry()
    assert {rule.id for rule in RULES} == {FailedReading("", "", one).rule for one in FAILURES}


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("severity", ["warning", "info", "off"])
def test_a_lower_severity_is_printed_and_the_file_stays_unread(failure, severity):
    reading = FailedReading("s01.mp4", "s01", failure)
    report = failed_report(reading, {reading.rule: severity})
    assert [finding.severity for finding in report.findings] == [severity] * (severity != "off")
    assert report.unread == reading.rule


@pytest.mark.parametrize(
    ("build", "rule"),
    [
        (hostile_zips.unsupported_method, "archive.unsupported-method"),
        (lambda path: hostile_zips.unsupported_method(path, 14), "archive.unsupported-method"),
        (hostile_structures.local_crc, "archive.header-mismatch"),
        (hostile_structures.second_name, "archive.header-mismatch"),
    ],
)
def test_one_fault_of_a_member_is_one_finding(build, rule, tmp_path):
    path = build(tmp_path / "in.zip")
    report = evalkit.validate(path, CHALLENGE, workers=1, cache=tmp_path / "cache")
    assert [finding.rule for finding in report.all_findings()] == [rule]
    assert [(file.sample, file.unread, file.verdict) for file in report.files] == [("s01", rule, "error")]
    assert not report.ok


def test_a_rule_that_is_off_leaves_the_reason_to_the_reading(tmp_path):
    path = hostile_zips.unsupported_method(tmp_path / "in.zip")
    off = challenge(unsupported_method="off")
    report = evalkit.validate(path, off, workers=1, cache=tmp_path / "cache")
    assert [finding.rule for finding in report.all_findings()] == ["archive.unreadable-member"]


def test_a_lowered_rule_does_not_make_the_member_readable(tmp_path):
    path = raw_zip(tmp_path / "in.zip", Entry("s01.mp4", method=14), Entry("s02.mp4", flags=0x801))
    low = challenge(unsupported_method="warning", encrypted="info")
    report = evalkit.validate(path, low, workers=1, cache=tmp_path / "cache")
    assert [(finding.rule, finding.severity) for finding in report.all_findings()] == [
        ("archive.unsupported-method", "warning"),
        ("archive.encrypted", "info"),
    ]
    assert [file.unread for file in report.files] == ["archive.unsupported-method", "archive.encrypted"]


def test_faults_of_other_members_stay_with_the_archive(tmp_path):
    notes = replace(hostile_structures.GOOD, name="notes.txt", method=14)
    gate = open_gate(
        Submission.open(raw_zip(tmp_path / "in.zip", hostile_structures.GOOD, notes)), CHALLENGE, testset=None
    )
    assert gate.unreadable == {}
    assert "archive.unsupported-method" in {finding.rule for finding in gate.findings}


def test_findings_are_made_by_rules_alone():
    """So every rule id that is printed is in docs/rules.md and can be configured."""
    found = []
    for folder in (Path(evalkit.__file__).parent, *map(Path, validators.__path__)):
        for path in folder.rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Finding":
                    found.append(path.name)
    assert found == ["findings.py"]


@pytest.mark.parametrize("severity", ["error", "warning", "off"])
def test_a_video_that_is_not_read_is_unscored_for_that_reason_whatever_its_severity(world, tmp_path, severity):
    path = tmp_path / "team.zip"
    with zipfile.ZipFile(world.zip) as good, zipfile.ZipFile(path, "w") as target:
        for number, name in enumerate(good.namelist()):
            method = zipfile.ZIP_LZMA if number == 0 else zipfile.ZIP_STORED
            target.writestr(name, good.read(name), compress_type=method)
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        second = archive.infolist()[1]
    data[second.header_offset + 200] ^= 255  # now its checksum is wrong
    path.write_bytes(data)
    rules = challenge(unreadable_member=severity, unsupported_method=severity)
    card = evalkit.score(path, rules, world.samples(), metrics=["psnr"], workers=1, cache=tmp_path / "cache")
    lzma = "archive.unreadable-member" if severity == "off" else "archive.unsupported-method"
    assert [set(video.reasons.values()) for video in card.videos] == [
        {f"invalid:{lzma}"},
        {"invalid:archive.unreadable-member"},
        set(),
        set(),
    ]
    assert card.scored_videos == 2
