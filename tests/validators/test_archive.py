from __future__ import annotations

import os
import stat
import time
import unicodedata
import zipfile
from collections.abc import Callable
from pathlib import Path

import hostile_structures
import hostile_zips
import pytest
from hostile_zips import Entry, raw_zip
from hypothesis import given
from hypothesis import strategies as st

from evalkit.challenges.model import ArchiveRules
from evalkit.submission.members import Member
from evalkit.submission.model import Submission
from evalkit.validators.archive.check import blocks, check_archive
from evalkit.validators.archive.listing import Listing, folded, parts
from evalkit.validators.archive.names import junk
from evalkit.validators.findings import Finding, run_rules
from evalkit.validators.registry import rules_for

LIMITS = ArchiveRules()


def check(path: Path, rules: ArchiveRules = LIMITS) -> list[Finding]:
    return check_archive(Submission.open(path, rules), rules, {})


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
        hostile_zips.self_extracting,
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


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("aB.mp4", "Ab.mp4"),
        ("stra\u00dfe.mp4", "STRASSE.mp4"),
        ("CAF\u00c9.mp4", "cafe\u0301.mp4"),
        ("a/b.mp4", "a//./b.mp4"),
        ("a/b.mp4", "a\\b.mp4"),
        ("a", "a/"),
    ],
)
def test_names_that_fall_together_on_some_systems(tmp_path: Path, one: str, other: str) -> None:
    findings = check(raw_zip(tmp_path / "in.zip", Entry(one), Entry(other)))
    (finding,) = (finding for finding in findings if finding.rule == "archive.case-collision")
    later = max(one, other, key=str.encode)
    assert finding.path == later
    assert finding.found == f"also '{one if later == other else other}'"


def test_names_that_stay_apart(tmp_path: Path) -> None:
    for names in (("a/b.mp4", "a/c.mp4", "b.mp4", "e.mp4"), ("A/x/1", "A/y/1", "b/A/1", "b/x/a/1", "a-b", "ab/", "c")):
        assert check(raw_zip(tmp_path / "in.zip", *(Entry(name, data=b"") for name in names))) == []


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["A/x", "a/y"], [("a/y", "folder 'a' beside 'A'")]),
        (["A/", "a/"], [("a/", "folder 'a' beside 'A'")]),
        (["A/", "A/x", "a/", "a/y"], [("a/", "folder 'a' beside 'A'")]),
        (["CAF\u00c9/x", "cafe\u0301/y"], [("cafe\u0301/y", "folder 'cafe\u0301' beside 'CAF\u00c9'")]),
        (["a/B/x", "a/b/y"], [("a/b/y", "folder 'b' beside 'B'")]),
        (["a/B\\x", "a\\b/./y"], [("a\\b/./y", "folder 'b' beside 'B'")]),
        # Three spellings are two too many; a name with the same two faults is told of the outer one.
        (["ID/x", "Id/y", "id/z"], [("Id/y", "folder 'Id' beside 'ID'"), ("id/z", "folder 'id' beside 'ID'")]),
        (["A/B/x", "a/b/y"], [("a/b/y", "folder 'a' beside 'A'")]),
        (["A/B/x", "A/b/y", "a/b/z"], [("A/b/y", "folder 'b' beside 'B'"), ("a/b/z", "folder 'a' beside 'A'")]),
        # Each spelling is told once, however many folders and files lie below it; what lies right in it goes first.
        (["A/x", "a/1/x", "a/2/x", "a/2/y"], [("a/1/x", "folder 'a' beside 'A'")]),
        (["A/x", "a/1/x", "a/y", "a/z"], [("a/y", "folder 'a' beside 'A'")]),
        # The name says it already.
        (["A/x", "a/x"], [("a/x", "also 'A/x'")]),
        (["A/x", "a/x", "a/y"], [("a/x", "also 'A/x'")]),
    ],
)
def test_folders_that_fall_together_on_some_systems(
    tmp_path: Path, names: list[str], expected: list[tuple[str, str]]
) -> None:
    findings = check(raw_zip(tmp_path / "in.zip", *map(Entry, names)))
    assert [(f.path, f.found) for f in findings if f.rule == "archive.case-collision"] == expected


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a", "a/b"], {"a": "also 'a/b'"}),
        (["a", "a-b", "a.b", "a/b/c/d"], {"a": "also 'a/b/c/d'"}),  # "-" and "." sort before "/"
        (["A", "a/b"], {"A": "also 'a/b'"}),
        (["A", "a", "a/b", "a/c"], {"A": "also 'a/b'", "a": "also 'a/b'"}),
        (["a", "a/b", "a/b/c"], {"a": "also 'a/b'", "a/b": "also 'a/b/c'"}),
        (["a", "a/", "a/b"], {"a": "also 'a/b'"}),
        (["x/a", "x\\a\\b"], {"x/a": "also 'x\\a\\b'"}),
        (["a", "./a//b"], {"a": "also './a//b'"}),
        (["a", "a", "a/b"], {"a": "also 'a/b'"}),
        (["a/", "a/b", "b\\", "b\\c"], {}),
        (["a", "a/"], {}),  # that is a case collision
        (["a", "ab/c", "b/a/c"], {}),
    ],
)
def test_a_file_where_others_need_a_folder(tmp_path: Path, names: list[str], expected: dict[str, str]) -> None:
    findings = check(raw_zip(tmp_path / "in.zip", *map(Entry, names)))
    assert {f.path: f.found for f in findings if f.rule == "archive.file-is-folder"} == expected


