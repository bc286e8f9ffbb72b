"""Options that several commands share."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from evalkit.scoring.progress import Progress

Command = TypeVar("Command", bound=Callable[..., Any])

as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
challenge_option = click.option(
    "--challenge", "-c", required=True, metavar="ID|FILE", help="A preset ('evalkit challenges list') or a YAML file."
)
workers_option = click.option(
    "--workers", "-w", type=click.IntRange(min=1), help="Worker processes (default: one per core)."
)
cache_option = click.option(
    "--cache",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the feature cache (default: EVALKIT_CACHE or the user's cache folder).",
)
quiet_option = click.option("--quiet", "-q", is_flag=True, help="No progress on standard error.")
resume_option = click.option(
    "--resume/--fresh",
    default=True,
    help="Use what earlier runs left in the cache (default), or compute everything again.",
)


def progress_on(quiet: bool) -> Progress:
    """Return a progress for standard error, or a silent one."""
    from evalkit.scoring.progress import Silent, progress_for

    return Silent() if quiet else progress_for(sys.stderr)


def example(*lines: str) -> str:
    """Return an epilog with examples that click leaves as they are."""
    return "\b\nExample:\n" + "\n".join(f"  {line}" for line in lines)
