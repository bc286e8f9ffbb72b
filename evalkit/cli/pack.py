"""``evalkit pack``: make a valid submission from a folder of generated videos."""

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
    submission_timeout_option,
    timeout_option,
    workers_option,
)

if TYPE_CHECKING:
    from evalkit.packing.report import PackReport
    from evalkit.repairing.report import RepairedFile
    from evalkit.workers.sandbox import Level

INVALID, INCOMPLETE = 1, 3
MOST_ROWS = 200  # of the table
_STYLES = {"failed": "red", "missing": "red", "repaired": "green", "renamed": "green", "unchanged": "dim"}
_PLANNED = {"repaired": "to be repaired", "renamed": "to be renamed", "failed": "can't be used"}


@click.command(
    epilog=example(
        "evalkit pack results/ -o team.zip -c talking-head -t testset/",
        "evalkit pack results/ -o team.zip -c talking-head -t testset/ --only '*_result.mp4' --speed speed.json",
        "evalkit pack results/ -c talking-head -t testset/ --map names.csv --dry-run",
    )
)
@click.argument("folder", type=click.Path(path_type=Path))
@challenge_option
@click.option("--testset", "-t", type=click.Path(path_type=Path), required=True, help="The test set.")
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="The ZIP.")
@click.option("--speed", type=click.Path(path_type=Path), metavar="FILE", help="A speed.json for the ZIP.")
@click.option(
    "--map",
    "mapping",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A CSV with the columns sample and file (its path in FOLDER), where names don't tell.",
)
@click.option("--only", multiple=True, metavar="PATTERN", help="Only these videos, as in '*_result.mp4'.")
@click.option("--exclude", multiple=True, metavar="PATTERN", help="Not these videos, as in 'old/*'.")
@click.option(
    "--incomplete", is_flag=True, help="Write the ZIP also when samples are missing or videos can't be repaired."
)
@click.option("--dry-run", is_flag=True, help="Say what would be done; convert and write nothing.")
@workers_option
@cache_option
@timeout_option
@submission_timeout_option
@sandbox_option
@quiet_option
@json_option
def pack(
    folder: Path,
    challenge: str,
    testset: Path,
    output: Path | None,
    speed: Path | None,
    mapping: Path | None,
    only: tuple[str, ...],
    exclude: tuple[str, ...],
    incomplete: bool,
    dry_run: bool,
    workers: int | None,
    cache: Path | str | None,
    timeout: float | None,
    submission_timeout: float | None,
    sandbox: Level | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Make a valid submission from the videos in FOLDER, which stays as it is.

    The video of each sample is found by its name: the sample's id, also in other letters, with something before or
    after it (d01_result.mp4), as the name of its folder, in any container. Videos that break a rule are converted, as
    'evalkit repair' does; that needs ffmpeg. The ZIP is validated before it gets its name.

    Exit code 0 when a valid ZIP was written, 1 when none could be made and nothing was written, 3 when --incomplete
    wrote one that is not valid.
    """
    from evalkit import api

    if output is None and not dry_run:
        raise click.UsageError("Give the name of the ZIP with -o, or --dry-run.")
    report = api.pack(
        folder,
        challenge,
        testset,
        output,
        speed=speed,
        mapping=mapping,
        only=only,
        exclude=exclude,
        incomplete=incomplete,
        dry_run=dry_run,
        workers=workers,
        cache=cache,
        progress=progress_on(quiet or as_json),
        timeout=timeout,
        submission_timeout=submission_timeout,
        sandbox=sandbox,
    )
    if as_json:
        click.echo(json.dumps(report.to_json(), indent=1))
    else:
        _print(report, output)
    if not report.valid:
        raise click.exceptions.Exit(INCOMPLETE if report.written else INVALID)


def _print(report: PackReport, output: Path | None) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from evalkit.packing.naming import HOWS
    from evalkit.text import count, escape_for_display

    def plain(text: str) -> str:
        return escape(escape_for_display(text, limit=1000))

    console = Console(highlight=False, emoji=False)
    table = Table(header_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    for title in ("file", "in the ZIP", "found", "result"):
        table.add_column(title, overflow="fold")
    # What needs a look comes first; among equals the order is the test set's.
    files = sorted(report.files, key=lambda file: file.outcome not in {"failed", "missing"})
    for file in files[:MOST_ROWS]:
        how = report.how.get(file.sample)
        result = _PLANNED.get(file.outcome, file.outcome) if report.dry_run else file.outcome
        cells = (file.source or "", file.target, "" if how is None else HOWS[how], result)
        table.add_row(*(plain(cell) for cell in cells), style=_STYLES[file.outcome])
    console.print(table)
    for file in files[:MOST_ROWS]:
        for line in _explained(file):  # below the table: a narrow column would break each sentence into ten lines
            console.print(plain(line), soft_wrap=True)
    if len(files) > MOST_ROWS:
        console.print(f"  ... and {count(len(files) - MOST_ROWS, 'more sample')} with --json")
    ignored = list(report.ignored.items())
    for path, reason in ignored[:MOST_ROWS]:
        console.print(plain(f"  not used: {path}: {reason}"), soft_wrap=True)
    if len(ignored) > MOST_ROWS:
        console.print(f"  ... and {count(len(ignored) - MOST_ROWS, 'more file')} with --json")
    if report.other_files:
        kinds = ", ".join(f"{number} {suffix}" for suffix, number in report.other_files.items())
        console.print(plain(f"  no videos: {kinds}"), soft_wrap=True)
    for finding in report.findings:
        where = finding.path or finding.sample or "the ZIP"
        console.print(plain(f"  {finding.severity}: {where}: {finding.message} ({finding.rule})"), soft_wrap=True)
    for note in report.notes:
        console.print(plain(f"  note: {note}"), soft_wrap=True)
    counts = Counter(file.outcome for file in report.files)
    say(", ".join(f"{number} {outcome}" for outcome, number in counts.most_common()) + ".")
    say(_verdict(report, output))


def _explained(file: RepairedFile) -> list[str]:
    """Return lines with what was done to the file and which rules asked for it, or why it can't be used."""
    if file.reason is not None:
        return [f"  {file.target}: {file.reason}"]
    lines = [f"  {file.target}: {'; '.join(file.steps)}"] if file.steps else []
    for one in file.reasons:
        lines.append(f"      {one.rule}: {one.message.rstrip('.')}{f': {one.found}' if one.found else ''}")
    for one in file.remaining:
        lines.append(f"  {file.target}: warning: {one.message.rstrip('.')} ({one.rule})")
    return lines


def _verdict(report: PackReport, output: Path | None) -> str:
    if report.dry_run:
        return f"Dry run: nothing was written. The ZIP would be {'valid' if report.valid else 'NOT valid'}."
    if not report.written:
        return f"NOT valid: {output} was not written. Make the videos named above again, or add --incomplete."
    size = f"{(report.size or 0) / (1 << 20):.1f} MiB"
    return f"{output} is {'valid' if report.valid else 'NOT valid'}: {size}, SHA-256 {report.sha256}."
