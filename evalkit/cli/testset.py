"""``evalkit testset``: a test set with ground truth, made on the spot."""

from __future__ import annotations

import json
from pathlib import Path

import click

from evalkit.cli.options import as_json as json_option
from evalkit.cli.options import example, progress_on, quiet_option, say, workers_option


@click.group(epilog=example("evalkit testset make world/ --seed 1 --identities 12"))
def testset() -> None:
    """Make test sets."""


@testset.command("make", epilog=example("evalkit testset make world/ --seed 1 --identities 40 --seconds 4 --workers 2"))
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--seed", "-s", type=int, default=0, show_default=True, help="Other seeds have other people.")
@click.option("--identities", "-n", type=int, default=12, show_default=True, help="How many people.")
@click.option("--takes", type=int, default=1, show_default=True, help="Clips of each.")
@click.option("--seconds", type=float, default=4.0, show_default=True, help="Length of a clip.")
@click.option("--size", type=int, default=256, show_default=True, help="Width and height in pixels.")
@click.option("--actions", type=int, default=0, show_default=True, help="Actions asked for in each clip, with times.")
@click.option("--force", is_flag=True, help="Write over a test set that was made here with other options.")
@workers_option
@quiet_option
@json_option
def make(
    folder: Path,
    seed: int,
    identities: int,
    takes: int,
    seconds: float,
    size: int,
    actions: int,
    force: bool,
    workers: int | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Write talking puppets to FOLDER: reference image, speech, caption, groups and the real video of each.

    Lips and speech are in sync by construction. The same options give the same bytes; a run that was stopped goes on.
    """
    from evalkit.reference_models.puppet.testset import PuppetTestSet, write_puppet_testset
    from evalkit.workers.pool import default_workers

    world = PuppetTestSet(folder, seed, identities, takes, seconds, size, actions)
    count = len(world.scenes())
    with progress_on(quiet or as_json).stage("making", count) as progress:
        write_puppet_testset(world, workers or default_workers(), lambda _: progress.advance(), force=force)
    if as_json:
        click.echo(json.dumps({"schema": 1, "ok": True, "testset": str(folder), "samples": count}, indent=1))
    else:
        say(f"{count} samples of {seconds:g} s in {folder}.")
