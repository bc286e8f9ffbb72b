"""``evalkit leaderboard``: rank the teams of a board; write the page and the tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from evalkit.cli.options import as_json as json_option
from evalkit.cli.options import as_of_option, audience_option, board_option, example, moment, say
from evalkit.statistics import BOOTSTRAP_DRAWS
from evalkit.text import count

if TYPE_CHECKING:
    from rich.table import Table as RichTable

    from evalkit.board.model import Snapshot
    from evalkit.leaderboard.contrasts import Contrast
    from evalkit.leaderboard.model import Leaderboard
    from evalkit.reports.audience import Audience
    from evalkit.reports.leaderboard.beside import Beside

TABLES = {"csv": ".csv", "json": ".json", "latex": ".tex", "markdown": ".md", "agreement": ".agreement.csv"}


@click.command(
    epilog=example(
        "evalkit leaderboard --board board.sqlite -o leaderboard.html",
        "evalkit leaderboard --board board.sqlite -o final.html --as-of '2026-03-05 AoE' --also csv --also latex",
        "evalkit leaderboard --board board.sqlite --why lumen atlas",
    )
)
@board_option
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("leaderboard.html"),
    show_default=True,
    help="The page to write.",
)
@audience_option
@as_of_option
@click.option(
    "--also",
    type=click.Choice(list(TABLES)),
    multiple=True,
    help="Also write this table, beside the page; 'agreement' is how well metrics agree with people, as CSV.",
)
@click.option(
    "--draws",
    type=click.IntRange(min=100, max=100_000),
    default=BOOTSTRAP_DRAWS,
    show_default=True,
    help="Bootstrap draws for the rank intervals.",
)
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Seed of the resampling.")
@click.option(
    "--why",
    nargs=2,
    multiple=True,
    metavar="TEAM TEAM",
    help="Print why one of two ranked teams is above the other, column by column; may be given several times.",
)
@click.option("--teams", is_flag=True, help="Also write a page for each team, into the folder 'teams' beside the page.")
@json_option
def leaderboard(
    board: str,
    output: Path,
    audience: Audience,
    as_of: str | None,
    also: tuple[str, ...],
    draws: int,
    seed: int,
    why: tuple[tuple[str, str], ...],
    teams: bool,
    as_json: bool,
) -> None:
    """Rank the teams of a board and publish them as one HTML file that needs no network.

    The page and the tables are for the public unless '--for organizers' asks for what only the organizers may see:
    videos that two teams share, rules that videos may have gamed, reasons of decisions, and raters' ids. The same
    board, moment, draws, seed and audience give the same bytes.
    """
    from evalkit.board import Board
    from evalkit.leaderboard.compute import compute_leaderboard
    from evalkit.reports.audience import leaderboard_for
    from evalkit.reports.leaderboard.page import render_leaderboard
    from evalkit.reports.leaderboard.tables import leaderboard_json
    from evalkit.reports.page import write_page

    with Board.open(board) as opened:
        snapshot = opened.snapshot(moment(as_of))
    leaderboard = compute_leaderboard(snapshot, draws=draws, seed=seed, compared=why)
    shown = leaderboard_for(audience, snapshot, leaderboard)[1]
    contrasts = [asked_contrast(shown, *pair) for pair in why]
    beside = beside_page(shown, output, teams=teams)
    write_page(render_leaderboard(snapshot, leaderboard, audience, beside), output)
    gone = write_teams(snapshot, leaderboard, beside, output, audience) if teams else []
    others = [write_table(name, snapshot, leaderboard, output, audience) for name in dict.fromkeys(also)]
    if as_json:
        document = json.loads(leaderboard_json(snapshot, leaderboard, audience))
        click.echo(json.dumps({**document, "page": str(output)}, indent=1))
        return
    print_leaderboard(shown)
    for contrast in contrasts:
        print_contrast(shown, contrast)
    if withheld := len(leaderboard.rows) - len(shown.rows):
        say(f"{withheld} run{'s' if withheld != 1 else ''} withheld by decisions; '--for organizers' shows all.")
    say(f"Page: {output}   (log entry {snapshot.number}, seal {snapshot.digest[:12]})")
    if teams:
        say(f"Teams: {output.parent / 'teams'}   ({count(len(beside.pages), 'page')})")
    for path in gone:
        say(f"Removed: {path}   (no team of this board, or withheld)")
    for path in others:
        say(f"Table: {path}")


def beside_page(leaderboard: Leaderboard, page: Path, *, teams: bool) -> Beside:
    """Return what lies beside the page: a page per team when ``teams``, and the folder 'media' where there is one."""
    from evalkit.reports.leaderboard.beside import Beside, page_names

    names = page_names(row.team for row in leaderboard.rows)
    return Beside(names if teams else {}, names, page.parent)


def write_teams(
    snapshot: Snapshot, leaderboard: Leaderboard, beside: Beside, page: Path, audience: Audience = "public"
) -> list[Path]:
    """Write a page for each team into the folder 'teams' beside ``page``; return the pages that were removed."""
    from evalkit.reports.leaderboard.beside import TEAMS, write_team_pages
    from evalkit.reports.leaderboard.team_page import render_team_pages

    pages = render_team_pages(snapshot, leaderboard, beside, page.name, audience)
    return write_team_pages(pages, page.parent / TEAMS)[1]


def write_table(
    name: str, snapshot: Snapshot, leaderboard: Leaderboard, page: Path, audience: Audience = "public"
) -> Path:
    """Write one of `TABLES` beside the page; return where."""
    from evalkit.files import write_text
    from evalkit.reports.leaderboard import people, tables

    makers = {
        "agreement": people.agreement_csv,
        "csv": tables.leaderboard_csv,
        "json": tables.leaderboard_json,
        "latex": tables.leaderboard_latex,
        "markdown": tables.leaderboard_markdown,
    }
    path = page.with_suffix(TABLES[name])
    write_text(path, makers[name](snapshot, leaderboard, audience))
    return path


def print_leaderboard(leaderboard: Leaderboard) -> None:
    """Print the ranks with their intervals, and who is not ranked and why; without any rank the values by name."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from evalkit.reports.leaderboard.ranked_table import tie_lines
    from evalkit.reports.leaderboard.words import (
        by_group_lines,
        consequence_lines,
        excluded_lines,
        included_line,
        unchecked_lines,
    )
    from evalkit.text import escape_for_display, format_value

    console = Console(highlight=False, emoji=False)
    table = Table(header_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    for title in ("rank", "interval", "team", "run", "score"):
        table.add_column(title, justify="left" if title in {"team", "run"} else "right", overflow="fold")
    for row in leaderboard.rows:
        if row.rank is not None:
            low, high = row.interval or (row.rank, row.rank)
            interval = "" if row.interval is None else str(low) if low == high else f"{low} to {high}"
            cells = (str(row.rank), interval, row.team, row.run, format_value(row.score))
            table.add_row(*(escape(escape_for_display(cell)) for cell in cells))
    if table.rows:
        console.print(table)
    elif values := values_table(leaderboard):
        console.print(values)
    declared = "The challenge declares no ranking." if leaderboard.rule == "none" else ""
    lines = [declared, leaderboard.problem or "", leaderboard.provisional.sentence if leaderboard.provisional else ""]
    lines += [leaderboard.no_uncertainty or "" if leaderboard.uncertainty is None and not declared else ""]
    for row in leaderboard.rows:
        if row.rank is None and row.primary and leaderboard.rule != "none":
            first, more = row.reasons[0].sentence if row.reasons else "", len(row.reasons) - 1
            others = f" And {count(more, 'more reason')}." if more > 0 else ""
            lines.append(f"not ranked: {row.team}: {first}{others}")
    lines += [*tie_lines(leaderboard), *excluded_lines(leaderboard), included_line(leaderboard)]
    lines += [*by_group_lines(leaderboard), *consequence_lines(leaderboard), *unchecked_lines(leaderboard.unchecked)]
    for line in lines:
        if line:
            console.print(escape(escape_for_display(line, 500)), soft_wrap=True)


def values_table(leaderboard: Leaderboard) -> RichTable | None:
    """Return the values of all competing runs by name; ``None`` where there are none."""
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table

    from evalkit.leaderboard.table import NO_CELL
    from evalkit.reports.leaderboard.ranked_table import ARROWS, better, column_title, display_name
    from evalkit.reports.leaderboard.tables import listed_rows, shown_columns
    from evalkit.text import NO_VALUE, escape_for_display, format_value

    rows, columns = listed_rows(leaderboard), shown_columns(leaderboard)
    if not rows or not columns:
        return None
    table = Table(header_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("team", overflow="fold")
    for column in columns:
        title = escape(escape_for_display(column_title(column), 40))
        table.add_column(f"{title} {ARROWS[better(column)]}".strip(), justify="right")
    for row in rows:
        cells = [row.cells.get(column.id, NO_CELL) for column in columns]
        words = [f"{NO_VALUE} {cell.reason}" if cell.value is None else format_value(cell.value) for cell in cells]
        table.add_row(*(escape(escape_for_display(word)) for word in (display_name(row, leaderboard), *words)))
    return table


def asked_contrast(leaderboard: Leaderboard, one: str, other: str) -> Contrast:
    """Return the contrast of two runs by label.

    Raises:
        UsageError: for a label that is not ranked, twice the same, or two that no common phase orders.
    """
    from evalkit.errors import UsageError, did_you_mean

    ranked = [row.label for row in leaderboard.rows if row.rank is not None]
    for label in (one, other):
        if label not in ranked:
            raise UsageError(
                f"There is no ranked team '{label}' to explain.{did_you_mean(label, ranked)}",
                expected=f"one of {', '.join(ranked)}" if ranked else "a board on which somebody is ranked",
            )
    if one == other:
        raise UsageError("'--why' compares two teams.", found=f"'{one}' twice")
    found = leaderboard.contrast(one, other)
    if found is None:
        raise UsageError(
            f"'{one}' and '{other}' are ordered by different phases.",
            expected="two finalists, or two teams behind them",
        )
    return found


def print_contrast(leaderboard: Leaderboard, contrast: Contrast) -> None:
    """Print why one run is above another: sentences, and a line per column."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from evalkit.reports.leaderboard.why import HEADS, explain
    from evalkit.text import escape_for_display

    told = explain(leaderboard, contrast)
    console = Console(highlight=False, emoji=False)
    table = Table(header_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    for at, title in enumerate(("column", told.first, told.second, *(head.lower() for head in HEADS))):
        table.add_column(escape(escape_for_display(title, 40)), justify="right" if at else "left", overflow="fold")
    for row in told.rows:
        cells = (row.title, row.first, row.second, row.difference, row.interval, row.ahead, row.gain)
        table.add_row(*map(escape, cells))
    for sentence in told.sentences:
        console.print(escape(sentence), soft_wrap=True)
    console.print(table)
