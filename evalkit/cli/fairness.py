"""``evalkit fairness``: how numbers differ between groups of people."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from evalkit.cli.options import as_json as json_option
from evalkit.cli.options import example, say
from evalkit.groups import MIN_IDENTITIES, MIN_VIDEOS
from evalkit.statistics import BOOTSTRAP_DRAWS, PERMUTATIONS
from evalkit.text import count

if TYPE_CHECKING:
    from evalkit.groups.model import FairnessReport, GroupDistance, GroupTable

MOST_LINES = 60  # of gaps, or groups, of one attribute in the terminal


@click.command(
    epilog=example(
        "evalkit fairness lumen-scorecard/ --testset testset/",
        "evalkit fairness lumen/ atlas/ --truth real-scorecard/ --intersect ethnicity,gender --html fairness.html",
        "evalkit fairness --board board.sqlite --json",
    )
)
@click.argument("scorecards", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--board",
    "-B",
    metavar="FILE|URL",
    help="A board, in place of scorecards: its runs that compete, with their ratings.",
)
@click.option(
    "--testset",
    type=click.Path(path_type=Path),
    help="The test set whose groups and identities count (default: those that the scorecards hold).",
)
@click.option(
    "--truth", type=click.Path(path_type=Path), help="Scorecard of the real videos, scored like a submission."
)
@click.option("--intersect", metavar="NAME,NAME", help="Also compare the combinations of these attributes.")
@click.option(
    "--min-videos",
    type=click.IntRange(min=2),
    default=MIN_VIDEOS,
    show_default=True,
    help="Videos with a value that a group needs.",
)
@click.option(
    "--min-identities",
    type=click.IntRange(min=2),
    default=MIN_IDENTITIES,
    show_default=True,
    help="People in them that a group needs.",
)
@click.option(
    "--permutations",
    type=click.IntRange(min=99, max=1_000_000),
    default=PERMUTATIONS,
    show_default=True,
    help="Shuffles of the labels behind a p-value.",
)
@click.option(
    "--draws",
    type=click.IntRange(min=100, max=100_000),
    default=BOOTSTRAP_DRAWS,
    show_default=True,
    help="Bootstrap draws behind an interval.",
)
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Seed of both.")
@click.option("--csv", "table", type=click.Path(dir_okay=False, path_type=Path), help="Write a line per group.")
@click.option("--html", "page", type=click.Path(dir_okay=False, path_type=Path), help="Write the page with plots.")
@json_option
def fairness(
    scorecards: tuple[Path, ...],
    board: str | None,
    testset: Path | None,
    truth: Path | None,
    intersect: str | None,
    min_videos: int,
    min_identities: int,
    permutations: int,
    draws: int,
    seed: int,
    table: Path | None,
    page: Path | None,
    as_json: bool,
) -> None:
    """Compare the groups of people in the SCORECARDS of one challenge, or in all runs of a board.

    Groups are those of the test set ('groups' of a sample): what people said of themselves or annotators wrote. They
    are never inferred from a video. Every number per video has a table per attribute: mean by group with its interval,
    the worst group, the gap, and whether chance explains it, all tests of the report together. Groups below the
    minimum are listed, not compared and not merged. Nothing is ranked, and the exit code says nothing about gaps.
    """
    from evalkit import api
    from evalkit.files import write_text
    from evalkit.reports.fairness.page import render_fairness
    from evalkit.reports.fairness.tables import fairness_csv
    from evalkit.reports.page import write_page

    found = api.fairness(
        scorecards,
        board=board,
        testset=testset,
        truth=truth,
        intersect=_names(intersect),
        min_videos=min_videos,
        min_identities=min_identities,
        permutations=permutations,
        draws=draws,
        seed=seed,
    )
    if table is not None:
        write_text(table, fairness_csv(found))
    if page is not None:
        write_page(render_fairness(found, _title(scorecards, board)), page)
    if as_json:
        click.echo(json.dumps(found.to_json(), indent=1, ensure_ascii=True, allow_nan=False))
        return
    print_fairness(found)
    for what, path in (("Table", table), ("Page", page)):
        if path is not None:
            say(f"{what}: {path}")


def _title(scorecards: tuple[Path, ...], board: str | None) -> str:
    """Return what the page is of; an address of a database may have a password in it."""
    if board is not None:
        return "Board" if "://" in board else Path(board).stem
    return ", ".join(place.name for place in scorecards[:4]) + (" and others" if len(scorecards) > 4 else "")


def _names(text: str | None) -> list[str]:
    return [name.strip() for name in (text or "").split(",") if name.strip()]


def print_fairness(report: FairnessReport) -> None:
    """Print what was found, and per attribute the gap of every measure."""
    by = ", ".join(report.attributes) or "no attribute"
    say(
        f"{count(len(report.entries), 'submission')} by {by}; {count(report.tests, 'test')}, p corrected for all of "
        f"them (Holm), * at most {report.rules.alpha:g}."
    )
    for sentence in report.findings:
        say(f"- {sentence}")
    for attribute in report.attributes:
        _print_attribute(report, attribute)
    for distance in report.distances:
        say(f"- {_distances(report, distance)}")
    for sentence in report.refused.values():
        say(f"- {sentence}")


def _print_attribute(report: FairnessReport, attribute: str) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from evalkit.text import NO_VALUE, escape_for_display, format_value

    table = Table(
        title=escape(escape_for_display(attribute)),
        title_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
        header_style="bold",
    )
    several = len(report.entries) > 1
    compared = [one for one in report.tables if one.attribute == attribute and one.gap is not None]
    for title in ("entry", "measure", "worst", "best", "gap", "real gap", "p"):
        if (title != "entry" or several) and (title != "real gap" or report.truth):
            right = title in {"gap", "real gap", "p"}
            table.add_column(title, justify="right" if right else "left", overflow="fold")
    for one in compared[:MOST_LINES]:
        cells = [one.entry] if several else []
        cells += [one.measure.title, _group(one, one.worst), _group(one, one.best)]
        cells.append(format_value(one.gap) if one.gap is not None else NO_VALUE)
        if report.truth:
            cells.append(format_value(one.real_gap) if one.real_gap is not None else NO_VALUE)
        cells.append(_p(report, one))
        table.add_row(*(escape(escape_for_display(cell)) for cell in cells))
    if table.rows:
        Console(highlight=False, emoji=False).print(table)
    if len(compared) > MOST_LINES:
        say(f"{len(compared) - MOST_LINES:,} more are in the table (--csv) and on the page (--html).")
    first = next((one for one in report.tables if one.attribute == attribute), None)
    if first is not None:
        say(f"{attribute}: {_sizes(report, first)}.")


def _distances(report: FairnessReport, distance: GroupDistance) -> str:
    """Return the kernel distances of an attribute's groups as a sentence."""
    from evalkit.text import format_value

    of = f" of {distance.entry}" if len(report.entries) > 1 else ""
    values = (
        f"{name} {format_value(value)} ± {format_value(distance.deviations[name])}"
        for name, value in distance.values.items()
    )
    videos = count(distance.videos, "video")
    return f"{distance.metric}{of} by {distance.attribute}, {videos} of each group: {', '.join(values)}."


def _group(table: GroupTable, name: str | None) -> str:
    from evalkit.text import NO_VALUE, format_value

    line = next((one for one in table.lines if one.value == name), None)
    return NO_VALUE if line is None else f"{line.value} {format_value(line.mean)}"


def _p(report: FairnessReport, table: GroupTable) -> str:
    from evalkit.groups.words import format_p
    from evalkit.text import NO_VALUE

    if table.adjusted is None:
        return NO_VALUE
    return f"{format_p(table.adjusted)}{'*' if report.significant(table) else ''}"


def _sizes(report: FairnessReport, table: GroupTable) -> str:
    """Return how many samples each group has; in brackets those that are too few."""
    least = report.rules.min_videos
    more = len(table.lines) - MOST_LINES
    return ", ".join(
        f"{line.value} {line.samples}" if line.samples >= least else f"({line.value} {line.samples})"
        for line in table.lines[:MOST_LINES]
    ) + (f" and {more:,} more groups" if more > 0 else "")
