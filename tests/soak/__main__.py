"""``make soak``: kill the five commands at random and print what came of it; exit code 1 when anything went wrong."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from soak.campaign import run_campaign
from soak.steps import COMMANDS, world

COLUMNS = ("kills", "running", "differing", "half", "stuck", "orphans", "leftovers", "folders", "redone")


@click.command()
@click.option("--kills", "-n", type=click.IntRange(min=1), default=45, show_default=True, help="Of each command.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--command", "-c", "names", type=click.Choice(COMMANDS), multiple=True, help="Only these.")
def main(kills: int, seed: int, names: tuple[str, ...]) -> None:
    """Kill commands at any moment, look at what they leave, and run them again."""
    clean = True
    chosen = names or COMMANDS
    with tempfile.TemporaryDirectory(prefix="soak-") as folder, world(Path(folder), chosen) as made:
        click.echo(f"| command | {' | '.join(COLUMNS)} |")
        click.echo(f"|---|{'---|' * len(COLUMNS)}")
        for command in chosen:
            figures = run_campaign(made, command, kills, seed, lambda line: click.echo(line, err=True))
            numbers = figures.as_dict()
            click.echo(f"| {command} | {' | '.join(str(numbers[name]) for name in COLUMNS)} |")
            clean &= figures.clean
    raise SystemExit(0 if clean else 1)


main()
