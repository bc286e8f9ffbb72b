"""``evalkit compare``: scorecards side by side in one page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from evalkit.cli.options import as_json as json_option
from evalkit.cli.options import audience_option, cache_option, example, progress_on, quiet_option, say, workers_option
from evalkit.text import count

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evalkit.reports.audience import Audience
    from evalkit.reports.comparison.model import ScorecardComparison


SHOWN_COLUMNS = 6  # metrics on the terminal


class NamedPath(click.ParamType):
    """``NAME=PATH``."""

    name = "NAME=PATH"

    def convert(
        self, value: str | tuple[str, Path], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, Path]:
        """Split at the first equals sign."""
        if isinstance(value, tuple):
            return value
        name, sign, path = value.partition("=")
        if not (name and sign and path):
            self.fail(f"'{value}' is not NAME=PATH.", param, ctx)
        return name, Path(path)


@click.command(
    epilog=example(
        "evalkit compare lumen-scorecard/ atlas-scorecard/ -o compare.html",
        "evalkit compare */scorecard.json --name Lumen=runs/7/ --media lumen=lumen.zip --media atlas=atlas.zip",
        "evalkit validate broken.zip -c talking-head --json > broken.json; evalkit compare lumen/ broken.json",
    )
)
@click.argument("scorecards", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("compare.html"),
    show_default=True,
    help="The page to write.",
)
@click.option("--name", "names", type=NamedPath(), multiple=True, help="Name of the scorecard at PATH.")
@click.option(
    "--media", type=NamedPath(), multiple=True, help="The submission (ZIP or folder) of entry NAME, to show its frames."
)
@click.option("--metric", help="Per-video metric to show first (default: the first ranked one).")
@click.option(
    "--sample", "samples", multiple=True, help="Show frames of this sample (default: where entries differ most)."
)
@audience_option
@workers_option
@cache_option
@quiet_option
@json_option
def compare(
    scorecards: tuple[Path, ...],
    output: Path,
    names: tuple[tuple[str, Path], ...],
    media: tuple[tuple[str, Path], ...],
    metric: str | None,
    samples: tuple[str, ...],
    audience: Audience,
    workers: int | None,
    cache: Path | str | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Put SCORECARDS side by side in one HTML file.

    Each is a folder that 'evalkit score' wrote, or its scorecard.json. For a submission without a scorecard, give the
    output of 'evalkit validate --json'. All must have the same challenge, test set and backbones; otherwise the exit
    code is 1. Nothing is ranked.
    """
    from evalkit.errors import UsageError, did_you_mean
    from evalkit.reports.audience import comparison_for
    from evalkit.reports.comparison.inputs import load_inputs
    from evalkit.reports.comparison.media import SubmissionMedia, read_filmstrips
    from evalkit.reports.comparison.model import make_comparison
    from evalkit.reports.comparison.page import render_comparison, shown_samples
    from evalkit.reports.page import write_page
    from evalkit.scoring.shared_cache import open_place

    places = list({place.resolve(): place for place in (*scorecards, *(path for _, path in names))}.values())
    if not places:
        raise click.UsageError("Give at least one scorecard.")
    entries, unscored = load_inputs(places, {path: name for name, path in names})
    comparison = comparison_for(audience, make_comparison(entries, unscored, metric=metric))
    for sample in samples:
        if sample not in comparison.samples:
            raise UsageError(f"There is no sample '{sample}'.{did_you_mean(sample, comparison.samples)}")
    frames = None
    if media:
        where = SubmissionMedia(dict(media), open_place(cache), workers, progress_on(quiet))
        frames = read_filmstrips(comparison.entries, shown_samples(comparison, samples), where)
    write_page(render_comparison(comparison, frames, samples), output)
    if as_json:
        click.echo(json.dumps({**comparison.to_json(), "page": str(output)}, indent=1))
    else:
        print_comparison(comparison)
        say(f"Page: {output}")


def print_comparison(comparison: ScorecardComparison) -> None:
    """Print a row per entry with the first metrics, and below it what was not scored."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    from evalkit.text import NO_VALUE, format_value

    columns = comparison.columns[:SHOWN_COLUMNS]
    table = Table(header_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("entry", overflow="fold")
    for column in columns:
        arrow = {"higher": " ↑", "lower": " ↓", None: ""}[column.better]
        table.add_column(_plain(column.title) + arrow, justify="right", overflow="fold")
    for entry in comparison.entries:
        cells = [entry.name]
        for column in columns:
            score = comparison.cell(entry, column).score
            value = format_value(score.value) if score is not None and score.value is not None else NO_VALUE
            cells.append(f"{value}*" if entry.name in column.best else f"{value} ")
        table.add_row(*map(_plain, cells))
    console = Console(highlight=False, emoji=False)
    console.print(table)
    more = len(comparison.columns) - len(columns)
    rest = f" {count(more, 'more metric is', 'more metrics are')} on the page." if more else ""
    console.print(f"* the best of its column, among the entries that cover most samples.{rest}")
    for line in _remarks(comparison):
        console.print(_plain(line), soft_wrap=True)
    if not comparison.comparable_with_published:
        console.print("These numbers are not comparable with published ones.", style="yellow")


def _remarks(comparison: ScorecardComparison) -> Iterable[str]:
    """Yield a line for every entry that lacks videos, and for every submission without a scorecard."""
    asked = len(comparison.samples)
    for entry in comparison.entries:
        if entry.card.scored_videos < asked:
            yield f"{entry.name}: {entry.card.scored_videos} of {count(asked, 'video')} scored"
    for report in comparison.unscored:
        first = report.findings[0]["rule"] if report.findings else "no findings"
        yield f"{report.name}: {report.state}, not scored ({first})"


def _plain(text: str) -> str:
    """Escape a name for the terminal and for rich's markup."""
    from rich.markup import escape

    from evalkit.text import escape_for_display

    return escape(escape_for_display(text))
