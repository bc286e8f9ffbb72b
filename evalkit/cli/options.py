"""Options that several commands share."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

import click

from evalkit.workers.sandbox import JOB_SECONDS, LEVELS

if TYPE_CHECKING:
    from datetime import datetime

    from evalkit.progress import Progress
    from evalkit.workers.sandbox import Level

Command = TypeVar("Command", bound=Callable[..., Any])


class CacheType(click.ParamType):
    """A folder, or an address for fsspec, whose slashes a path would lose."""

    name = "folder or address"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> Path | str:
        """Return a folder as a path and an address as text."""
        if isinstance(value, str) and "://" in value:
            return value
        return Path(os.fsdecode(click.Path(file_okay=False).convert(value, parameter, context)))


as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
challenge_option = click.option(
    "--challenge", "-c", required=True, metavar="ID|FILE", help="A preset ('evalkit challenges list') or a YAML file."
)
backbones_option = click.option(
    "--backbones",
    "-b",
    default="published",
    show_default=True,
    envvar="EVALKIT_BACKBONES",
    metavar="NAME|FILE",
    help="Set of weights ('bundled' needs no download); also EVALKIT_BACKBONES.",
)
workers_option = click.option(
    "--workers", "-w", type=click.IntRange(min=1), help="Worker processes (default: one per core)."
)
memory_option = click.option(
    "--memory",
    metavar="SIZE",
    help="Memory for the whole run, such as 8G: chooses the number of workers and their limits (default: no budget).",
)
cache_option = click.option(
    "--cache",
    type=CacheType(),
    metavar="FOLDER|URL",
    help="The feature cache: a folder, or an address such as s3://... that machines share (default: EVALKIT_CACHE or "
    "the user's cache folder).",
)
timeout_option = click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help=f"Time limit for one video in seconds (default: by the challenge's rules, at most {JOB_SECONDS:.0f}).",
)
submission_timeout_option = click.option(
    "--submission-timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Time limit for all videos together in seconds (default: a quarter of the sum of theirs, by worker).",
)
sandbox_option = click.option(
    "--sandbox",
    type=click.Choice(LEVELS),
    help="Limits on processes that read videos (default: EVALKIT_SANDBOX or full; see 'evalkit doctor').",
)
reference_pack_option = click.option(
    "--reference-pack",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A file of 'evalkit testset prepare': what it has of the references is not computed.",
)
device_option = click.option(
    "--device",
    metavar="cpu|cuda|auto|cuda:N,...",
    default="cpu",
    show_default=True,
    help="Where networks are run; cuda: on all GPUs; auto: on them where there are some.",
)
quiet_option = click.option("--quiet", "-q", is_flag=True, help="No progress on standard error.")
resume_option = click.option(
    "--resume/--fresh",
    default=True,
    help="Use the results of earlier runs in the cache (default), or compute everything again.",
)

LOG_ENTRY = re.compile(r"\s*(?:(?:log )?entry )?([0-9]{1,18})\s*", re.IGNORECASE)

board_option = click.option(
    "--board",
    "-B",
    required=True,
    envvar="EVALKIT_BOARD",
    metavar="FILE|URL",
    help="The board: an SQLite file or a postgresql:// URL (default: EVALKIT_BOARD).",
)
by_option = click.option("--by", envvar="EVALKIT_BY", metavar="NAME", help="Name for the board's log (default: yours).")
as_of_option = click.option(
    "--as-of",
    metavar="TIME|ENTRY",
    help="The board as it was at this time, such as '2026-03-05 AoE', or after this log entry, such as 25.",
)
audience_option = click.option(
    "--for",
    "audience",
    type=click.Choice(["public", "organizers"]),
    default="public",
    show_default=True,
    help="Who may see it: 'public' accuses nobody, names no rater, and leaves out withheld runs and teams.",
)


DEBUG = "debug"  # key in the object of click's context


def debugging() -> bool:
    """Return whether ``--debug`` was given."""
    shared = click.get_current_context().find_root().obj
    return isinstance(shared, dict) and bool(shared.get(DEBUG))


def say(line: str, *, err: bool = False) -> None:
    """Print one line; control characters of paths and names in it are escaped."""
    from evalkit.text import escape_message

    click.echo(escape_message(line), err=err)


def who(by: str | None) -> str:
    """Return the name for the board's log: what was given, or the user's."""
    import getpass

    if by is not None:
        return by
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        raise click.UsageError("The name of this user is not known. Give a name with --by.") from None


def moment(text: str | None) -> datetime | int | None:
    """Return the time or the number of a log entry given with ``--as-of``, also as pages print them."""
    from evalkit.clock import parse_time
    from evalkit.text import ended

    if text is None:
        return None
    if entry := LOG_ENTRY.fullmatch(text):
        return int(entry[1])
    try:
        return parse_time(text)
    except ValueError as error:
        raise click.BadParameter(ended(str(error)), param_hint="--as-of") from None


def progress_on(quiet: bool) -> Progress:
    """Return the progress that standard error shows; with ``quiet`` warnings only."""
    from evalkit.progress import progress_for

    return progress_for(sys.stderr, quiet=quiet)


def example(*lines: str) -> str:
    """Return an epilog with examples that click leaves as they are."""
    return "\b\nExample:\n" + "\n".join(f"  {line}" for line in lines)


class RunArguments(TypedDict):
    """The options of `run_options`, as the functions of `evalkit.api` take them."""

    workers: int | None
    cache: Path | str | None
    fresh: bool
    progress: Progress
    timeout: float | None
    submission_timeout: float | None
    sandbox: Level | None


def run_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of every command that reads videos; the command gets them as ``run``."""

    @wraps(command)
    def collected(
        *,
        workers: int | None,
        cache: Path | str | None,
        resume: bool,
        timeout: float | None,
        submission_timeout: float | None,
        sandbox: Level | None,
        quiet: bool,
        **others: Any,
    ) -> None:
        run = RunArguments(
            workers=workers,
            cache=cache,
            fresh=not resume,
            progress=progress_on(quiet),
            timeout=timeout,
            submission_timeout=submission_timeout,
            sandbox=sandbox,
        )
        command(run=run, **others)

    limits = (submission_timeout_option, timeout_option)
    for option in (quiet_option, sandbox_option, *limits, resume_option, cache_option, workers_option):
        collected = option(collected)
    return collected
