"""Archives that say different things in different places, and archives that look odd and are sound."""

from __future__ import annotations

import io
import random
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import hostile_bombs
import hostile_structures
import hostile_zips
import pytest
from hostile_bombs import FULL, extra, zip64_extra
from hostile_structures import CRC, DATA, GOOD, unicode_name
from hostile_zips import DEFLATED, DESCRIPTOR, UTF8, Entry, raw_zip, with_zip64_end

from evalkit.challenges.submission_rules import ArchiveRules
from evalkit.errors import SubmissionError
from evalkit.submission.model import Submission
from evalkit.validators.archive.check import blocks, check_archive
from evalkit.validators.findings import Finding

LIMITS = ArchiveRules()


def check(path: Path, rules: ArchiveRules = LIMITS) -> list[Finding]:
    return check_archive(Submission.open(path, rules), rules, {})


@pytest.mark.parametrize(
    ("rule", "build", "paths"),
    hostile_structures.FINDINGS,
    ids=[f"{rule}-{build.__name__}" for rule, build, _ in hostile_structures.FINDINGS],
)
def test_each_fault_is_found_by_its_rule_and_named(
    tmp_path: Path, rule: str, build: Callable[[Path], Path], paths: list[str | None]
) -> None:
    found = [finding for finding in check(build(tmp_path / "in.zip")) if finding.rule == f"archive.{rule}"]
    assert [finding.path for finding in found] == paths
    for finding in found:
        assert finding.message.endswith((".", "one."))
        assert finding.found
        assert finding.expected
        assert finding.fix
        assert all(text.isprintable() for text in (finding.message, finding.found, finding.expected, finding.fix))


STRUCTURE = {"header-mismatch", "end-record", "hidden-member", "unlisted-data", "overlap"}


@pytest.mark.parametrize(
    ("rule", "build"),
    [(rule, build) for rule, build, _ in hostile_structures.FINDINGS if rule in STRUCTURE],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_a_fault_of_the_structure_is_told_by_the_rules_that_it_breaks(
    tmp_path: Path, rule: str, build: Callable[[Path], Path]
) -> None:
    """One fault, one rule; the exceptions are named."""
    also = {
        "no_local_header": {"overlap"},  # its place is inside another member
        "beyond_the_end": {"overlap"},
        "zip64_missing": {"overlap", "hidden-member"},  # its place is at 4 GiB, and nobody claims what is there
        "shifted_onto_another": {"other-format"},
        "named_like_another_by_a_field": {"header-mismatch"},
        "named_like_another_by_version_0": {"header-mismatch"},
        "named_like_another_in_its_header": {"header-mismatch"},
        "named_like_another_with_ff": {"stray-name"},
        "second_zip_before": {"header-mismatch"},
        "two_tables": {"header-mismatch", "overlap", "hidden-member"},
        "two_ends": {"hidden-member", "header-mismatch"},
        "two_ends_adjusted": {"hidden-member"},
        "zip64_other_offset": {"header-mismatch", "overlap", "hidden-member"},
        "nested_overlap_bomb": {"bomb-ratio"},
        "extra_field_bomb": {"bomb-ratio"},
        "unicode_name_twice": {"name-not-utf8"},  # neither of them is the name
    }.get(build.__name__, set())
    rules = {finding.rule.removeprefix("archive.") for finding in check(build(tmp_path / "in.zip"))}
    assert rule in rules
    assert rules - {rule} <= also


def test_what_is_seen_in_two_ways_is_not_read_and_the_rest_is(tmp_path: Path) -> None:
    path = raw_zip(tmp_path / "in.zip", replace(GOOD, local={"crc": CRC ^ 1}), Entry("s02.mp4"))
    findings = check(path)
    assert [(finding.rule, finding.path) for finding in findings] == [("archive.header-mismatch", "s01.mp4")]
    assert findings[0].found == f"CRC-32 {CRC ^ 1} in the member's own header"
    assert findings[0].expected == f"{CRC}, as in the table of contents"
    assert not blocks(findings)
    opened = Submission.open(path)
    with pytest.raises(SubmissionError, match=r"contradicts itself about 's01\.mp4'"):
        opened.copy("s01.mp4", tmp_path / "out", 100)
    assert not (tmp_path / "out").exists()
    opened.copy("s02.mp4", tmp_path / "out", 100)
    assert (tmp_path / "out").read_bytes() == DATA


@pytest.mark.parametrize("rule", ["end-record", "hidden-member", "overlap", "long-name", "case-collision"])
def test_an_archive_that_is_two_is_not_read_at_all(tmp_path: Path, rule: str) -> None:
    build = next(build for name, build, _ in hostile_structures.FINDINGS if name == rule)
    assert blocks(check(build(tmp_path / "in.zip")))


def streamed(path: Path) -> Path:
    """As Python writes to a pipe: sizes after the data."""

    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *_: int) -> int:
            raise io.UnsupportedOperation

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("s01.mp4", DATA)
        archive.writestr("empty.mp4", b"")
        with archive.open("s02.mp4", "w", force_zip64=True) as member:
            member.write(DATA * 9)
    path.write_bytes(pipe.getvalue())
    return path


