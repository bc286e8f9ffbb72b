"""Commands about teams, their members and their runs."""

from __future__ import annotations

from pathlib import Path

import click

from evalkit.cli.options import (
    board_option,
    by_option,
    cache_option,
    example,
    progress_on,
    quiet_option,
    who,
    workers_option,
)

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
        "evalkit board add lumen lumen-scorecard/ --board board.sqlite --new-team --submission lumen.zip",
        "evalkit board add lumen second/ --board board.sqlite --run second --primary",
        "evalkit board add lumen again/ --board board.sqlite --why 'the reference of s07 was wrong'",
    )
)
@click.argument("team")
@click.argument("scorecard", type=click.Path(exists=True, path_type=Path))
@board_option
@click.option("--run", "-r", default="1", show_default=True, help="What the team calls this submission.")
@click.option("--primary/--no-primary", default=None, help="Let it compete (default: when it is the team's first).")
@click.option("--new-team", is_flag=True, help="Add the team when it is not on the board yet.")
@click.option(
    "--submission",
    type=click.Path(exists=True, path_type=Path),
    help="The ZIP or folder that was scored; frames of it are kept for the leaderboard.",
)
@click.option("--why", metavar="TEXT", help="The reason, for the log; needed where a scorecard is replaced.")
@click.option(
    "--allow-shared", is_flag=True, help="Add it though another team has the same videos on the board; with --why."
)
@workers_option
@cache_option
@quiet_option
@by_option
def add(
    team: str,
    scorecard: Path,
    board: str,
    run: str,
    primary: bool | None,
    new_team: bool,
    submission: Path | None,
    why: str | None,
    allow_shared: bool,
    workers: int | None,
    cache: Path | None,
    quiet: bool,
    by: str | None,
) -> None:
    """Add a run of TEAM: SCORECARD is a folder that 'evalkit score' wrote, or its scorecard.json.

    A run that is there already gets the new scorecard, with --why; the old one stays in the board's past.
    """
    from evalkit.board import Board
    from evalkit.cli.board.media import submission_strips
    from evalkit.scoring.cache import cache_folder
    from evalkit.scoring.scorecard import Scorecard
    from evalkit.text import escape_for_display

    if allow_shared and why is None:
        raise click.UsageError("--allow-shared needs the reason: --why TEXT.")
    card = Scorecard.load(scorecard)
    strips = None
    if submission is not None:
        strips = submission_strips(card, submission, cache or cache_folder(), workers, progress_on(quiet))
    with Board.open(board) as opened:
        done = opened.add_run(
            team,
            run,
            card,
            by=who(by),
            primary=primary,
            strips=strips,
            why=why,
            allow_shared=allow_shared,
            new_team=new_team,
        )
    click.echo(escape_for_display(f"{team}, run {run}: {done}."))


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
