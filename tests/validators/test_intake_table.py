"""Every trick of the archive builders and every file of the shared nasty set, against verdicts written by hand.

``EVALKIT_INTAKE_TABLE=FILE`` writes the table there as Markdown; without it, it lies in pytest's temporary folder.
"""

from __future__ import annotations

import csv
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import hostile_bombs
import hostile_structures as structures
import hostile_zips as zips
import pytest

import evalkit
from evalkit.challenges.model import load_challenge
from evalkit.errors import SubmissionError
from evalkit.scoring.intake import file_report, open_gate, refused_report
from evalkit.scoring.jobs import Extraction
from evalkit.submission.model import Submission
from evalkit.text import escape_for_display
from evalkit.validators.findings import Finding, verdict_of

CHALLENGE = load_challenge("talking-head")

# Verdicts of an archive. "damaged": no ZIP that can be listed, one sentence; "refused": no file in it is opened;
# "member": one file is refused, the others are read; "warned", "noted": read, with a finding; "read": nothing to say.
# The data of these archives are no videos: what is said about those (encoding.*) does not count here.
R = "refused"
TRICKS: dict[str, tuple[Callable[[Path], Path], str, set[str]]] = {
    "climbs out by ../": (zips.traversal, R, {"path-traversal"}),
    "climbs out by ..\\": (zips.traversal_by_backslash, R, {"path-traversal", "backslash"}),
    "absolute name": (zips.absolute, R, {"absolute-path"}),
    "drive letter": (zips.drive_letter, R, {"absolute-path", "windows-reserved"}),
    "server share": (zips.server_share, R, {"absolute-path", "backslash"}),
    "note in a code page": (zips.stray_name, "warned", {"stray-name"}),
    "entry of the root": (zips.root_entry, "noted", {"root-entry"}),
    "no name": (zips.empty_name, R, {"empty-name"}),
    "no name, a folder by its mode": (zips.empty_folder_name, R, {"empty-name"}),
    "version of VMS": (zips.version_collision, R, {"case-collision"}),
    "backslash in a name": (zips.by_backslash, R, {"backslash"}),
    "symbolic link": (zips.symlink, R, {"symlink"}),
    "device": (zips.device, R, {"device"}),
    "pipe": (zips.pipe, R, {"device"}),
    "the same name twice": (zips.duplicate, R, {"duplicate-name"}),
    "names that differ in case": (zips.case_collision, R, {"case-collision"}),
    "names that differ in NFC and NFD": (zips.accent_collision, R, {"case-collision"}),
    "names that casefold to one": (structures.folding_collision, R, {"case-collision"}),
    "folders that differ in case": (zips.folder_collision, R, {"case-collision"}),
    "trailing dot, the same on Windows": (structures.dot_collision, R, {"case-collision", "windows-reserved"}),
    "alternate data stream": (structures.stream_collision, R, {"case-collision", "windows-reserved"}),
    "a file where a folder is": (zips.file_is_folder, R, {"file-is-folder"}),
    "names reserved on Windows": (zips.windows_reserved, "warned", {"windows-reserved"}),
    "name not in UTF-8": (zips.non_utf8_name, R, {"name-not-utf8"}),
    "name falsely marked as UTF-8": (zips.false_utf8_name, "damaged", set()),
    "NUL in a name": (zips.nul_name, R, {"control-characters"}),
    "escape sequence in a name": (zips.control_name, R, {"control-characters"}),
    "right-to-left override in a name": (zips.bidi_name, R, {"control-characters"}),
    "zero-width space in a name": (structures.zero_width_name, R, {"control-characters"}),
    "1000 folders deep": (structures.deep, R, {"long-name"}),
    "a name of 256 bytes": (structures.long_part, R, {"long-name"}),
    "a path above 4096 bytes": (structures.long_path, R, {"long-name"}),
    "encrypted member": (zips.encrypted, R, {"encrypted"}),
    "archive in the archive": (zips.nested, "member", {"nested-archive"}),
    "42.zip: archives in archives": (hostile_bombs.archives_in_archives, "member", {"nested-archive"}),
    "zeros, a thousand to one": (zips.bomb, R, {"bomb-ratio"}),
    "100 GB claimed, Zip64": (hostile_bombs.claims_100_gb, R, {"bomb-ratio", "too-large-file"}),
    "120 GB in all claimed": (zips.bomb_by_declared_total, R, {"too-large-total", "overlap"}),
    "full overlap": (zips.overlapping, R, {"overlap", "second-name"}),
    "overlap inside a member": (zips.quoted_overlap, R, {"overlap"}),
    "overlap by quoting headers": (hostile_bombs.nested_overlap_bomb, R, {"overlap", "bomb-ratio"}),
    "overlap by extra fields": (hostile_bombs.extra_field_bomb, R, {"overlap", "bomb-ratio"}),
    "overlap by an extra field, small": (hostile_bombs.small_extra_overlap, R, {"overlap"}),
    "a million claimed, Zip64": (zips.claims_million, R, {"too-many-files"}),
    "a million members": (hostile_bombs.million_members, R, {"too-many-files"}),
    "fewer members claimed than there": (zips.understates_count, "damaged", set()),
    "20 x 16,000 extra fields": (structures.many_extra_fields, "damaged", set()),
    "states less than it holds": (zips.understated, "member", {"unreadable-member"}),
    "states more than it holds": (zips.overstated, "member", {"unreadable-member"}),
    "wrong CRC": (zips.wrong_crc, "member", {"unreadable-member"}),
    "garbled deflate": (zips.garbled_deflate, "member", {"unreadable-member"}),
    "method deflate64": (zips.unsupported_method, "member", {"unsupported-method"}),
    "cut off": (zips.truncated, "damaged", set()),
    "garbled table of contents": (zips.garbled_table, "damaged", set()),
    "table of contents before the start": (zips.huge_table, "damaged", set()),
    "last name beyond the table": (structures.overlong_last_entry, "damaged", set()),
    "comment cut off": (structures.cut_comment, "damaged", set()),
    "one part of several": (zips.split_part, "damaged", set()),
    "own header: another name": (zips.two_names, "member", {"header-mismatch"}),
    **{
        f"own header: {what}": (build, "member", {"header-mismatch"})
        for what, build in (
            ("another size", structures.local_size),
            ("another compressed size", structures.local_packed),
            ("another CRC", structures.local_crc),
            ("another method", structures.local_method),
            ("encrypted", structures.local_encrypted),
            ("another Zip64 size", structures.zip64_local_differs),
            ("no Zip64 field", structures.zip64_local_missing),
            ("another Unicode name", structures.second_name_in_local_header),
            ("garbled extra field", structures.garbled_local_extra),
            ("a size although one follows", structures.descriptor_with_sizes_before),
        )
    },
    "own header: name not in UTF-8": (structures.local_utf8, "member", {"header-mismatch"}),
    "folder with contents of its own": (structures.folder_with_contents, "member", {"header-mismatch"}),
    "folder with stored bytes": (structures.folder_with_stored_bytes, "member", {"header-mismatch"}),
    "own header: none there": (structures.no_local_header, R, {"header-mismatch", "overlap"}),
    "own header: beyond the end": (structures.beyond_the_end, R, {"header-mismatch", "overlap"}),
    "data descriptor differs": (structures.descriptor_differs, "member", {"header-mismatch"}),
    "data descriptor missing": (structures.descriptor_missing, "member", {"header-mismatch"}),
    "member on another disk": (structures.other_disk, "member", {"header-mismatch"}),
    "Zip64 field missing": (structures.zip64_missing, R, {"header-mismatch", "overlap", "hidden-member"}),
    "Zip64 field twice": (structures.zip64_twice, "member", {"header-mismatch"}),
    "Zip64 field with other sizes": (structures.zip64_superfluous, "member", {"header-mismatch"}),
    "own header: not the Unicode name of the table": (
        structures.other_name_in_local_header,
        "member",
        {"header-mismatch"},
    ),
    "two Unicode names": (structures.unicode_name_twice, R, {"header-mismatch", "name-not-utf8"}),
    "marked as UTF-8, another Unicode name": (
        structures.marked_as_utf8_and_named_otherwise,
        "member",
        {"header-mismatch"},
    ),
    "a second name in Unicode": (structures.second_name, "member", {"header-mismatch"}),
    "two end records": (structures.two_ends, R, {"end-record", "hidden-member", "header-mismatch"}),
    "two end records, adjusted": (structures.two_ends_adjusted, R, {"end-record", "hidden-member"}),
    "end record: two counts": (structures.two_counts, R, {"end-record"}),
    "end record: two tables of contents": (
        structures.two_tables,
        R,
        {"end-record", "header-mismatch", "overlap", "hidden-member"},
    ),
    "Zip64 end record: another count": (structures.zip64_other_count, R, {"end-record"}),
    "Zip64 end record: another offset": (
        structures.zip64_other_offset,
        R,
        {"end-record", "header-mismatch", "overlap", "hidden-member"},
    ),
    "Zip64 end record elsewhere": (structures.zip64_other_place, R, {"end-record"}),
    "Zip64 end record of another length": (structures.zip64_other_length, R, {"end-record"}),
    "unlisted member between others": (structures.hidden_between, R, {"hidden-member"}),
    "unlisted member before the table": (structures.hidden_last, R, {"hidden-member"}),
    "member after the end": (structures.hidden_after, R, {"hidden-member"}),
    "two ZIPs in one file": (structures.second_zip_before, R, {"hidden-member", "header-mismatch"}),
    "two ZIPs in one file, adjusted": (structures.second_zip_before_adjusted, R, {"hidden-member"}),
    "stub as long as a member": (structures.shifted_onto_another, R, {"header-mismatch", "other-format"}),
    "self-extracting stub": (structures.bytes_before, R, {"other-format"}),
    "self-extracting stub, two members": (zips.self_extracting, R, {"other-format"}),
    "cpio archive before the ZIP": (structures.cpio_before, R, {"other-format"}),
    "also a tar archive": (structures.tar_too, R, {"other-format"}),
    "also the image of a disc": (structures.image_too, R, {"other-format"}),
    "attribute of a folder, DOS": (structures.marked_as_folder, "member", {"header-mismatch"}),
    "attribute of a folder, NTFS": (structures.marked_as_folder_by_ntfs, "member", {"header-mismatch"}),
    "attribute of a disk's name": (structures.marked_as_label, "member", {"header-mismatch"}),
    "libarchive's field: a folder": (structures.libarchive_folder, "member", {"header-mismatch"}),
    "libarchive's field: a link": (structures.libarchive_link, "member", {"header-mismatch"}),
    "libarchive's field: a pipe": (structures.libarchive_pipe, "member", {"header-mismatch"}),
    "libarchive's field: a folder of DOS": (structures.libarchive_dos_folder, "member", {"header-mismatch"}),
    "libarchive's field: cut off": (structures.libarchive_cut, "member", {"header-mismatch"}),
    "another's name in a Unicode field": (
        structures.named_like_another_by_a_field,
        R,
        {"second-name", "header-mismatch"},
    ),
    "another's name in a field of version 0": (
        structures.named_like_another_by_version_0,
        R,
        {"second-name", "header-mismatch"},
    ),
    "own header: another's name": (
        structures.named_like_another_in_its_header,
        R,
        {"second-name", "header-mismatch"},
    ),
    "another's name by a code page of DOS": (structures.named_like_another_in_dos, R, {"second-name"}),
    "another's name and a byte that unzip drops": (
        structures.named_like_another_with_ff,
        R,
        {"second-name", "stray-name"},
    ),
    "bytes between members": (structures.bytes_between, "warned", {"unlisted-data"}),
    "bytes before the table": (structures.bytes_before_table, "warned", {"unlisted-data"}),
    "bytes after the end": (structures.bytes_after, "warned", {"unlisted-data"}),
    "folder with a sparse file": (hostile_bombs.sparse_folder, "warned", {"sparse-file"}),
    "desktop's files": (zips.junk, "noted", {"junk"}),
    "data descriptors": (zips.data_descriptor, "read", set()),
    "Zip64 in a small archive": (zips.zip64, "read", set()),
    "plain": (zips.good, "read", set()),
}


