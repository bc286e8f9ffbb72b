"""``evalkit testset from-folder``: a test set of a folder of real videos."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from evalkit.cli.options import as_json as json_option
from evalkit.cli.options import (
    cache_option,
    example,
    progress_on,
    quiet_option,
    resume_option,
    sandbox_option,
    say,
    timeout_option,
    workers_option,
)
from evalkit.text import count

if TYPE_CHECKING:
    from evalkit.workers.sandbox import Level

INCOMPLETE = 3
MOST_SAMPLES = 6  # named in a line; --json has them all


@click.command(
    "from-folder",
    epilog=example(
        "evalkit testset from-folder real/ -o testset/ --license CC-BY-4.0 --source 'our recordings of May 2026'",
    ),
)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--output", "-o", required=True, type=click.Path(path_type=Path), help="Folder of the new test set; empty or new."
)
@click.option("--license", "terms", required=True, metavar="TEXT", help="Terms under which the videos may be used.")
@click.option("--source", required=True, metavar="TEXT", help="Where the videos are from.")
@click.option("--force", is_flag=True, help="Replace a test set that this command made.")
@workers_option
@cache_option
@resume_option
@timeout_option
@sandbox_option
@quiet_option
@json_option
def from_folder(
    folder: Path,
    output: Path,
    terms: str,
    source: str,
    force: bool,
    workers: int | None,
    cache: Path | str | None,
    resume: bool,
    timeout: float | None,
    sandbox: Level | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Make a test set of the real videos in FOLDER.

    Reference image, speech and prompt are files of the same name beside a video (NAME.png, NAME.wav, NAME.txt). Where
    there is none, the image is the video's first frame and the speech its own sound. Says what was guessed. Exit code 0
    when every video is a sample, 3 when some can't be.
    """
    from evalkit import api
    from evalkit.folders.testset_making import guess_lines

    made = api.testset_from_folder(
        folder,
        output,
        license=terms,
        source=source,
        replace=force,
        workers=workers,
        cache=cache,
        fresh=not resume,
        progress=progress_on(quiet),
        timeout=timeout,
        sandbox=sandbox,
    )
    if as_json:
        click.echo(json.dumps(made.to_json(), indent=1))
    else:
        say(f"{count(len(made.samples), 'sample')} in {made.path}.")
        for line in guess_lines(made):
            say(f"  {line}")
        if made.equal:
            say(f"  {count(len(made.equal), 'video')} with the bytes of another one, such as {made.equal[0]}")
        if made.others:
            say(f"  {count(made.others, 'other file')} ignored")
        for path, reason in list(made.left_out.items())[:MOST_SAMPLES]:
            say(f"  left out {path}: {reason}")
        if len(made.left_out) > MOST_SAMPLES:
            say(f"  ... and {len(made.left_out) - MOST_SAMPLES} more, which --json names")
    if made.left_out:
        raise click.exceptions.Exit(INCOMPLETE)