def test_a_link_where_others_need_a_folder(tmp_path: Path) -> None:
    archive = raw_zip(tmp_path / "in.zip", Entry("a", data=b"/etc", mode=0o120777), Entry("a/passwd"))
    assert [finding.rule for finding in check(archive)] == ["archive.file-is-folder", "archive.symlink"]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["id1:0001.mp4", "id1:0002.mp4"], []),
        (["x:1/a", "x:2/b"], []),
        (["b/a", "a:x", "a:y"], []),  # that "a" lies elsewhere
        ([":x", ":y"], []),
        (["a", "a:x"], ["a:x"]),
        (["a", "a:x", "a:y"], ["a:x", "a:y"]),
        (["a.", "A:x"], ["a."]),
        (["a::$DATA", "a"], ["a::$DATA"]),
        (["a:x", "A:X:$data"], ["a:x"]),
        (["a :x", "a:x"], ["a:x"]),
        (["d:1/B:s", "D:1/b"], ["d:1/B:s"]),
        (["a/b", "a:x/c"], ["a:x/c"]),
    ],
)
def test_a_stream_falls_together_with_its_file_and_with_no_other_stream(names: list[str], expected: list[str]) -> None:
    listed = tuple(Member(name, name.encode(), 1, 1, "file") for name in sorted(names))
    findings = run_rules(rules_for("archive"), Listing(listed, LIMITS, 1, len(listed)), {})
    assert [finding.path for finding in findings if finding.rule == "archive.case-collision"] == expected


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("Icon\r", "junk"),
        ("a/Icon\r", "junk"),
        ("__MACOSX/a/._Icon\r", "junk"),
        ("._Icon\r", "junk"),
        ("xIcon\r", "control-characters"),
        ("Icon\r/a", "control-characters"),
        ("Icon\r\r", "control-characters"),
        ("Icon\r\n", "control-characters"),
        ("\x1b/Icon\r", "control-characters"),
        ("s01\r", "control-characters"),
    ],
)
def test_a_folders_icon_of_macos_is_junk_and_no_other_carriage_return(name: str, rule: str) -> None:
    listed = (Member(name, name.encode(), 0, 0, "file"),)
    findings = run_rules(rules_for("archive"), Listing(listed, LIMITS, 1, 1), {})
    assert {finding.rule for finding in findings} - {"archive.junk"} == {f"archive.{rule}"} - {"archive.junk"}
    assert junk(name) or rule != "junk"