def described(form: bytes, data: bytes = DATA) -> Callable[[Path], Path]:
    entry = Entry("s01.mp4", data=data, flags=UTF8 | DESCRIPTOR, descriptor=form)
    return lambda path: raw_zip(path, entry, Entry("s02.mp4"))


SIZES = (len(DATA), len(DATA))
SOUND: dict[str, Callable[[Path], Path]] = {
    "streamed": streamed,
    "descriptor": described(struct.pack("<4s3L", b"PK\7\x08", CRC, *SIZES)),
    "descriptor without signature": described(struct.pack("<3L", CRC, *SIZES)),
    "descriptor of 64 bits": described(struct.pack("<4sL2Q", b"PK\7\x08", CRC, *SIZES)),
    "descriptor of 64 bits without signature": described(struct.pack("<L2Q", CRC, *SIZES)),
    "descriptor of nothing": described(bytes(12), b""),
    "descriptor of nothing in 64 bits": described(bytes(20), b""),
    "descriptor and sizes before": lambda path: raw_zip(
        path, replace(GOOD, flags=UTF8 | DESCRIPTOR, local={"size": 18, "packed": 18, "crc": CRC})
    ),
    "Zip64 in the own header alone": lambda path: raw_zip(
        path, replace(GOOD, local={"size": FULL, "packed": FULL}, local_extra=zip64_extra(18, 18))
    ),
    "Zip64 everywhere": lambda path: with_zip64_end(
        raw_zip(
            path,
            replace(
                GOOD,
                local={"size": FULL, "packed": FULL},
                local_extra=zip64_extra(18, 18),
                central={"size": FULL, "packed": FULL, "offset": FULL},
                extra=zip64_extra(18, 18, 0),
            ),
        )
    ),
    "Zip64 with numbers that are stated too": lambda path: raw_zip(path, replace(GOOD, extra=zip64_extra(18, 18))),
    "Zip64 end record beside a whole end record": lambda path: with_zip64_end(raw_zip(path, GOOD), small=True),
    "the same name in Unicode": lambda path: raw_zip(
        path, replace(GOOD, extra=unicode_name("s01.mp4"), local_extra=unicode_name("s01.mp4"))
    ),
    "times of Unix": lambda path: raw_zip(
        path, replace(GOOD, extra=extra(0x5455, b"\3" + bytes(4)), local_extra=extra(0x5455, b"\3" + bytes(8)))
    ),
    "padding": lambda path: raw_zip(path, replace(GOOD, local_extra=bytes(3))),
    "level in the flags": lambda path: raw_zip(path, replace(GOOD, method=DEFLATED, local={"flags": UTF8 | 2})),
    "order of the table": lambda path: raw_zip(path, Entry("b"), Entry("a"), Entry("d/", data=b"")),
    "comment with a signature": lambda path: raw_zip(path, GOOD, comment=b"PK\1\2 is a signature"),
    "a ZIP's bytes as a member": lambda path: raw_zip(path, Entry("s01.mp4", data=raw_zip(path, GOOD).read_bytes())),
    "nothing": raw_zip,
}


@pytest.mark.parametrize("build", SOUND.values(), ids=SOUND)
def test_odd_and_sound_archives_give_no_finding(tmp_path: Path, build: Callable[[Path], Path]) -> None:
    path = build(tmp_path / "in.zip")
    assert check(path) == []
    opened = Submission.open(path)
    with zipfile.ZipFile(path) as archive:
        for member in opened.members:
            if not member.is_directory:
                opened.copy(member.path, tmp_path / "out", 1 << 20)
                assert (tmp_path / "out").read_bytes() == archive.read(member.path)
                (tmp_path / "out").unlink()


def test_ends_are_exact(tmp_path: Path) -> None:
    """30 bytes of header, 7 of name, 5 of extra, 18 of data, 16 of descriptor; the second starts there."""
    first = replace(GOOD, flags=UTF8 | DESCRIPTOR, local_extra=extra(9, b"x"))
    opened = Submission.open(raw_zip(tmp_path / "in.zip", first, Entry("s02.mp4")))
    assert [(member.header_offset, member.end) for member in opened.members] == [(0, 76), (76, 131)]
    assert opened.directory_offset == 131
    assert opened.inconsistencies == ()


