"""Commands about raters, items with known answers, and decisions on what counts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from evalkit.cli.board.teams import why_option
from evalkit.cli.options import board_option, by_option, example, who
from evalkit.text import count

if TYPE_CHECKING:
    from evalkit.board.model import Target

TARGETS = ("rater", "answer", "run", "team")


@click.command(
    epilog=example(
        "evalkit board rater r07 --team lumen --board board.sqlite",
        "evalkit board rater r07 --no-team --board board.sqlite",
    )
)
@click.argument("rater")
@board_option
@click.option("--team", help="The rater's own team, whose ratings by them don't count.")
@click.option("--no-team", is_flag=True, help="The rater belongs to no team.")
@by_option
def rater(rater: str, board: str, team: str | None, no_team: bool, by: str | None) -> None:
    """Say to which team RATER belongs."""
    from evalkit.board import Board
    from evalkit.text import escape_for_display

    if (team is None) != no_team:
        raise click.UsageError("Say either --team NAME or --no-team.")
    with Board.open(board) as opened:
        opened.set_rater_team(rater, team, by=who(by))
    click.echo(escape_for_display(f"{rater} belongs to {team if team is not None else 'no team'}."))


@click.command(epilog=example("evalkit board gold gold.csv --board board.sqlite"))
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@board_option
@by_option
def gold(file: Path, board: str, by: str | None) -> None:
    """Put items with known answers on the board: a CSV with item_id, dimension, low, high.

    A dimension is called by its id or its title, and the answers are on its scale.
    """
    from evalkit.board import Board
    from evalkit.board.gold_items import read_gold

    with Board.open(board) as opened:
        items = read_gold(file, opened.challenge().ratings.dimensions)
        opened.set_gold(items, by=who(by))
    click.echo(f"{count(len(items), 'answer is', 'answers are')} known.")


@click.command(
    epilog=example(
        "evalkit board exclude rater r13 --board board.sqlite --why 'median 1.1 s for an item'",
        "evalkit board exclude run lumen/second --board board.sqlite --why 'contains the reference video'",
        "evalkit board exclude answer 5f0c2a9e71d4 --board board.sqlite --why 'the page froze, says the rater'",
    )
)
@click.argument("target", type=click.Choice(TARGETS))
@click.argument("subjects", nargs=-1, required=True)
@board_option
@why_option
@click.option("--code", default="manual", show_default=True, help="A word for machines.")
@by_option
def exclude(target: str, subjects: tuple[str, ...], board: str, why: str, code: str, by: str | None) -> None:
    """Decide that SUBJECTS don't count. Nothing is deleted, and 'evalkit board include' takes it back.

    An answer (a rating or a comparison) is named by its id or its first digits: 'evalkit ratings list' shows them.
    """
    from evalkit.board import Board

    rows = [(subject, code, why) for subject in subjects]
    with Board.open(board) as opened:
        numbers = opened.exclude(cast("Target", target), rows, by=who(by))
    shown = ", ".join(map(str, numbers))
    click.echo(f"Decision {shown}." if numbers else "They were excluded already.")


@click.command(epilog=example("evalkit board include 3 --board board.sqlite --why 'the clock of the server was wrong'"))
@click.argument("numbers", type=click.IntRange(min=1), nargs=-1, required=True)
@board_option
@why_option
@by_option
def include(numbers: tuple[int, ...], board: str, why: str, by: str | None) -> None:
    """Take back the decisions NUMBERS."""
    from evalkit.board import Board

    with Board.open(board) as opened:
        opened.include(numbers, by=who(by), why=why)
    click.echo(f"Taken back: {', '.join(map(str, numbers))}.")
