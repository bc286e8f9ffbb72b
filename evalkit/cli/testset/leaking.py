"""``evalkit testset leaks``: whether a test set is in a public training set."""

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
    from evalkit.leaks.checking import LeakReport, TrainingLeak
    from evalkit.workers.sandbox import Level

AT_FAULT, INCOMPLETE = 1, 3
MOST_LEAKS = 40  # printed; --json has them all
WORDS = {
    "file": "the reference video is there, byte for byte",
    "video": "the reference video's content is there",
    "image": "a reference image is the first picture",
    "speech": "the speech is heard",
}


@click.command(
    "leaks",
    epilog=example(
        "evalkit testset leaks testset/ --fingerprints training.jsonl",
        "evalkit testset leaks testset/ --fingerprints voxceleb.jsonl --fingerprints hdtf.jsonl --json",
    ),
)
@click.argument("folder", metavar="TESTSET", type=click.Path(path_type=Path))
@click.option(
    "--fingerprints",
    multiple=True,
    required=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="A training set's file of 'evalkit testset fingerprint'; repeatable.",
)
@click.option("--limit", type=click.IntRange(min=1), help="Look for the first samples only.")
@workers_option
@cache_option
@resume_option
@timeout_option
@sandbox_option
@quiet_option
@json_option
def leaks(
    folder: Path,
    fingerprints: tuple[Path, ...],
    limit: int | None,
    workers: int | None,
    cache: Path | str | None,
    resume: bool,
    timeout: float | None,
    sandbox: Level | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Look for TESTSET in public training sets: what a model was trained on says nothing about it.

    Finds reference videos that are the same file or have the same content (encoded again, cropped by a few per cent,
    trimmed by up to a second, mirrored), reference images that are the first picture of a training video, and speech
    that is heard in one. Exit code 0 when nothing was found, 1 when something was, 3 when nothing was found and a video
    of the test set or a line of a file could not be read.
    """
    from evalkit import api

    report = api.testset_leaks(
        folder,
        fingerprints,
        limit=limit,
        workers=workers,
        cache=cache,
        fresh=not resume,
        progress=progress_on(quiet or as_json),
        timeout=timeout,
        sandbox=sandbox,
    )
    if as_json:
        click.echo(json.dumps(report.to_json(), indent=1))
    else:
        _print(report)
    if report.leaks:
        raise click.exceptions.Exit(AT_FAULT)
    if not report.complete:
        raise click.exceptions.Exit(INCOMPLETE)


def _print(report: LeakReport) -> None:
    for leak in report.leaks[:MOST_LEAKS]:
        say(f"{leak.sample}: {WORDS[leak.what]}: {leak.id} in {leak.listing}{_how(leak)}")
    if len(report.leaks) > MOST_LEAKS:
        say(f"... and {len(report.leaks) - MOST_LEAKS} more, which --json names")
    for name, why in report.unread.items():
        say(f"not compared, {name}: {why}", err=True)
    for path, wrong in report.wrong.items():
        if wrong.number:
            say(f"{path}: {count(wrong.number, 'line')} left out; {'; '.join(wrong.first)}", err=True)
    leaked = len({leak.sample for leak in report.leaks})
    total = sum(report.compared.values())
    say(f"{leaked} of {count(report.samples, 'sample')} found among {count(total, 'fingerprint')}.")


def _how(leak: TrainingLeak) -> str:
    if leak.what == "file":
        return ""
    words = [f"{leak.share:.1%} of the bits equal"]
    if leak.shift:
        words.append(f"{abs(leak.shift):.1f} s {'later' if leak.shift > 0 else 'earlier'}")
    if leak.mirrored:
        words.append("mirrored")
    return f" ({', '.join(words)})"
