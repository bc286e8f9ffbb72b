"""``evalkit crosscheck``: lip sync of one video by evalkit, through files, and by the reference package."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from evalkit.cli.options import as_json as json_option
from evalkit.cli.options import backbones_option, device_option, example, progress_on, quiet_option

if TYPE_CHECKING:
    from evalkit.crosscheck.compare import Crosscheck, CrosscheckRow

INCOMPLETE = 3


@click.command(
    epilog=example(
        "evalkit crosscheck s01.mp4 --audio s01.wav",
        "evalkit crosscheck s01.mp4 --oracles .venv-oracles/bin/python --json",
    )
)
@click.argument("video", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--audio",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Speech that belongs to it (default: its own audio).",
)
@backbones_option
@click.option(
    "--oracles",
    type=click.Path(path_type=Path),
    metavar="PYTHON",
    help="Interpreter with syncnet-python (default: EVALKIT_ORACLES, or what 'make oracles' built).",
)
@device_option
@quiet_option
@json_option
def crosscheck(
    video: Path, audio: Path | None, backbones: str, oracles: Path | None, device: str, quiet: bool, as_json: bool
) -> None:
    """Compare lip sync of VIDEO: evalkit in memory, LatentSync's files, and syncnet-python.

    Exit code 0 when every way gave numbers, 3 when one did not (no track, no ffmpeg, no oracle environment, or networks
    that syncnet-python can't load, such as the bundled ones).
    """
    from evalkit.crosscheck.compare import crosscheck as compare
    from evalkit.crosscheck.compare import find_oracles
    from evalkit.scoring.devices import settled_device
    from evalkit.weights.manifest import load_backbones

    result = compare(
        video,
        load_backbones(backbones),
        audio=audio,
        oracles=find_oracles(oracles),
        device=settled_device(device),
        progress=progress_on(quiet),
    )
    if as_json:
        document = {**result.to_json(), "video": str(video), "audio": str(audio) if audio else None}
        click.echo(json.dumps(document, indent=1))
    else:
        print_rows(result)
    if not result.complete:
        raise click.exceptions.Exit(INCOMPLETE)


def print_rows(result: Crosscheck) -> None:
    """Print the rows as a table, and under it why one has no numbers."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from evalkit.text import escape_for_display

    table = Table(header_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    for title in ("way", "audio", "confidence", "distance", "offset", "tracks"):
        table.add_column(title, justify="left" if title in {"way", "audio"} else "right", no_wrap=True)
    for row in result.rows:
        table.add_row(*(escape(cell) for cell in _cells(row)))
    console = Console(highlight=False, emoji=False)
    console.print(table)
    for row in result.rows:
        if row.difference is not None:
            parts = ", ".join(f"{name} {value:+.3f}" for name, value in row.difference.items())
            console.print(f"{row.id} less {row.beside}: {parts}", soft_wrap=True)
        if row.reason is not None:
            console.print(
                escape(escape_for_display(f"{row.id}: {row.reason}. {row.detail}", limit=500)), soft_wrap=True
            )
    console.print(f"Backbones '{escape(escape_for_display(result.backbones))}'. Offsets in frames of 25 a second.")


def _cells(row: CrosscheckRow) -> tuple[str, ...]:
    if row.confidence is None or row.distance is None or row.offset is None:
        return row.id, row.audio, "-", "-", "-", str(len(row.tracks))
    numbers = (f"{row.confidence:.3f}", f"{row.distance:.3f}", f"{row.offset:+.0f}")
    return row.id, row.audio, *numbers, str(len(row.tracks))
