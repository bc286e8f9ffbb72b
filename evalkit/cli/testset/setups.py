"""``evalkit testset setups``: the driving speech of several videos of each sample."""

from __future__ import annotations

import json
from pathlib import Path

import click

from evalkit.cli.options import as_json as json_option
from evalkit.cli.options import example, progress_on, quiet_option, say
from evalkit.text import count

INCOMPLETE = 3
MOST_SAMPLES = 6  # named in a line; --json has them all


@click.command(
    "setups",
    epilog=example(
        "evalkit testset setups puppets/",
        "evalkit testset setups testset/ --silence noise --force",
    ),
)
@click.argument("folder", metavar="TESTSET", type=click.Path(path_type=Path))
@click.option(
    "--silence",
    type=click.Choice(["zeros", "noise"]),
    default="zeros",
    show_default=True,
    help="What drives the setup 'silent': digital zeros, or noise at -60 dBFS.",
)
@click.option("--force", is_flag=True, help="Replace what this command made.")
@quiet_option
@json_option
def setups(folder: Path, silence: str, force: bool, quiet: bool, as_json: bool) -> None:
    """Ask for three videos of each sample of TESTSET: dubbed with silence, with its own and with other speech.

    Writes the sounds and setups.jsonl beside the samples; give that file as the test set to the commands that make and
    score videos. All sounds of a sample are cut to one length. Exit code 0 when every sample has setups, 3 when some
    can't have them.
    """
    from evalkit import api

    made = api.testset_setups(folder, silence=silence, replace=force, progress=progress_on(quiet or as_json))
    if as_json:
        click.echo(json.dumps(made.to_json(), indent=1))
    else:
        say(f"{count(len(made.seconds), 'sample')} with 3 setups each in {made.path}.")
        if made.cut:
            say(f"  {count(len(made.cut), 'sample')} cut to the other speech's length, such as {made.cut[0]}")
        for name, reason in list(made.left_out.items())[:MOST_SAMPLES]:
            say(f"  left out {name}: {reason}")
        if len(made.left_out) > MOST_SAMPLES:
            say(f"  ... and {len(made.left_out) - MOST_SAMPLES} more, which --json names")
    if made.left_out:
        raise click.exceptions.Exit(INCOMPLETE)