def outcome(path: Path, folder: Path) -> tuple[str, set[str], str]:
    """Return the verdict, the archive rules, and the first words said: the gate, and each file copied as workers do."""
    try:
        submission = Submission.open(path, CHALLENGE.submission.archive)
    except SubmissionError as error:
        return "damaged", set(), str(error).replace(f"{path.parent}/", "")
    gate = open_gate(submission, CHALLENGE, None)
    findings = list(gate.findings)
    for number, (sample, place) in enumerate(gate.layout.files.items()):
        if place in gate.unreadable:
            findings += refused_report(sample, place, gate.unreadable[place]).findings
            continue
        try:
            submission.copy(place, folder / f"copy{number}", CHALLENGE.submission.archive.max_file_bytes)
        except SubmissionError as error:
            read = Extraction(sample, None, None, str(error))
            findings += file_report(read, place, in_folder=False, rules=CHALLENGE.submission).findings
    return judged(findings, gate.refused)


def judged(findings: list[Finding], refused: bool) -> tuple[str, set[str], str]:
    found = [finding for finding in findings if finding.rule.startswith("archive.")]
    worst = verdict_of(found)
    verdict = {"error": "refused" if refused else "member", "warning": "warned"}.get(
        worst, "noted" if found else "read"
    )
    rules = {finding.rule.removeprefix("archive.") for finding in found}
    first = [finding for finding in found if finding.severity == worst] or found
    return verdict, rules, said(first)