@given(st.lists(st.text("aA\u00e9\u00c9b/-.", min_size=1, max_size=8), max_size=8, unique=True))
def test_collisions_are_those_that_comparing_all_pairs_finds(names: list[str]) -> None:
    """Slowly: two folders fall together when some leading parts are equal without case and differ with it."""
    listed = tuple(
        Member(name, name.encode(), 1, 1, "directory" if name.endswith("/") else "file") for name in sorted(names)
    )
    stated = [tuple(parts(member.path)) for member in listed]
    above = [
        {parted[:depth] for depth in range(1, len(parted) + member.is_directory)}
        for member, parted in zip(listed, stated, strict=True)
    ]

    def seen(part: str) -> str:
        while part.endswith(".") and part.strip("."):
            part = part[:-1]
        return part.casefold()

    def alike(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
        return [seen(part) for part in one] == [seen(part) for part in other]

    folders = set().union(*above)
    respelled = any(one != other and alike(one, other) for one in folders for other in folders)
    same = any(
        alike(one, other) and not (listed[i].is_directory and listed[j].is_directory)
        for j, other in enumerate(stated)
        for i, one in enumerate(stated[:j])
    )
    holding = {
        member.path
        for member, parted in zip(listed, stated, strict=True)
        if parted and not member.is_directory
        if any(alike(parted, other[: len(parted)]) and len(other) > len(parted) for other in stated)
    }
    findings = run_rules(rules_for("archive"), Listing(listed, LIMITS, 1, len(listed)), {})
    assert any(finding.rule == "archive.case-collision" for finding in findings) == (respelled or same)
    assert {finding.path for finding in findings if finding.rule == "archive.file-is-folder"} == holding


@given(st.text("aA\u00e9\u0301\u0323\u0345\u0344\u0f71\u0f73\u0f75\u0f81\u1100\u1161\ufb01/", max_size=150))
def test_folding_is_case_folding_in_nfc(text: str) -> None:
    for name in (text, "e" + text.replace("a", "\u0323")):
        normal = unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
        assert folded(name) == normal


def test_long_runs_of_marks_are_folded_in_linear_time() -> None:
    """Python's own ``normalize`` sorts them in quadratic time: here minutes instead of a second."""
    names = ["e" + "\u0301\u0323" * 16_000 + str(i) for i in range(40)]
    start = time.process_time()
    assert len({folded(name) for name in names}) == 40
    assert time.process_time() - start < 10


@pytest.mark.parametrize(
    "paths",
    [
        [f"{i:03d}/" + "A/" * 5_000 + "x" for i in range(100)],
        [("A/" if i % 2 else "a/") * 5_000 + str(i) for i in range(100)],
        ["a/" * i + "a" for i in range(1, 1_000)],
    ],
    ids=["apart", "alike", "nested"],
)
def test_deep_folders_are_compared_in_linear_time(paths: list[str]) -> None:
    """A million characters of names; all folders' paths together would be thousands of millions."""
    listed = tuple(Member(path, path.encode(), 1, 1, "file") for path in sorted(paths))
    rules = [rule for rule in rules_for("archive") if rule.id in {"archive.case-collision", "archive.file-is-folder"}]
    start = time.process_time()
    assert len(run_rules(rules, Listing(listed, LIMITS, 1, len(listed)), {})) <= len(listed)
    assert time.process_time() - start < 10


def test_a_member_that_reaches_into_the_table_of_contents(tmp_path: Path) -> None:
    archive = raw_zip(tmp_path / "in.zip", Entry("s01.mp4", data=bytes(10), compressed_size=11, size=11))
    (finding,) = check(archive)
    # 30 bytes of header, 7 of name, 11 instead of 10 of data: the table starts at 47.
    assert (finding.rule, finding.found) == ("archive.overlap", "bytes 0 to 48 overlap the table of contents")


def test_the_same_entry_twice_in_the_table_of_contents(tmp_path: Path) -> None:
    archive = raw_zip(tmp_path / "in.zip", Entry("s01.mp4"), Entry("s01.mp4", offset=0))
    assert [finding.rule for finding in check(archive)] == ["archive.duplicate-name", "archive.overlap"]


names = st.text(
    st.one_of(st.sampled_from("./\\ :aAcon\u202e\0\x1b~$"), st.characters(exclude_categories=["Cs"])),
    min_size=1,
    max_size=20,
)
members = st.builds(
    lambda path, *rest: Member(path, path.encode(), *rest),
    names,
    st.integers(0, 2**64),
    st.integers(0, 2**64),
    st.sampled_from(["file", "directory", "symlink", "device"]),
    st.booleans(),
    st.integers(0, 2**16),
    st.booleans(),
    st.integers(0, 2**32),
    st.integers(-(2**33), 2**64),
)


@given(st.lists(members, max_size=6), st.integers(0, 2**64))
def test_no_list_of_members_breaks_a_rule(listed: list[Member], offset: int) -> None:
    findings = run_rules(rules_for("archive"), Listing(tuple(listed), LIMITS, offset, len(listed), True, offset), {})
    paths = {member.path for member in listed}
    for finding in findings:
        assert finding.path in paths or finding.rule == "archive.too-large-total"
        for text in (finding.message, finding.found, finding.expected, finding.fix):
            assert text is None or text.isprintable()


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


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("__MACOSX/._s01.mp4", True),
        ("__MACOSX/", True),
        ("a/__macosx/b.mp4", True),
        ("._s01.mp4", True),
        ("id/.DS_Store", True),
        ("id\\Thumbs.db", True),
        ("s01.mp4", False),
        ("desktop.ini.mp4", False),
        ("x__MACOSX/a.mp4", False),
        ("a._b.mp4", False),
        ("DS_Store.mp4", False),
        ("_s01.mp4", False),
        ("\\.DS_Store", True),
        ("", False),
    ],
)
def test_junk(path: str, expected: bool) -> None:
    assert junk(path) is expected


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("con.mp4", "con"),
        ("id/LPT1", "LPT1"),
        ("nul.tar.mp4", "nul"),
        ("com\u00b9", "com\u00b9"),
        ("a:b", ":"),
        ("b./c.mp4", "."),
        ("c.mp4 ", " "),
        ("confetti.mp4", None),
        ("icon.mp4", None),
        ("a.con", None),
        ("./a.mp4", None),
        ("a/../b", None),
    ],
)
def test_names_that_windows_can_not_store(path: str, found: str | None) -> None:
    listing = Listing((Member(path, path.encode(), 1, 1, "file"),), LIMITS, 1, 1)
    (rule,) = (rule for rule in rules_for("archive") if rule.id == "archive.windows-reserved")
    assert [finding.found for finding in run_rules([rule], listing, {})] == [f"'{found}' in the name"] * bool(found)


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
