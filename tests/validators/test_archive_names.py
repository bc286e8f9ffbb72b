"""The archive rules about names: collisions, junk, names that Windows can't store."""

from __future__ import annotations

import time
import unicodedata
from pathlib import Path

import pytest
from builders.archives import LIMITS, check, members
from hostile_zips import Entry, raw_zip
from hypothesis import given
from hypothesis import strategies as st

from evalkit.submission.members import Member
from evalkit.validators.archive.check import blocks
from evalkit.validators.archive.listing import Listing, folded, parts
from evalkit.validators.archive.strays import junk
from evalkit.validators.findings import run_rules
from evalkit.validators.registry import rules_for


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("aB.mp4", "Ab.mp4"),
        ("stra\u00dfe.mp4", "STRASSE.mp4"),
        ("CAF\u00c9.mp4", "cafe\u0301.mp4"),
        ("a/b.mp4", "a//./b.mp4"),
        ("a/b.mp4", "a\\b.mp4"),
        ("a", "a/"),
        ("p001.mp4", "p001.mp4;1"),
        ("p001.mp4;1", "p001.mp4;2"),
        ("p001.mp4", "P001.MP4;"),
        ("d/a.mp4.", "d/a.mp4;12"),
        ("a?.mp4", "a_.mp4"),
        ('a".mp4', "a*.mp4"),
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
    for names in (("a;1;2", "a;1"), ("a;1/b", "a/c"), ("a;x", "a"), ("a;1.mp4", "a.mp4"), (";1", ";2", "d/;1")):
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
        ("xIcon\r", "stray-name"),
        ("Icon\r/a", "stray-name"),
        ("Icon\r\r", "stray-name"),
        ("Icon\r\n", "stray-name"),
        ("\x1b/Icon\r", "stray-name"),
        ("s01\r", "stray-name"),
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


@given(st.lists(members, max_size=6), st.integers(0, 2**64))
def test_no_list_of_members_breaks_a_rule(listed: list[Member], offset: int) -> None:
    findings = run_rules(rules_for("archive"), Listing(tuple(listed), LIMITS, offset, len(listed), True, offset), {})
    paths = {member.path for member in listed}
    for finding in findings:
        assert finding.path in paths or finding.rule == "archive.too-large-total"
        for text in (finding.message, finding.found, finding.expected, finding.fix):
            assert text is None or text.isprintable()


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


@pytest.mark.parametrize("root", ["/", "//", "/./"])
def test_an_empty_entry_of_the_root_is_noted_and_ignored(tmp_path: Path, root: str) -> None:
    path = raw_zip(tmp_path / "in.zip", Entry(root, data=b""), Entry("team/", data=b""), Entry("team/s01.mp4"))
    (finding,) = check(path)
    assert (finding.rule, finding.severity, finding.path) == ("archive.root-entry", "info", root)
    assert not blocks([finding])


@pytest.mark.parametrize(
    "entry",
    [Entry("/"), Entry("/", data=b"", mode=0o120777), Entry("/../", data=b""), Entry("C:/", data=b""), Entry("/team/")],
    ids=["contents", "link", "above the root", "drive", "a folder at the root"],
)
def test_an_entry_that_is_more_than_the_root_is_absolute(tmp_path: Path, entry: Entry) -> None:
    rules = {finding.rule for finding in check(raw_zip(tmp_path / "in.zip", entry))}
    assert "archive.absolute-path" in rules
    assert "archive.root-entry" not in rules


@pytest.mark.parametrize("name", ["", ".", "./.", ".//."])
def test_a_file_without_a_name_is_refused(tmp_path: Path, name: str) -> None:
    findings = check(raw_zip(tmp_path / "in.zip", Entry("s01.mp4"), Entry(name)))
    assert [(finding.rule, finding.path) for finding in findings] == [("archive.empty-name", name)]
    assert blocks(findings)
    assert check(raw_zip(tmp_path / "in.zip", Entry("./", data=b""), Entry("./s01.mp4"))) == []