def said(findings: list[Finding]) -> str:
    """Return the first finding in words."""
    if not findings:
        return ""
    return findings[0].message + (f" Found {findings[0].found}." if findings[0].found else "")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The rows seen by the tests below; written at the module's end."""
    return []


@pytest.fixture(scope="module", autouse=True)
def _written(table: list[str], tmp_path_factory: pytest.TempPathFactory) -> object:
    yield
    wanted = os.environ.get("EVALKIT_INTAKE_TABLE")
    place = Path(wanted) if wanted else tmp_path_factory.mktemp("intake") / "intake-table.md"
    head = ["| what comes in | verdict | rules | what is said first |", "|---|---|---|---|"]
    place.write_text("\n".join([*head, *table]) + "\n", encoding="utf-8")


def row(name: str, verdict: str, rules: set[str], words: str) -> str:
    cells = (name, verdict, " ".join(f"`{rule}`" for rule in sorted(rules)), escape_for_display(words, 160))
    return "| " + " | ".join(cell.replace("\\", "\\\\").replace("|", "\\|") for cell in cells) + " |"


@pytest.mark.parametrize("name", TRICKS)
def test_each_trick_has_its_verdict(name: str, table: list[str], tmp_path: Path) -> None:
    build, verdict, rules = TRICKS[name]
    seen, found, words = outcome(build(tmp_path / "in.zip"), tmp_path)
    table.append(row(name, seen, {f"archive.{rule}" for rule in found}, words))
    assert (seen, found) == (verdict, rules), words


