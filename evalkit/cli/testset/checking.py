"""``evalkit testset check``: a test set looked at before a challenge opens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from evalkit.cli.options import RunArguments, backbones_option, challenge_option, example, run_options, say
from evalkit.cli.options import as_json as json_option
from evalkit.text import count, ended, found_and_expected

if TYPE_CHECKING:
    from evalkit.testset_check import TestSetReport

MOST_SAMPLES = 6  # named in a line; --json has them all
_VERDICT_STYLE = {"error": "red", "warning": "yellow", "info": "dim"}


@click.command(
    "check",
    epilog=example(
        "evalkit testset check testset/ --challenge challenge.yaml",
        "evalkit testset check testset/ -c talking-head --backbones bundled --json",
        "evalkit testset check testset/ -c talkingheadbench-p3 --train train.csv",
    ),
)
@click.argument("folder", metavar="TESTSET", type=click.Path(path_type=Path))
@challenge_option
@backbones_option
@click.option("--metrics", "-m", metavar="A,B", help="Metrics to try (default: the challenge's).")
@click.option("--media-only", is_flag=True, help="Check the files only; score nothing.")
@click.option(
    "--train",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="CSV",
    help="Of a challenge for detectors: the list of the training, to find what leaks (default: TESTSET/train.csv).",
)
@click.option("--limit", type=click.IntRange(min=1), help="Check the first samples only.")
@run_options
@json_option
def check(
    folder: Path,
    challenge: str,
    backbones: str,
    metrics: str | None,
    media_only: bool,
    train: Path | None,
    limit: int | None,
    run: RunArguments,
    as_json: bool,
) -> None:
    """Check TESTSET before a challenge opens.

    Reads every image, speech and reference video; applies the challenge's rules for submissions to the reference
    videos; and scores the real videos as if a team had submitted them, to find samples and metrics that can't be
    scored. Metrics whose weights are missing are left out. Of a challenge for detectors it checks what is said of the
    videos, and names the people, generators and videos that training and test share and must not. Exit code 0 when
    nothing of severity error was found, else 1.
    """
    from evalkit import api

    names = [name.strip() for name in metrics.split(",") if name.strip()] if metrics is not None else None
    report = api.check_testset(
        folder,
        challenge,
        metrics=[] if media_only else names,
        backbones=backbones,
        train=train,
        limit=limit,
        **run,
    )
    if as_json:
        click.echo(json.dumps(report.to_json(), indent=1))
    else:
        _print_check(report)
    if report.verdict == "error":
        raise click.exceptions.Exit(1)


def _print_check(report: TestSetReport) -> None:
    """Print a paragraph for each rule, the metrics' values of the real videos, and a summary in one line."""
    from rich.console import Console
    from rich.markup import escape
    from rich.padding import Padding
    from rich.table import Table

    from evalkit.testset_check import samples_by_rule
    from evalkit.text import escape_for_display

    console = Console(highlight=False, emoji=False)

    def plain(text: str) -> str:
        return escape(escape_for_display(text, limit=2000))

    for (severity, rule), findings in samples_by_rule(report.findings).items():
        samples = list(dict.fromkeys(one.sample for one in findings if one.sample))
        named = ", ".join(samples[:MOST_SAMPLES])
        more = f" and {len(samples) - MOST_SAMPLES} more" if len(samples) > MOST_SAMPLES else ""
        first = findings[0]
        found = " ".join(filter(None, (ended(first.message), found_and_expected(first.found, first.expected))))
        place = f" ({named}{more})" if named else ""
        console.print(plain(f"{severity} {rule}{place}"), style=_VERDICT_STYLE[severity])
        console.print(Padding(plain(found), (0, 0, 0, 2), expand=False))
        if first.fix:
            console.print(plain(f"  fix: {first.fix}"), soft_wrap=True)  # a command stays in one line, to be copied
    if report.metrics:
        table = Table(header_style="bold", title="the real videos, scored as a submission", title_justify="left")
        for title in ("metric", "value", "samples scored"):
            table.add_column(title)
        for name, entry in report.metrics.items():
            value = entry["reason"] if entry["value"] is None else f"{entry['value']:.4g}"
            table.add_row(plain(name), plain(value), f"{entry['n']} of {report.samples}")
        console.print(table)
    counts = [count(sum(one.severity == word for one in report.findings), word) for word in ("error", "warning")]
    say(f"{count(report.samples, 'sample')}: {', '.join(counts)}.")
