"""``evalkit testset prepare``: the references of a test set computed once, in a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from evalkit.cli.options import (
    RunArguments,
    backbones_option,
    challenge_option,
    device_option,
    example,
    run_options,
    say,
)
from evalkit.cli.options import as_json as json_option
from evalkit.text import count

if TYPE_CHECKING:
    from evalkit.scoring.packs.making import PackReport


@click.command(
    "prepare",
    epilog=example(
        "evalkit testset prepare testset/ --challenge challenge.yaml",
        "evalkit testset prepare testset/ -c talking-head -b bundled --metrics fid,kvd -o testset.refpack",
    ),
)
@click.argument("folder", metavar="TESTSET", type=click.Path(path_type=Path))
@challenge_option
@backbones_option
@click.option(
    "--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="The pack (default: NAME.refpack)."
)
@click.option("--metrics", "-m", metavar="A,B", help="Metrics whose references are packed (default: the challenge's).")
@device_option
@click.option("--allow-missing", is_flag=True, help="Leave out metrics whose weights are missing.")
@run_options
@json_option
def prepare(
    folder: Path,
    challenge: str,
    backbones: str,
    output: Path | None,
    metrics: str | None,
    device: str,
    allow_missing: bool,
    run: RunArguments,
    as_json: bool,
) -> None:
    """Compute what scoring needs of TESTSET's references once, and write it to one file: a reference pack.

    Whoever scores with --reference-pack reads it from there: features of reference images, reference videos and texts,
    fingerprints of reference videos, and the lengths that videos should have. Participants don't need the reference
    videos for these numbers. The same test set, weights and version give the same bytes.
    """
    from evalkit import api

    names = [name.strip() for name in metrics.split(",") if name.strip()] if metrics is not None else None
    if names == []:
        raise click.UsageError("--metrics is empty: name at least one metric.")
    report = api.prepare_references(
        folder,
        challenge,
        output or Path(f"{folder.resolve().name}.refpack"),
        metrics=names,
        backbones=backbones,
        device=device,
        allow_missing=allow_missing,
        **run,
    )
    if as_json:
        click.echo(json.dumps(report.to_json(), indent=1))
    else:
        _print_pack(report)


def _print_pack(report: PackReport) -> None:
    """Print what was packed of each feature, and the file in one line."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.filesize import decimal
    from rich.markup import escape
    from rich.table import Table

    from evalkit.text import escape_for_display

    table = Table(header_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    for title in ("feature", "version", "references", "size", "computed in", "unavailable"):
        first = title == "feature"
        table.add_column(title, justify="left" if first else "right", no_wrap=first, overflow="fold")
    for name, one in report.features.items():
        reasons = sorted(set(one.unavailable.values()))
        lacking = f"{len(one.unavailable)}: {', '.join(reasons)}" if reasons else "0"
        seconds = f"{one.seconds:.1f} s" if one.seconds else "cached"
        cells = (name, str(one.version), str(one.entries), decimal(one.bytes), seconds, lacking)
        table.add_row(*(escape(escape_for_display(cell)) for cell in cells))
    console = Console(highlight=False, emoji=False)
    if report.features:
        console.print(table)
    else:
        console.print("No metric reads a feature of the references alone: there are fingerprints and lengths only.")
    say(
        f"{report.path}: {decimal(report.bytes)}, {count(report.samples, 'sample')}, "
        f"{count(report.fingerprints, 'fingerprint')}, {count(report.lengths, 'length')}, {report.seconds:.1f} s."
    )
    say(f"SHA-256 {report.sha256}")