ONE_EACH = ("plain", "bytes after the end", "wrong CRC", "own header: another size", "two ZIPs in one file", "cut off")


@pytest.mark.parametrize("name", ONE_EACH)
def test_validate_as_a_whole_says_the_same(name: str, tmp_path: Path) -> None:
    """With processes and all, once for each way in which an archive can end."""
    build, verdict, rules = TRICKS[name]
    path = build(tmp_path / "in.zip")
    if verdict == "damaged":
        with pytest.raises(SubmissionError):
            evalkit.validate(path, CHALLENGE, workers=1, cache=tmp_path / "cache")
        return
    report = evalkit.validate(path, CHALLENGE, workers=1, cache=tmp_path / "cache")
    assert judged(report.all_findings(), report.refused)[:2] == (verdict, rules)
    assert (report.files == ()) == report.refused


def test_every_builder_is_in_the_table() -> None:
    shown = {build for build, _, _ in TRICKS.values()}
    for module in (zips, structures):
        builders = {build for _, build, _ in module.FINDINGS}
        assert builders - shown == set()


# The rule that refuses each file of the shared nasty set or warns of it; the verdict and why are in its expected.csv.
NASTY = {
    "audio_8k_mono": "encoding.audio-sample-rate",
    "audio_early_400ms_startpts": "encoding.audio-start",
    "audio_late_280ms_baked": None,
    "audio_only": "encoding.no-video",
    "audio_shorter_than_video": "content.audio-short",
    "av1_aac": "encoding.codec",
    "corrupt_mdat_bits": "content.decode-errors",
    "fps60_dup": "content.duplicate-frames",
    "fragmented": None,
    "frozen_frame_with_speech": "content.frozen",
    "h264_10bit": "encoding.pixel-format",
    "h265_hvc1": "encoding.codec",
    "jpeg_renamed": "encoding.container",
    "mp3_audio": None,
    "mpeg4part2": "encoding.codec",
    "no_audio": "encoding.audio-missing",
    "no_face_visible": None,
    "odd_511": "encoding.pixel-format",
    "one_frame": "content.too-few-frames",
    "random_bytes": "encoding.not-media",
    "rotated90_metadata": "encoding.rotation",
    "sar_4_3": "encoding.aspect-ratio",
    "silent_audio": "content.audio-silent",
    "swapped_audio": None,
    "truncated_moov_ok": "content.truncated",
    "truncated_no_moov": "encoding.not-media",
    "two_audio_tracks": "encoding.several-audio-streams",
    "vfr_drop": "encoding.variable-frame-rate",
    "vp9_opus": "encoding.codec",
    "webm_renamed": "encoding.container",
    "zero_bytes": "encoding.not-media",
}


@pytest.mark.shared
def test_each_nasty_file_has_its_verdict(shared: Path, table: list[str], tmp_path: Path) -> None:
    folder = shared / "data" / "nasty"
    with (folder / "expected.csv").open(encoding="utf-8") as file:
        expected = {line["file"]: line["verdict"] for line in csv.DictReader(file)}
    assert set(expected) == {f"{name}.mp4" for name in NASTY}
    with zipfile.ZipFile(tmp_path / "nasty.zip", "w") as archive:
        for name in expected:
            archive.write(folder / name, name)
    report = evalkit.validate(tmp_path / "nasty.zip", CHALLENGE, cache=tmp_path / "cache", workers=2)
    for seen in report.files:
        worst = [finding for finding in seen.findings if finding.severity == seen.verdict]
        table.append(row(seen.path, seen.verdict, {finding.rule for finding in worst}, said(worst)))
    assert {seen.path: seen.verdict for seen in report.files} == expected
    for seen in report.files:
        rules = {finding.rule for finding in seen.findings if finding.severity == seen.verdict}
        wanted = NASTY[seen.sample]
        assert wanted in rules if wanted else not rules, seen.path
