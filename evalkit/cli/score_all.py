"""``evalkit score-all``: all submissions of a challenge in one night."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from evalkit.cli.options import (
    RunArguments,
    backbones_option,
    by_option,
    challenge_option,
    device_option,
    example,
    memory_option,
    reference_pack_option,
    run_options,
    say,
    who,
)
from evalkit.cli.options import as_json as json_option
from evalkit.cli.score import folders_of, metric_names

if TYPE_CHECKING:
    from evalkit.batch.estimate import Estimate
    from evalkit.batch.result import BatchResult

GIB = 1 << 30


@click.command(
    "score-all",
    epilog=example(
        "evalkit score-all zips/ --challenge mine.yaml --testset testset/ -o results/ --dry-run",
        "evalkit score-all zips/ --challenge mine.yaml --testset testset/ -o results/",
        "evalkit score-all runs.csv -c mine.yaml --testset testset/ -o results/ --board board.sqlite",
    ),
)
@click.argument("submissions", metavar="FOLDER|LIST", type=click.Path(path_type=Path))
@challenge_option
@click.option("--testset", "-t", required=True, type=click.Path(path_type=Path), help="The test set.")
@click.option(
    "--output",
    "-o",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the results: a folder for each submission, and summary.csv and summary.html.",
)
@click.option("--metrics", "-m", metavar="A,B", help="Metric ids or aliases (default: the challenge's).")
@backbones_option
@reference_pack_option
@click.option(
    "--features",
    "imported",
    multiple=True,
    metavar="NAME=DIR",
    help="Folder of files that another program made of the videos, with a folder for each submission; may be repeated.",
)
@device_option
@click.option("--limit", type=click.IntRange(min=1), help="Score only the first samples.")
@click.option("--allow-missing", is_flag=True, help="Leave out metrics whose weights are missing.")
@click.option("--retry", is_flag=True, help="Score again the submissions of which something has no number.")
@click.option("--dry-run", is_flag=True, help="Score a few files, and estimate hours, disk and memory.")
@click.option("--board", "-B", metavar="FILE|URL", help="Put the scorecards on this board.")
@click.option("--why", metavar="TEXT", help="The reason, for the board's log; needed where a scorecard is replaced.")
@click.option("--allow-shared", is_flag=True, help="Let two teams have the same videos on the board; with --why.")
@by_option
@run_options
@memory_option
@json_option
def score_all(
    submissions: Path,
    challenge: str,
    testset: Path,
    output: Path,
    metrics: str | None,
    backbones: str,
    reference_pack: Path | None,
    imported: tuple[str, ...],
    device: str,
    limit: int | None,
    allow_missing: bool,
    retry: bool,
    dry_run: bool,
    board: str | None,
    why: str | None,
    allow_shared: bool,
    by: str | None,
    run: RunArguments,
    memory: str | None,
    as_json: bool,
) -> None:
    """Score all submissions in FOLDER, or those of a LIST, with one pool of workers.

    FOLDER has a ZIP (or a folder) for each team, named after it. LIST is a CSV or YAML with team, run, path and
    primary; runs that compete are scored first. What is wrong with a submission costs no other. Run again after an
    interruption, the command goes on where it ended; what is finished is not scored again.

    Exit code 0 when everything was scored, 3 when something could not be, 1 when a submission was refused, 4 when the
    machine is at fault.
    """
    from evalkit import api

    if allow_shared and why is None:
        raise click.UsageError("--allow-shared needs the reason: --why TEXT.")
    names = metric_names(metrics)
    if dry_run:
        fresh = run["fresh"]
        if fresh or retry or board is not None:
            raise click.UsageError("--dry-run scores a few files only: leave out --fresh, --retry and --board.")
        found = api.estimate_all(
            submissions,
            challenge,
            testset,
            output,
            metrics=names,
            backbones=backbones,
            reference_pack=reference_pack,
            features=folders_of(imported),
            memory=memory,
            device=device,
            limit=limit,
            allow_missing=allow_missing,
            workers=run["workers"],
            cache=run["cache"],
            progress=run["progress"],
            timeout=run["timeout"],
            submission_timeout=run["submission_timeout"],
            sandbox=run["sandbox"],
        )
        if as_json:
            click.echo(json.dumps(found.to_json(), indent=1))
        else:
            print_estimate(found)
        return
    result = api.score_all(
        submissions,
        challenge,
        testset,
        output,
        metrics=names,
        backbones=backbones,
        reference_pack=reference_pack,
        features=folders_of(imported),
        memory=memory,
        device=device,
        limit=limit,
        allow_missing=allow_missing,
        retry=retry,
        board=board,
        by=who(by) if board is not None else None,
        why=why,
        allow_shared=allow_shared,
        **run,
    )
    if as_json:
        click.echo(json.dumps(result.to_json(), indent=1))
    else:
        print_batch(result)
    if result.exit_code:
        raise click.exceptions.Exit(result.exit_code)


def print_batch(result: BatchResult) -> None:
    """Print the table of results, then what is wrong with whom."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from evalkit.batch.summary import sentence
    from evalkit.progress import duration_text
    from evalkit.text import escape_for_display, format_value

    metrics = result.shown_metrics
    table = Table(header_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    for title in ("submission", "state", "samples", *metrics):
        table.add_column(
            escape(title), justify="left" if title in {"submission", "state"} else "right", overflow="fold"
        )
    for one in result.outcomes:
        numbers = [one.metrics.get(name) for name in metrics]
        cells = [one.entry.name, one.state, f"{one.scored_videos}/{one.videos}" if one.videos else ""]
        cells += [format_value(None if number is None else number.value) for number in numbers]
        table.add_row(*(escape(escape_for_display(cell, 100)) for cell in cells))
    console = Console(highlight=False, emoji=False)
    console.print(table)
    for one in result.outcomes:
        for words in (*one.reasons, *(() if one.board_error is None else one.board_error.lines)):
            console.print(escape(escape_for_display(f"  {one.entry.name}: {words}", 400)), soft_wrap=True)
    console.print(f"{sentence(result)} {duration_text(result.seconds)}.")
    say(f"Summary: {result.out / 'summary.html'}, {result.out / 'summary.csv'}")
    if result.stopped is not None:
        for line in str(result.stopped).splitlines():
            say(f"error: {line}", err=True)
        say("The run was stopped. Finished submissions are kept; run the same command again to continue.", err=True)


def print_estimate(found: Estimate) -> None:
    """Print what a run over all submissions will take."""
    from evalkit.text import count, escape_for_display

    mean, low, high = found.hours
    each, each_low, each_high = found.seconds_per_video
    lines = [
        f"{count(found.submissions, 'submission')}, {count(found.videos, 'file')}; measured on "
        f"{count(found.measured, 'file')} with {count(found.workers, 'worker')}",
        f"Time: {_hours(mean)} ({_hours(low)} to {_hours(high)})",
        f"  a file takes a worker {each:.2f} s ({each_low:.2f} to {each_high:.2f}): {found.videos_per_minute:.1f} "
        f"files a minute; a submission takes {found.seconds_per_submission:.1f} s besides",
        f"Disk: {_size(found.cache_bytes)} for the cache, {_size(found.cache_bytes_per_video)} a file; "
        f"{_size(found.disk_free)} are free",
    ]
    if found.peak_bytes:
        whole = found.peak_bytes * found.workers
        lines.append(f"Memory: {_size(found.peak_bytes)} in a worker at most, {_size(whole)} in all of them")
    if found.cache_bytes > found.disk_free:
        lines.append("warning: the disk has no room for the cache; --cache or EVALKIT_CACHE names another folder")
    for line in lines:
        click.echo(line)
    for name, why in found.unreadable.items():
        click.echo(escape_for_display(f"  {name}: {why}", 400))


def _hours(hours: float) -> str:
    from evalkit.progress import duration_text

    return duration_text(3600 * hours)


def _size(size: float) -> str:
    if size >= GIB:
        return f"{size / GIB:.1f} GiB"
    return f"{size / (1 << 20):.1f} MiB" if size >= 1 << 20 else f"{size / 1024:.0f} KiB"
