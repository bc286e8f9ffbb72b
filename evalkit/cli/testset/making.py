"""``evalkit testset make``: puppets, dialogues and conversations with ground truth."""

from __future__ import annotations

import json
from pathlib import Path

import click

from evalkit.cli.options import as_json as json_option
from evalkit.cli.options import example, progress_on, quiet_option, say, workers_option


@click.command(
    "make",
    epilog=example(
        "evalkit testset make puppets/ --seed 1 --identities 40 --seconds 4 --workers 2",
        "evalkit testset make acting/ --kind timeline --identities 30",
        "evalkit testset make talks/ --kind dialogue --identities 10",
        "evalkit testset make talks/ --kind conversation --identities 6",
    ),
)
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--kind",
    type=click.Choice(["talking", "timeline", "dialogue", "conversation"]),
    default="talking",
    show_default=True,
    help="What the people do: speak; also 2 to 4 actions at given times (IPVG 2026, track 2); speak in twos and "
    "threes in one picture, in turns and at once (MultiTalk); conversation: motion coefficients of two who take turns, "
    "without videos (DualTalk).",
)
@click.option("--seed", "-s", type=int, default=0, show_default=True, help="Another seed gives other people.")
@click.option("--identities", "-n", type=int, default=12, show_default=True, help="How many people, or groups of them.")
@click.option("--takes", type=int, default=1, show_default=True, help="Clips of each person.")
@click.option(
    "--seconds",
    type=float,
    help="Length of a clip (default: 4; of a timeline 6; of a dialogue 9; of a conversation 12).",
)
@click.option(
    "--size", type=int, default=256, show_default=True, help="Width and height in pixels; of a dialogue the height."
)
@click.option(
    "--actions",
    type=int,
    default=0,
    show_default=True,
    help="Actions requested in each clip, with times; 0 with --kind timeline: 2, 3 and 4 in turn.",
)
@click.option("--force", is_flag=True, help="Overwrite a test set that was made here with other options.")
@workers_option
@quiet_option
@json_option
def make(
    folder: Path,
    kind: str,
    seed: int,
    identities: int,
    takes: int,
    seconds: float | None,
    size: int,
    actions: int,
    force: bool,
    workers: int | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Write talking puppets to FOLDER: reference image, speech, caption, groups and the real video of each.

    With --kind timeline they also act, and each sample has a timeline: what happens from when to when. With --kind
    dialogue two or three of them share a picture, and each has a file with their voice alone (speakers). Lips and
    speech are in sync by construction. The same options give the same bytes; an interrupted run can be continued with
    the same command. With --kind conversation nobody is drawn: each sample has motion coefficients of both speakers.
    """
    from evalkit.reference_models.puppet.testset import PuppetTestSet, write_puppet_testset
    from evalkit.workers.pool import default_workers

    if seconds is None:
        seconds = {"timeline": 6.0, "dialogue": 9.0, "conversation": 12.0}.get(kind, 4.0)
    if kind == "conversation":
        if takes != 1 or size != 256 or actions:
            raise click.UsageError("--takes, --size and --actions are for videos; a conversation has none.")
        _make_conversations(folder, seed, identities, seconds, force=force, as_json=as_json)
        return
    puppets = PuppetTestSet(folder, seed, identities, takes, seconds, size, actions, kind)
    count = len(puppets.names())
    with progress_on(quiet or as_json).stage("making", count) as progress:
        write_puppet_testset(puppets, workers or default_workers(), lambda _: progress.advance(), force=force)
    _say_made(folder, count, seconds, as_json=as_json)


def _make_conversations(folder: Path, seed: int, count: int, seconds: float, *, force: bool, as_json: bool) -> None:
    from evalkit.reference_models.conversation import Conversations, write_conversations

    _say_made(
        folder, write_conversations(Conversations(folder, seed, count, seconds), force=force), seconds, as_json=as_json
    )


def _say_made(folder: Path, samples: int, seconds: float, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"schema": 1, "ok": True, "testset": str(folder), "samples": samples}, indent=1))
    else:
        say(f"{samples} samples of {seconds:g} s in {folder}.")
