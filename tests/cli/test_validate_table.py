"""The table of ``evalkit validate``: the worst first, and no more of it than somebody reads."""

from __future__ import annotations

import pytest

from evalkit.cli.validate import MOST_ROWS, MOST_ROWS_OF_A_RULE, print_report, summary
from evalkit.scoring.intake import FileReport, ValidationReport
from evalkit.validators.findings import Finding, Severity


def finding(rule: str, severity: Severity, number: int) -> Finding:
    return Finding(rule=rule, severity=severity, message="Something.", path=f"{severity}{number:05d}.mp4")


def printed(capsys: pytest.CaptureFixture[str], report: ValidationReport, *, show_all: bool = False) -> str:
    print_report(report, show_all=show_all)
    return capsys.readouterr().out


def report(*findings: Finding, files: tuple[FileReport, ...] = ()) -> ValidationReport:
    return ValidationReport("c", "team", "{id}.mp4", findings, files)


def test_so_many_rows_of_a_rule_and_the_number_of_the_rest(capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, report(*(finding("a.many", "warning", number) for number in range(5000))))
    assert out.count("warning0") == MOST_ROWS_OF_A_RULE
    assert f"... and {5000 - MOST_ROWS_OF_A_RULE} more findings with --json" in out


def test_so_many_rows_in_all(capsys: pytest.CaptureFixture[str]) -> None:
    rules = MOST_ROWS // MOST_ROWS_OF_A_RULE + 3
    many = [finding(f"a.r{rule}", "error", number) for rule in range(rules) for number in range(MOST_ROWS_OF_A_RULE)]
    out = printed(capsys, report(*many))
    assert out.count("error0") == MOST_ROWS
    assert f"... and {3 * MOST_ROWS_OF_A_RULE} more findings with --json" in out


def test_errors_come_first_whichever_part_of_the_report_they_stand_in(capsys: pytest.CaptureFixture[str]) -> None:
    warnings = [finding("a.many", "warning", number) for number in range(MOST_ROWS * 2)]
    file = FileReport("x.mp4", "x", None, (finding("b.one", "info", 7), finding("c.one", "error", 7)))
    out = printed(capsys, report(*warnings, files=(file,)))
    assert out.index("error00007.mp4") < out.index("warning00000.mp4") < out.index("info00007.mp4")


def test_few_findings_are_all_there_and_files_without_any_follow(capsys: pytest.CaptureFixture[str]) -> None:
    few = [finding("a.few", "warning", number) for number in range(MOST_ROWS_OF_A_RULE)]
    out = printed(capsys, report(*few, files=(FileReport("fine.mp4", "x", None, ()),)), show_all=True)
    assert "more findings" not in out
    assert out.index("warning00019.mp4") < out.index("fine.mp4")


def test_the_summary_of_one_video_without_a_layout() -> None:
    alone = ValidationReport("c", "team", None, (), (FileReport("x.mp4", "x", None, (finding("a.b", "error", 1),)),))
    assert summary(alone).startswith("NOT valid (1 error): 1 video, 0 ok")
    two = report(finding("a.b", "error", 1), finding("a.c", "error", 2), files=alone.files)
    assert summary(two).startswith("NOT valid (3 errors): 1 video by layout {id}.mp4, ")


def test_one_more_finding(capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, report(*(finding("a.many", "warning", number) for number in range(MOST_ROWS_OF_A_RULE + 1))))
    assert "... and 1 more finding with --json" in out


def test_where_no_name_fits_all_samples_are_missing() -> None:
    nothing = Finding(
        rule="layout.no-match", severity="error", message="No file has a name that the challenge expects."
    )
    assert summary(ValidationReport("c", "team", None, (nothing,), (), samples=3)).endswith("0 ok, 3 missing.")
    assert "not checked" in summary(ValidationReport("c", "team", None, (nothing,), ()))


def test_a_command_is_printed_as_it_must_be_typed(capsys: pytest.CaptureFixture[str]) -> None:
    command = "ffmpeg -i 's:fire:.mp4' -map 0:V:0 -map '0:a:0?' fixed/x.mp4"
    bad = Finding(rule="a.b", severity="error", message="Something.", path=":smile:.mp4", found=":heart: [b]")
    out = printed(capsys, report(files=(FileReport(":smile:.mp4", "x", None, (bad,), fix=command),)))
    assert f"fix: {command}\n" in out
    assert ":smile:.mp4" in out
    assert ":heart: [b]" in out