def test_a_bombs_members_are_real(tmp_path: Path) -> None:
    """What is refused is what it claims to be: every member inflates to what is stated, checksum included."""
    for build in (hostile_bombs.nested_overlap_bomb, hostile_bombs.extra_field_bomb):
        path = build(tmp_path / f"{build.__name__}.zip", 40, 1000)
        with zipfile.ZipFile(path) as archive:
            assert len(archive.infolist()) == 40
            for info in archive.infolist():
                info.filename = info.orig_filename
                with archive.open(info) as member:
                    data = member.read()
                assert (len(data), zlib.crc32(data)) == (info.file_size, info.CRC)
                assert data.endswith(bytes(1000))


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (hostile_structures.cut_comment, "a comment of 15 bytes, of which 11 are there"),
        (hostile_structures.overlong_last_entry, "the last entry of the table of contents reaches beyond it"),
        (hostile_structures.many_extra_fields, "more than 64 extra fields"),
    ],
)
def test_what_no_program_should_read_is_damaged(
    tmp_path: Path, build: Callable[[Path], Path], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zipfile, "ZipFile", lambda *_: pytest.fail("zipfile was asked"))
    with pytest.raises(SubmissionError, match=words):
        Submission.open(build(tmp_path / "in.zip"))


MIB = 1 << 20


@pytest.mark.parametrize("before", [0, 4093, 5000, MIB - 4, MIB - 3, MIB - 2, MIB - 1, MIB, 3 * MIB + 5])
def test_a_hidden_member_is_found_wherever_it_lies_in_a_gap(tmp_path: Path, before: int) -> None:
    gap = bytes(before) + b"PK\3\4"
    for name, entries in {"first": (), "between": (GOOD,)}.items():
        start = 55 * len(entries) + before
        (finding,) = check(raw_zip(tmp_path / f"{name}.zip", *entries, Entry("s02.mp4", gap=gap)))
        assert (finding.rule, finding.found) == ("archive.hidden-member", f"the header of a member at byte {start}")
    (finding,) = check(raw_zip(tmp_path / "last.zip", GOOD, gap=gap))
    assert finding.rule == "archive.hidden-member"


def test_most_of_what_is_searched_is_bounded_over_all_gaps_and_said(tmp_path: Path) -> None:
    first = Entry("s02.mp4", gap=bytes(40 * MIB))
    near = Entry("s03.mp4", gap=bytes(24 * MIB - 4) + b"PK\3\4")
    far = Entry("s03.mp4", gap=bytes(24 * MIB - 3) + b"PK\3\4")
    near_zip, far_zip = (
        raw_zip(tmp_path / f"{name}.zip", GOOD, first, second) for name, second in (("near", near), ("far", far))
    )
    tracemalloc.start()
    try:
        assert [f.rule for f in check(near_zip)] == ["archive.hidden-member", "archive.unlisted-data"]
        (finding,) = check(far_zip)
        assert tracemalloc.get_traced_memory()[1] < 8 * MIB
    finally:
        tracemalloc.stop()
    assert finding.rule == "archive.unlisted-data"
    assert str(finding.found).endswith(f", of which {24 * MIB} were searched for a hidden member")


PACKED = hostile_zips.deflated(DATA)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (Entry("s01.mp4", data=b"", method=DEFLATED, body=b""), "ends too early"),
        (replace(GOOD, method=DEFLATED, body=PACKED[:-1]), "ends too early"),
        (replace(GOOD, method=DEFLATED, body=PACKED + b"?"), "other bytes after the compressed data"),
        (replace(GOOD, method=DEFLATED, body=PACKED + bytes(70_000)), "other bytes after the compressed data"),
        (replace(GOOD, method=DEFLATED, crc=CRC ^ 1), r"a wrong checksum \(CRC-32\)"),
        (replace(GOOD, crc=CRC ^ 1), r"a wrong checksum \(CRC-32\)"),
        (replace(GOOD, size=19), "18 bytes; expected 19 bytes"),
        (replace(GOOD, size=17), "more than 17 bytes; expected 17 bytes"),
        (replace(GOOD, method=DEFLATED, size=17), "more than 17 bytes; expected 17 bytes"),
    ],
)
def test_contents_are_whole_and_nothing_else(tmp_path: Path, entry: Entry, words: str) -> None:
    """zipfile takes most of these; unzip refuses them."""
    opened = Submission.open(raw_zip(tmp_path / "in.zip", entry))
    with pytest.raises(SubmissionError, match=words):
        opened.copy("s01.mp4", tmp_path / "out", 1 << 20)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("most", [1, 7, 1000, 1 << 20])
