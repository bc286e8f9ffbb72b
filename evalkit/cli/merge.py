"""``evalkit merge``: from the parts of all shards to the scorecard of one run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from evalkit.cli.options import as_json as json_option
from evalkit.cli.options import (
    backbones_option,
    challenge_option,
    device_option,
    example,
    progress_on,
    quiet_option,
    sandbox_option,
)

if TYPE_CHECKING:
    from evalkit.workers.sandbox import Level


@click.command(
    epilog=example("evalkit merge parts/*.part --submission team.zip -c mine.yaml --testset testset/ -o team/")
)
@click.argument("parts", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--submission", required=True, type=click.Path(path_type=Path), help="What the shards scored.")
@challenge_option
@click.option("--testset", "-t", required=True, type=click.Path(path_type=Path), help="The test set.")
@click.option(
    "--output",
    "-o",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the results (default: NAME-scorecard, never inside the submission).",
)
@click.option("--metrics", "-m", metavar="A,B", help="As the shards had it (default: the challenge's).")
@backbones_option
@device_option
@click.option("--limit", type=click.IntRange(min=1), help="As the shards had it.")
@click.option("--allow-missing", is_flag=True, help="Leave out metrics whose weights are missing.")
@click.option("--force", is_flag=True, help="Replace the results of another submission in the output folder.")
@click.option(
    "--sign",
    "key",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="KEY",
    help="Sign scorecard.json with this Ed25519 key of OpenSSH: the signature lies beside it.",
)
@sandbox_option
@quiet_option
@json_option
def merge(
    parts: tuple[Path, ...],
    submission: Path,
    challenge: str,
    testset: Path,
    output: Path | None,
    metrics: str | None,
    backbones: str,
    device: str,
    limit: int | None,
    allow_missing: bool,
    force: bool,
    key: Path | None,
    sandbox: Level | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Make the scorecard of a submission from PARTS, the files that 'evalkit score --shard' wrote.

    Needs the part of every shard, and the same submission, challenge, test set, metrics, backbones and versions. The
    scorecard is the one of a run on one machine. No video is decoded; what failed in a shard stays unscored.
    """
    from evalkit import api
    from evalkit.cli.score import default_output, metric_names, report_scorecard, signing_key

    names = metric_names(metrics)
    signing = signing_key(key) if key is not None else None
    out = output or default_output(submission)
    card = api.merge(
        parts,
        submission,
        challenge,
        testset,
        out=out,
        metrics=names,
        backbones=backbones,
        device=device,
        limit=limit,
        allow_missing=allow_missing,
        replace=force,
        progress=progress_on(quiet),
        sandbox=sandbox,
    )
    report_scorecard(card, out, signing, as_json=as_json)
