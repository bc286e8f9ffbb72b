"""``evalkit distance``: two folders of videos or images, without a test set or a challenge."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from evalkit.cli.options import as_json as json_option
from evalkit.cli.options import (
    backbones_option,
    cache_option,
    device_option,
    example,
    memory_option,
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
    from evalkit.folders.model import DistanceResult, SideSummary
    from evalkit.workers.sandbox import Level

INCOMPLETE = 3
MOST_LINES = 10  # unread files that are named
MOST_KINDS = 4  # sizes or rates that are named


@click.command(
    epilog=example(
        "evalkit distance real/ generated/",
        "evalkit distance real/ generated/ --metrics fid,fvd,kvd,psnr,lpips -o numbers/",
        "evalkit distance 'real/**/*.png' 'samples/*.png' --metrics fid,kid",
        "evalkit distance real/ first/ --save-reference real.refpack",
        "evalkit distance real.refpack second/ --json",
    )
)
@click.argument("real", metavar="REAL")
@click.argument("generated", metavar="GENERATED")
@click.option(
    "--metrics",
    "-m",
    metavar="A,B",
    help="Metric ids or short names (default: fid,fvd,kid,kvd; of images fid,kid). Those four count all files of both "
    "sides.",
)
@backbones_option
@click.option(
    "--save-reference",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the features of REAL to this file, to be given in place of REAL later.",
)
@click.option(
    "--output",
    "-o",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the results as JSON, CSV, LaTeX, Markdown and a page (default: none).",
)
@click.option("--force", is_flag=True, help="Replace the results of other folders in the output folder.")
@click.option("--allow-missing", is_flag=True, help="Leave out metrics whose weights are missing.")
@device_option
@memory_option
@workers_option
@cache_option
@resume_option
@timeout_option
@sandbox_option
@quiet_option
@json_option
def distance(
    real: str,
    generated: str,
    metrics: str | None,
    backbones: str,
    save_reference: Path | None,
    output: Path | None,
    force: bool,
    allow_missing: bool,
    device: str,
    memory: str | None,
    workers: int | None,
    cache: Path | str | None,
    resume: bool,
    timeout: float | None,
    sandbox: Level | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Compare the videos or images of GENERATED with those of REAL.

    Each is a folder, searched with all folders in it, a pattern in quotes, or a .txt file with a path on each line;
    REAL may be a saved reference. FID, FVD, KID and KVD compare all files of both sides. Metrics that compare with a
    real file, such as PSNR and LPIPS, take files of equal names. What can't be read is listed and left out. Exit code
    0 when everything has a number, 3 when something has none.
    """
    from evalkit import api

    result = api.distance(
        real,
        generated,
        metrics=metrics,
        backbones=backbones,
        out=output,
        save_reference=save_reference,
        workers=workers,
        memory=memory,
        device=device,
        allow_missing=allow_missing,
        replace=force,
        cache=cache,
        fresh=not resume,
        progress=progress_on(quiet),
        timeout=timeout,
        sandbox=sandbox,
    )
    if as_json:
        click.echo(result.to_json(), nl=False)
    else:
        print_result(result)
        if save_reference is not None:
            say(f"The features of the real side are in {save_reference}.")
        if output is not None:
            say(f"Results are in {output}.")
    if not result.complete:
        raise click.exceptions.Exit(INCOMPLETE)


def print_result(result: DistanceResult) -> None:
    """Print the sides, the numbers, and what to know before using them."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from evalkit.scoring.scorecard import gap_text
    from evalkit.text import escape_for_display, format_value

    console = Console(highlight=False, emoji=False)

    def plain(text: str) -> str:
        return escape(escape_for_display(text, 600))

    for title, side in (("real", result.real), ("generated", result.generated)):
        console.print(plain(f"{title + ':':<11}{side_line(side)}"), soft_wrap=True)
    if result.pairing.pairs or any(result.files):
        console.print(plain(f"{'pairs:':<11}{pair_line(result)}"), soft_wrap=True)
    table = Table(header_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    for title in ("metric", "value", "95 % interval", "n"):
        first = title == "metric"
        table.add_column(title, justify="left" if first else "right", no_wrap=first, overflow="fold")
    for name, score in result.metrics.items():
        value = gap_text(score.reason) if score.value is None else format_value(score.value, score.unit)
        interval = " .. ".join(format_value(end) for end in score.ci95) if score.ci95 is not None else ""
        arrow = {True: " ↑", False: " ↓", None: ""}[score.higher_is_better]
        table.add_row(*(plain(cell) for cell in (name + arrow, value, interval, str(score.n))))
    console.print(table)
    for name, score in result.metrics.items():
        for note in score.notes:
            console.print(plain(f"  {name}: {note.detail or note.kind}"), style="yellow", soft_wrap=True)
    for warning in result.warnings:
        console.print(plain(f"  {warning.detail}"), style="yellow", soft_wrap=True)
    for title, side in (("real", result.real), ("generated", result.generated)):
        for file in side.unread[:MOST_LINES]:
            console.print(plain(f"  unread {title} {file.path}: {file.rule}: {file.detail}"), soft_wrap=True)
        if len(side.unread) > MOST_LINES:
            console.print(f"  ... and {len(side.unread) - MOST_LINES} more")
    networks = any(use.weights for use in result.features.values())
    words = f" with backbones '{escape_for_display(result.backbones)}'" if networks else ""
    decoded = result.timing.get("decoded", 0)
    console.print(plain(f"{count(len(result.metrics), 'metric')}{words}, {count(decoded, 'file')} decoded now."))
    if networks and result.backbones != "published":
        console.print("These numbers are not comparable with published ones.", style="yellow")


def side_line(side: SideSummary) -> str:
    """Return what one side is like, in one line."""
    kinds = [count(number, word) for number, word in ((side.videos, "video"), (side.images, "image")) if number]
    parts = [f"{' and '.join(kinds) or 'nothing read'} of {side.source}" + (", saved" if side.saved else "")]
    for numbers, unit in ((side.sizes, ""), (side.frame_rates, " frames/s")):
        if numbers:
            shown = [name if len(numbers) == 1 else f"{name} ({number})" for name, number in numbers.items()]
            more = f" and {len(shown) - MOST_KINDS} other" if len(shown) > MOST_KINDS else ""
            parts.append(", ".join(shown[:MOST_KINDS]) + more + unit)
    if side.frames is not None:
        low, middle, high = side.frames
        parts.append(f"{low} frames" if low == high else f"{low} to {high} frames (median {middle:g})")
    if side.unread:
        parts.append(f"{len(side.unread)} unread")
    if side.others:
        parts.append(f"{count(side.others, 'other file')} ignored")
    return "; ".join(parts)


def pair_line(result: DistanceResult) -> str:
    """Return what the names say, in one line."""
    pairing = result.pairing
    line = f"{pairing.pairs} by name"
    if pairing.by_stem:
        line += f" ({pairing.by_stem} in other folders)"
    if pairing.only_real or pairing.only_generated:
        line += f"; {len(pairing.only_real)} real and {len(pairing.only_generated)} generated files have no partner"
    if pairing.kinds_differ:
        line += f"; {count(len(pairing.kinds_differ), 'name')} of a video here and an image there"
    return line