def test_contents_are_read_in_pieces_of_any_size(tmp_path: Path, most: int) -> None:
    data = random.Random(1).randbytes(3000) + bytes(200_000)
    opened = Submission.open(
        raw_zip(tmp_path / "in.zip", Entry("a", data=data, method=DEFLATED), Entry("b", data=data))
    )
    for name in ("a", "b"):
        with opened.open_member(name) as stream:
            assert b"".join(iter(lambda: stream.read(most), b"")) == data
        with opened.open_member(name) as stream:
            assert stream.read(5000) == data[:5000]
            assert stream.read() == data[5000:]


def test_a_table_that_is_said_to_lie_further_back_is_a_file_cut_at_its_start(tmp_path: Path) -> None:
    data = raw_zip(tmp_path / "in.zip", GOOD, Entry("s02.mp4")).read_bytes()
    (tmp_path / "in.zip").write_bytes(data[55:])
    with pytest.raises(SubmissionError, match="a table of contents at byte 55, said to be at byte 110"):
        Submission.open(tmp_path / "in.zip")


def test_a_masked_header_is_encrypted_and_nothing_else(tmp_path: Path) -> None:
    flags = UTF8 | 0x2001
    path = raw_zip(tmp_path / "in.zip", replace(GOOD, flags=flags, local_name=b"1", local={"crc": 0, "size": 0}))
    assert [finding.rule for finding in check(path)] == ["archive.encrypted"]


def test_severities_are_the_challenges_but_the_member_stays_unread(tmp_path: Path) -> None:
    path = hostile_structures.local_size(tmp_path / "in.zip")
    opened = Submission.open(path)
    assert check_archive(opened, LIMITS, {"archive.header-mismatch": "off"}) == []
    with pytest.raises(SubmissionError, match="contradicts itself"):
        opened.open_member("s01.mp4")
    path = hostile_structures.hidden_last(tmp_path / "hidden.zip")
    (finding,) = check_archive(Submission.open(path), LIMITS, {"archive.hidden-member": "warning"})
    assert not blocks([finding])


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("x" * 251 + ".mp4", None),
        ("x" * 252 + ".mp4", "256 bytes, the longest part 256, 1 parts"),
        ("d/" * 63 + "x.mp4", None),
        ("d/" * 64 + "x.mp4", "133 bytes, the longest part 5, 65 parts"),
        ("\\".join(["y" * 250] * 2), None),
        ("/".join(["y" * 240] * 17)[:-4] + ".mp4", None),  # 4096 bytes
        ("/".join(["y" * 240] * 17)[:-3] + ".mp4", "4097 bytes, the longest part 241, 17 parts"),
    ],
)
def test_lengths_of_names(tmp_path: Path, name: str, found: str | None) -> None:
    findings = check(raw_zip(tmp_path / "in.zip", Entry(name)))
    assert [f.found for f in findings if f.rule == "archive.long-name"] == ([found] if found else [])


@pytest.mark.parametrize(
    ("one", "other"),
    [("a.", "a"), ("a. .", "A"), ("a:x", "a"), ("d./x", "D/X"), ("...", "a"), (":x", "a"), ("a.b", "a"), (" a", "a")],
)
def test_names_that_are_one_on_windows(tmp_path: Path, one: str, other: str) -> None:
    rules = {finding.rule for finding in check(raw_zip(tmp_path / "in.zip", Entry(one), Entry(other)))}
    assert ("archive.case-collision" in rules) == (one in {"a.", "a. .", "a:x", "d./x"})


def test_holes_are_told_and_copied_within_the_limit(tmp_path: Path) -> None:
    folder = hostile_bombs.sparse_folder(tmp_path / "team.zip", 1 << 20)
    (folder / "s02.mp4").write_bytes(bytes(range(256)) * 4096)
    (finding,) = check(folder)
    assert (finding.rule, finding.path, finding.severity) == ("archive.sparse-file", "s01.mp4", "warning")
    assert finding.found == "0 bytes on the disk, 1048576 when read"
    with pytest.raises(SubmissionError, match="too large"):
        Submission.open(folder).copy("s01.mp4", tmp_path / "out", 1 << 19)
    Submission.open(folder).copy("s01.mp4", tmp_path / "out", 1 << 20)
    assert (tmp_path / "out").read_bytes() == bytes(1 << 20)


def test_a_good_archive_of_this_project_is_untouched_by_the_new_rules(tmp_path: Path) -> None:
    for build in (hostile_zips.good, hostile_zips.zip64, hostile_zips.data_descriptor):
        assert check(build(tmp_path / "in.zip")) == []
