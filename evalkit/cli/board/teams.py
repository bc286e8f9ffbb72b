"""Commands about teams, their members, and which runs compete."""

from __future__ import annotations

import click

from evalkit.cli.options import board_option, by_option, example, who

why_option = click.option("--why", required=True, metavar="TEXT", help="The reason, for the log.")


@click.command(
    epilog=example(
        "evalkit board team lumen --board board.sqlite --member p01 --member p02",
    )
)
@click.argument("name")
@board_option
@click.option("--member", "members", multiple=True, metavar="PERSON", help="Id of a person; once for each.")
@by_option
def team(name: str, board: str, members: tuple[str, ...], by: str | None) -> None:
    """Add the team NAME. Nobody can be a member of two teams."""
    from evalkit.board import Board
    from evalkit.text import escape_for_display

    with Board.open(board) as opened:
        opened.add_team(name, members, by=who(by))
    click.echo(escape_for_display(f"Added {name}."))


@click.command(
    epilog=example(
        "evalkit board remove lumen --board board.sqlite --run second --why 'handed in by mistake'",
    )
)
@click.argument("team")
@board_option
@click.option("--run", "-r", help="Only this run, not the whole team.")
@why_option
@by_option
def remove(team: str, board: str, run: str | None, why: str, by: str | None) -> None:
    """Take a team, or one of its runs, off the board. The board's past keeps it."""
    from evalkit.board import Board
    from evalkit.text import escape_for_display

    with Board.open(board) as opened:
        if run is None:
            opened.remove_team(team, by=who(by), why=why)
        else:
            opened.remove_run(team, run, by=who(by), why=why)
    click.echo(escape_for_display(f"Removed {team}{'' if run is None else f', run {run}'}."))


@click.command(epilog=example("evalkit board primary lumen second --board board.sqlite"))
@click.argument("team")
@click.argument("runs", nargs=-1, required=True)
@board_option
@by_option
def primary(team: str, runs: tuple[str, ...], board: str, by: str | None) -> None:
    """Choose which RUNS of TEAM compete."""
    from evalkit.board import Board
    from evalkit.text import escape_for_display

    with Board.open(board) as opened:
        opened.set_primary(team, runs, by=who(by))
    click.echo(escape_for_display(f"{team} competes with {', '.join(runs)}."))


@click.command(
    epilog=example(
        "evalkit board member lumen p03 p04 --board board.sqlite",
        "evalkit board member lumen p03 --remove --board board.sqlite",
    )
)
@click.argument("team")
@click.argument("people", nargs=-1, required=True)
@board_option
@click.option("--remove", "gone", is_flag=True, help="They leave the team.")
@by_option
def member(team: str, people: tuple[str, ...], board: str, gone: bool, by: str | None) -> None:
    """Add PEOPLE to TEAM, or take them out. Ratings of their own team don't count."""
    from evalkit.board import Board
    from evalkit.text import escape_for_display

    with Board.open(board) as opened:
        if gone:
            opened.remove_members(team, people, by=who(by))
        else:
            opened.add_members(team, people, by=who(by))
    click.echo(escape_for_display(f"{', '.join(people)} {'left' if gone else 'joined'} {team}."))
