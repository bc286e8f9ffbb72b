"""``evalkit repair``: correct what can be corrected in a submission, and say what can't."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from evalkit.cli.options import as_json as json_option
from evalkit.cli.options import (
    cache_option,
    challenge_option,
    example,
    progress_on,
    quiet_option,
    sandbox_option,
    say,
    timeout_option,
    workers_option,
)

if TYPE_CHECKING:
    from evalkit.repairing.report import RepairReport
    from evalkit.workers.sandbox import Level

INCOMPLETE = 3
_STYLES = {"failed": "red", "missing": "red", "repaired": "green", "renamed": "green", "unchanged": "dim"}


@click.command(
    epilog=example(
        "evalkit repair team.zip --challenge talking-head --testset testset/ -o repaired.zip",
        "evalkit repair videos/ -c challenge.yaml --testset testset/ -o team.zip --json",
    )
)
@click.argument("submission", type=click.Path(path_type=Path))
@challenge_option
@click.option("--testset", "-t", type=click.Path(path_type=Path), help="The test set, to match names with samples.")
@click.option(
    "--output", "-o", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The repaired ZIP."
)
@workers_option
@cache_option
@timeout_option
@sandbox_option
@quiet_option
@json_option
def repair(
    submission: Path,
    challenge: str,
    testset: Path | None,
    output: Path,
    workers: int | None,
    cache: Path | str | None,
    timeout: float | None,
    sandbox: Level | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Write a repaired copy of SUBMISSION, a ZIP or a folder; the original stays as it is.

    Files get their samples' names; those that break a rule are converted with one ffmpeg command each, made from the
    challenge's rules; the result is validated again. Needs ffmpeg. Exit code 0 when the new ZIP is valid, 3 when
    something could not be repaired.
    """
    from evalkit import api

    report = api.repair(
        submission,
        challenge,
        output,
        testset,
        workers=workers,
        cache=cache,
        progress=progress_on(quiet or as_json),
        timeout=timeout,
        sandbox=sandbox,
    )
    if as_json:
        click.echo(json.dumps(report.to_json(), indent=1))
    else:
        _print(report, output)
    if not report.valid:
        raise click.exceptions.Exit(INCOMPLETE)


def _print(report: RepairReport, output: Path) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from evalkit.text import escape_for_display

    def plain(text: str) -> str:
        return escape(escape_for_display(text, limit=1000))

    console = Console(highlight=False, emoji=False)
    changed = [file for file in report.files if file.outcome != "unchanged" or file.remaining]
    if changed or report.ignored:
        table = Table(header_style="bold", box=SIMPLE_HEAD, pad_edge=False)
        for title in ("file", "new name", "result"):
            table.add_column(title, overflow="fold")
        done = []
        for file in changed:
            left = "".join(f"; not corrected: {one.message.rstrip('.')} ({one.rule})" for one in file.remaining)
            what = file.reason if file.reason else ("; ".join(file.steps) + left).removeprefix("; ")
            if what:
                done.append(f"  {file.target}: {what}")
            new = "" if file.source == file.target or file.outcome == "missing" else file.target
            cells = (plain(file.source or file.target), plain(new), file.outcome)
            table.add_row(*cells, style=_STYLES[file.outcome])
        for path, reason in report.ignored.items():
            table.add_row(plain(path), "", "left out", style="yellow")
            done.append(f"  {path}: {reason}")
        console.print(table)
        for line in done:
            console.print(plain(line), soft_wrap=True)
    counts = Counter(file.outcome for file in report.files)
    say(", ".join(f"{count} {outcome}" for outcome, count in counts.most_common()) + ".")
    say(f"Errors: {report.before} before, {report.after} now. {output} is {'valid' if report.valid else 'NOT valid'}.")
