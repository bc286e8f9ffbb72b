"""``evalkit validate``: does a submission follow the challenge's rules?"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from evalkit.cli.options import (
    RunArguments,
    challenge_option,
    example,
    memory_option,
    reference_pack_option,
    run_options,
)
from evalkit.cli.options import as_json as json_option
from evalkit.text import count

if TYPE_CHECKING:
    from evalkit.scoring.intake import ValidationReport
    from evalkit.validators.findings import Finding, Severity


@click.command(epilog=example("evalkit validate team.zip --challenge talking-head --testset testset/"))
@click.argument("submission", type=click.Path(path_type=Path))
@challenge_option
@click.option("--testset", "-t", type=click.Path(path_type=Path), help="The test set, to find missing files.")
@reference_pack_option
@click.option("--all", "show_all", is_flag=True, help="Also list files without findings.")
@memory_option
@run_options
@json_option
def validate(
    submission: Path,
    challenge: str,
    testset: Path | None,
    reference_pack: Path | None,
    show_all: bool,
    memory: str | None,
    run: RunArguments,
    as_json: bool,
) -> None:
    """Check SUBMISSION, a ZIP or a folder, against the rules of a challenge.

    Every video is decoded completely. Exit code 0 when no rule of severity error is broken, otherwise 1.
    """
    from evalkit import api

    report = api.validate(
        submission,
        challenge,
        testset,
        reference_pack=reference_pack,
        memory=memory,
        **run,
    )
    if as_json:
        click.echo(json.dumps(report.to_json(), indent=1))
    else:
        print_report(report, show_all=show_all)
    if not report.ok:
        raise click.exceptions.Exit(1)


MOST_FIXES = 3  # of a kind
MOST_ROWS, MOST_ROWS_OF_A_RULE = 200, 20  # enough to read; a table of 40,000 rows takes half a minute to print


def print_report(report: ValidationReport, *, show_all: bool = False) -> None:
    """Print a table of findings, errors first and a limited number per rule, and a summary in one line.

    With ``show_all`` all files without findings follow.
    """
    from rich.console import Console
    from rich.table import Table

    from evalkit.text import escape_for_display

    console = Console(highlight=False, emoji=False)
    table = Table(show_lines=False, header_style="bold")
    for title in ("file", "verdict", "rule", "found", "expected"):
        table.add_column(title, overflow="fold")

    def add(place: str, verdict: str, finding: Finding | None) -> None:
        cells = [place, verdict, "", "", ""]
        if finding is not None:
            cells[2:] = [finding.rule, finding.found or finding.message, finding.expected or ""]
        table.add_row(*(_plain(escape_for_display(cell)) for cell in cells), style=_STYLE.get(verdict, ""))

    findings = sorted(report.all_findings(), key=lambda finding: _ORDER[finding.severity])
    shown = _first_of_each_rule(findings)
    for finding in shown:
        add(finding.path or finding.sample or "the archive", finding.severity, finding)
    for file in report.files if show_all else ():
        if not file.findings:
            add(file.path, file.verdict, None)
    if table.row_count:
        console.print(table)
    if len(shown) < len(findings):
        console.print(f"  ... and {count(len(findings) - len(shown), 'more finding')} with --json")
    fixes = list(dict.fromkeys(finding.fix for finding in findings if finding.fix and not finding.steps))
    commands = [file.fix for file in report.files if file.fix]
    for fix in [*fixes[:MOST_FIXES], *commands[:MOST_FIXES]]:
        console.print(_plain(f"  fix: {escape_for_display(fix, limit=1000)}"), soft_wrap=True)
    left = max(0, len(fixes) - MOST_FIXES) + max(0, len(commands) - MOST_FIXES)
    if left:
        console.print(f"  ... and {count(left, 'more fix', 'more fixes')} with --json")
    if commands:
        console.print("  'evalkit repair' runs such commands for all files and writes a new ZIP.")
    console.print(_plain(summary(report)), soft_wrap=True)


_ORDER: dict[Severity, int] = {"error": 0, "warning": 1, "info": 2}
_STYLE = {"error": "red", "warning": "yellow", "info": "dim"}


def _first_of_each_rule(findings: list[Finding]) -> list[Finding]:
    """Return the findings that the table shows: at most `MOST_ROWS_OF_A_RULE` of each rule, `MOST_ROWS` in all."""
    seen: Counter[str] = Counter()
    shown = []
    for finding in findings:
        seen[finding.rule] += 1
        if seen[finding.rule] <= MOST_ROWS_OF_A_RULE:
            shown.append(finding)
    return shown[:MOST_ROWS]


def _plain(text: str) -> str:
    """Keep rich from reading markup in names."""
    from rich.markup import escape

    return escape(text)


def summary(report: ValidationReport) -> str:
    """Return the result in one line, escaped for the terminal."""
    from evalkit.text import escape_for_display

    if report.refused:
        return f"{escape_for_display(report.submission)}: refused; no file in it was opened."
    errors = sum(finding.severity == "error" for finding in report.all_findings())
    verdict = "valid" if report.ok else f"NOT valid ({count(errors, 'error')})"
    return f"{verdict}: {', '.join(report.counts())}."
