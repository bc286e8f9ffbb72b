"""``evalkit testset fingerprint``: what the videos of a folder are recognized by."""

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
MOST_VIDEOS = 6  # named in a line; --json has them all


@click.command(
    "fingerprint",
    epilog=example("evalkit testset fingerprint training/ -o training.jsonl"),
)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--output", "-o", required=True, type=click.Path(path_type=Path), help="The file to write (JSONL).")
@workers_option
@cache_option
@resume_option
@timeout_option
@sandbox_option
@quiet_option
@json_option
def fingerprint(
    folder: Path,
    output: Path,
    workers: int | None,
    cache: Path | str | None,
    resume: bool,
    timeout: float | None,
    sandbox: Level | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Write what the videos in FOLDER are recognized by, a line each, for 'evalkit testset leaks'.

    A line has the video's path, the digest of its file, and bits of its motion, first picture and sound in the first
    6.4 seconds; neither pictures nor sound can be made of it. Exit code 0 when every video is in the file, 3 when some
    can't be.
    """
    from evalkit import api

    made = api.testset_fingerprint(
        folder,
        output,
        workers=workers,
        cache=cache,
        fresh=not resume,
        progress=progress_on(quiet or as_json),
        timeout=timeout,
        sandbox=sandbox,
    )
    if as_json:
        click.echo(json.dumps(made.to_json(), indent=1))
    else:
        say(f"{count(made.videos, 'fingerprint')} in {made.path}.")
        if made.still:
            say(f"  {count(made.still, 'video')} without motion: known by file, first picture and sound alone")
        if made.others:
            say(f"  {count(made.others, 'other file')} ignored")
        for name, reason in list(made.left_out.items())[:MOST_VIDEOS]:
            say(f"  left out {name}: {reason}")
        if len(made.left_out) > MOST_VIDEOS:
            say(f"  ... and {len(made.left_out) - MOST_VIDEOS} more, which --json names")
    if made.left_out:
        raise click.exceptions.Exit(INCOMPLETE)
