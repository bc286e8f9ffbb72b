"""The archive rules on hostile and on good archives."""

from __future__ import annotations

import os
import stat
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import hostile_structures
import hostile_zips
import pytest
from builders.archives import LIMITS, check
from hostile_zips import Entry, raw_zip

from evalkit.challenges.submission_rules import ArchiveRules
from evalkit.submission.members import Member
from evalkit.submission.model import Submission
from evalkit.validators.archive.check import blocks, check_archive
from evalkit.validators.archive.listing import Listing
from evalkit.validators.findings import Finding, run_rules
from evalkit.validators.registry import rules_for


def errors(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.severity == "error"]


def tree(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


@pytest.mark.parametrize(
    ("rule", "build", "paths"), hostile_zips.FINDINGS, ids=[f"{r}-{b.__name__}" for r, b, _ in hostile_zips.FINDINGS]
)
def test_each_fault_is_found_by_its_rule_and_named(
    tmp_path: Path, rule: str, build: Callable[[Path], Path], paths: list[str | None]
) -> None:
    archive = build(tmp_path / "in.zip")
    before = tree(tmp_path)
    found = [finding for finding in check(archive) if finding.rule == f"archive.{rule}"]
    assert [finding.path for finding in found] == paths
    for finding in found:
        assert finding.message.endswith((".", "one."))
        assert finding.fix
        assert (finding.found and finding.expected) or rule == "junk"
    assert tree(tmp_path) == before


def test_every_rule_has_a_hostile_example() -> None:
    shown = {f"archive.{rule}" for rule, _, _ in (*hostile_zips.FINDINGS, *hostile_structures.FINDINGS)}
    assert shown == {rule.id for rule in rules_for("archive")}
    assert len({rule.id for rule in rules_for("archive")}) == len(rules_for("archive"))


@pytest.mark.parametrize(
    ("build", "rule"),
    [
        (hostile_zips.traversal, "path-traversal"),
        (hostile_zips.absolute, "absolute-path"),
        (hostile_zips.symlink, "symlink"),
        (hostile_zips.bomb, "bomb-ratio"),
        (hostile_zips.duplicate, "duplicate-name"),
        (hostile_zips.folder_collision, "case-collision"),
        (hostile_zips.version_collision, "case-collision"),
        (hostile_zips.empty_name, "empty-name"),
        (hostile_zips.file_is_folder, "file-is-folder"),
        (hostile_zips.encrypted, "encrypted"),
    ],
)
def test_one_fault_gives_one_error(tmp_path: Path, build: Callable[[Path], Path], rule: str) -> None:
    (finding,) = errors(check(build(tmp_path / "in.zip")))
    assert finding.rule == f"archive.{rule}"
    assert tree(tmp_path) == ["in.zip"]
    assert not Path("/tmp/escaped.mp4").exists()
    assert blocks([finding])


@pytest.mark.parametrize(
    "build",
    [
        hostile_zips.good,
        hostile_zips.zip64,
        hostile_zips.data_descriptor,
        raw_zip,
        lambda path: raw_zip(path, Entry("s01.mp4"), comment=b"made by a friendly program"),
        lambda path: raw_zip(
            path, Entry("id1/", data=b""), Entry("id1/", data=b""), Entry("id1/p01.mp4"), Entry("id2/p01.mp4")
        ),
        lambda path: raw_zip(path, Entry(".DS_Store", data=bytes(6148), method=8)),
        lambda path: raw_zip(path, Entry("\u8996\u983b.mp4".encode())),  # UTF-8 without the flag: macOS, old zip
        lambda path: raw_zip(path, Entry("a..b/c...mp4"), Entry("...mp4")),
    ],
)
def test_sound_archives_give_no_error(tmp_path: Path, build: Callable[[Path], Path]) -> None:
    findings = check(build(tmp_path / "in.zip"))
    assert errors(findings) == []
    assert not blocks(findings)


@pytest.mark.shared
def test_real_submissions_give_no_finding(shared: Path) -> None:
    # data/cases holds submissions that something is wrong with.
    archives = sorted(path for path in (shared / "data").rglob("*.zip") if "cases" not in path.parts)
    assert len(archives) >= 7
    for archive in archives:
        assert check(archive) == []


def test_limits_are_the_challenges_own(tmp_path: Path) -> None:
    archive = raw_zip(tmp_path / "in.zip", Entry("a.mp4", data=b"x" * 100), Entry("b.mp4", data=b"y" * 60))
    assert check(archive, ArchiveRules(max_files=2, max_total_bytes=160, max_file_bytes=100)) == []
    (finding,) = check(archive, ArchiveRules(max_file_bytes=99))
    assert (finding.rule, finding.path, finding.found) == ("archive.too-large-file", "a.mp4", "100 bytes")
    (finding,) = check(archive, ArchiveRules(max_total_bytes=159))
    assert (finding.rule, finding.path, finding.found) == ("archive.too-large-total", None, "160 bytes")
    (finding,) = check(archive, ArchiveRules(max_files=1))
    assert (finding.rule, finding.expected) == ("archive.too-many-files", "at most 1, folders included")


def test_ratio_is_checked_above_the_harmless_size(tmp_path: Path) -> None:
    # 65,536 bytes are harmless whatever their ratio; one byte more and the ratio of about 800 counts.
    assert check(hostile_zips.bomb(tmp_path / "small.zip", 64 * 1024)) == []
    (finding,) = check(hostile_zips.bomb(tmp_path / "large.zip", 64 * 1024 + 1))
    assert finding.rule == "archive.bomb-ratio"
    assert check(tmp_path / "large.zip", ArchiveRules(max_ratio=2000)) == []


def test_ratio_of_a_member_that_claims_to_take_no_room() -> None:
    member = Member("a.mp4", b"a.mp4", size=1 << 20, compressed_size=0, kind="file")
    (finding,) = run_rules(rules_for("archive"), Listing((member,), LIMITS, 100, 1), {})
    assert (finding.rule, finding.path) == ("archive.bomb-ratio", "a.mp4")


def test_too_many_files_is_said_without_reading_them(tmp_path: Path) -> None:
    for build in (hostile_zips.claims_million, lambda path: hostile_zips.understates_count(path, 50)):
        rules = ArchiveRules(max_files=40)
        submission = Submission.open(build(tmp_path / "in.zip"), rules)
        assert submission.members == ()
        assert not submission.complete
        (finding,) = check_archive(submission, rules, {})
        assert finding.rule == "archive.too-many-files"
        assert blocks([finding])


def test_a_member_that_reaches_into_the_table_of_contents(tmp_path: Path) -> None:
    archive = raw_zip(tmp_path / "in.zip", Entry("s01.mp4", data=bytes(10), compressed_size=11, size=11))
    (finding,) = check(archive)
    # 30 bytes of header, 7 of name, 11 instead of 10 of data: the table starts at 47.
    assert (finding.rule, finding.found) == ("archive.overlap", "bytes 0 to 48 overlap the table of contents")


def test_the_same_entry_twice_in_the_table_of_contents(tmp_path: Path) -> None:
    archive = raw_zip(tmp_path / "in.zip", Entry("s01.mp4"), Entry("s01.mp4", offset=0))
    assert [finding.rule for finding in check(archive)] == ["archive.duplicate-name", "archive.overlap"]


def test_severities_replace_the_rules_own(tmp_path: Path) -> None:
    submission = Submission.open(hostile_zips.case_collision(tmp_path / "in.zip"))
    assert check_archive(submission, LIMITS, {"archive.case-collision": "off"}) == []
    (finding,) = check_archive(submission, LIMITS, {"archive.case-collision": "warning"})
    assert finding.severity == "warning"
    assert not blocks([finding])


def test_faults_of_one_member_do_not_block_the_others(tmp_path: Path) -> None:
    for build in (hostile_zips.nested, hostile_zips.unsupported_method):
        findings = check(build(tmp_path / "in.zip"))
        assert len(errors(findings)) == 1
        assert not blocks(findings)


def test_aes_is_called_encrypted_and_nothing_else(tmp_path: Path) -> None:
    archive = raw_zip(tmp_path / "in.zip", Entry("s01.mp4", method=99, flags=hostile_zips.ENCRYPTED))
    assert [finding.rule for finding in check(archive)] == ["archive.encrypted"]


def test_texts_of_findings_are_safe_to_print(tmp_path: Path) -> None:
    name = "../\x1b[31m\u202e\\evil"
    archive = raw_zip(tmp_path / "in.zip", Entry(name), Entry(name), Entry(name.upper()))
    findings = check(archive)
    assert len({finding.rule for finding in findings}) >= 4
    for finding in findings:
        for text in (finding.message, finding.found, finding.expected, finding.fix):
            assert text is None or text.isprintable()


def test_all_violations_are_listed_in_the_order_of_paths(tmp_path: Path) -> None:
    archive = raw_zip(tmp_path / "in.zip", *(Entry(f"../{i}") for i in reversed(range(100))))
    paths = [finding.path or "" for finding in check(archive)]
    assert len(paths) == 100
    assert paths == sorted(paths)


def test_a_folder_is_held_to_the_same_rules(tmp_path: Path) -> None:
    outside = tmp_path / "secret.mp4"
    outside.write_bytes(b"secret")
    folder = tmp_path / "team"
    (folder / "sub").mkdir(parents=True)
    (folder / "s01.mp4").write_bytes(b"video")
    (folder / "s02.mp4").symlink_to(outside)
    (folder / "up").symlink_to(tmp_path, target_is_directory=True)
    (folder / "sub" / "x.tar.gz").write_bytes(b"archive")
    (folder / os.fsdecode(b"caf\xe9.mp4")).write_bytes(b"video")
    os.mkfifo(folder / "s03.mp4")
    found = {(finding.rule.removeprefix("archive."), finding.path) for finding in check(folder)}
    assert found == {
        ("symlink", "s02.mp4"),
        ("symlink", "up"),
        ("nested-archive", "sub/x.tar.gz"),
        ("name-not-utf8", "caf\u0398.mp4"),  # byte E9 is a Theta in code page 437
        ("device", "s03.mp4"),
    }
    (finding,) = check(folder, ArchiveRules(max_files=3))
    assert finding.rule == "archive.too-many-files"


def test_modes_of_any_system_count(tmp_path: Path) -> None:
    """A symbolic link is one even when the archive says that it was made on DOS."""
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        info = zipfile.ZipInfo("s01.mp4")
        info.create_system = 0
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    assert [finding.rule for finding in check(tmp_path / "in.zip")] == ["archive.symlink"]


def test_time_grows_linearly_with_members() -> None:
    """Ten times the members may take ten times as long, with room for a busy machine; quadratic would be a hundred."""

    def seconds(count: int) -> float:
        members = tuple(
            Member(f"../A{i % 7}/con/\u202e{i}.ZIP", b"x" * 12, 1 << 30, 1, "symlink", True, 9, False, 0, 10 * (i // 2))
            for i in range(count)
        )
        listing = Listing(members, LIMITS, 10**9, count, True, 10**9)
        start = time.process_time()
        assert len(run_rules(rules_for("archive"), listing, {})) > count * 8
        return time.process_time() - start

    seconds(200)
    assert seconds(8_000) < 40 * max(seconds(800), 0.01)
