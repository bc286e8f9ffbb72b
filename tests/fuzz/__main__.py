"""``make fuzz``: run the campaigns and print their figures; exit code 1 when anything went wrong."""

from __future__ import annotations

import json
from pathlib import Path

import click

from fuzz import mp4_crafted, mp4_players, zip_differences, zip_names
from fuzz.campaign import run_campaign
from fuzz.differences import run_differences
from fuzz.mp4_campaign import run_mp4_campaign
from fuzz.targets import TARGETS


@click.command()
@click.option("--inputs", "-n", type=click.IntRange(min=1), default=10_000, show_default=True, help="For each target.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option(
    "--target",
    "-t",
    "names",
    type=click.Choice([*(target.name for target in TARGETS), "mp4", "zip-tools", "mp4-players"]),
    multiple=True,
)
@click.option(
    "--minutes", type=float, help="Stop a comparison with other programs (zip-tools, mp4-players) after this."
)
@click.option("--keep", type=click.Path(file_okay=False, path_type=Path), help="Folder for inputs that went wrong.")
@click.option("--shared", type=click.Path(exists=True, file_okay=False, path_type=Path), help="For real clips, too.")
def main(
    inputs: int,
    seed: int,
    names: tuple[str, ...],
    minutes: float | None,
    keep: Path | None,
    shared: Path | None,
) -> None:
    """Fuzz the code that reads untrusted files."""
    clean = True
    for target in TARGETS:
        if not names or target.name in names:
            figures = run_campaign(target, inputs, seed, keep=keep, limit=5.0 * target.costs)
            click.echo(json.dumps(figures.as_dict()))
            clean &= figures.clean
    if not names or "mp4" in names:
        figures = run_mp4_campaign(inputs, seed, keep=keep, shared=shared)
        click.echo(json.dumps(figures.as_dict()))
        clean &= figures.clean
    comparisons = (
        ("zip-tools", zip_names.odd_zip, zip_differences.judge, inputs),
        ("mp4-players", mp4_crafted.crafted, mp4_players.judge, inputs),
    )
    for name, make, judge, most in comparisons:
        if not names or name in names:
            suffix = f".{name.split('-')[0]}"
            differing = run_differences(name, make, judge, most, seed, suffix=suffix, minutes=minutes, keep=keep)
            click.echo(json.dumps(differing.as_dict()))
            clean &= differing.clean
    raise SystemExit(0 if clean else 1)


main()
