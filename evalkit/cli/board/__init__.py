"""``evalkit board``: make a board, see what is on it, check its log."""

from __future__ import annotations

import json
from pathlib import Path

import click

from evalkit.cli.board.decisions import exclude, gold, include, rater
from evalkit.cli.board.scorecards import add, trust
from evalkit.cli.board.teams import member, primary, remove, team
from evalkit.cli.options import as_json as json_option
from evalkit.cli.options import as_of_option, board_option, by_option, challenge_option, example, moment, who

SHOWN_LOG = 20


@click.group(
    epilog=example(
        "evalkit board init --board board.sqlite --challenge mine.yaml --testset testset/",
        "evalkit board add lumen lumen-scorecard/ --new-team --submission lumen.zip",
        "evalkit board verify",
    )
)
def board() -> None:
    """Keep the board of a challenge: teams, runs, ratings, decisions, and a log that only grows."""


@board.command(
    epilog=example(
        "evalkit board init --board board.sqlite --challenge mine.yaml --testset testset/",
        "evalkit board init --board postgresql://evalkit@localhost/challenge -c mmasia2025-talking-head",
    )
)
@board_option
@challenge_option
@click.option(
    "--testset",
    "-t",
    type=click.Path(exists=True, path_type=Path),
    help="Show its reference pictures on the leaderboard.",
)
@by_option
def init(board: str, challenge: str, testset: Path | None, by: str | None) -> None:
    """Make an empty board for one challenge."""
    from evalkit.board import Board
    from evalkit.challenge_check import refuse_faults
    from evalkit.challenges.model import load_challenge
    from evalkit.cli.board.media import challenge_text, reference_strips
    from evalkit.testsets.loading import load_testset

    rules = load_challenge(challenge)
    refuse_faults(rules)
    strips = reference_strips(load_testset(testset)) if testset is not None else {}
    with Board.create(board, rules, challenge_text(challenge), by=who(by), reference=strips) as made:
        click.echo(f"Board: {made.place}, challenge {rules.id} ({rules.sha256[:12]})")


@board.command(epilog=example("evalkit board rules --board board.sqlite --challenge mine.yaml"))
@board_option
@challenge_option
@by_option
def rules(board: str, challenge: str, by: str | None) -> None:
    """Put a new version of the challenge's rules on the board; earlier leaderboards keep the earlier ones."""
    from evalkit.board import Board
    from evalkit.challenge_check import refuse_faults
    from evalkit.challenges.model import load_challenge
    from evalkit.cli.board.effect import rules_effect
    from evalkit.cli.board.media import challenge_text

    loaded = load_challenge(challenge)
    refuse_faults(loaded)
    with Board.open(board) as opened:
        before = opened.snapshot()
        if not opened.set_challenge(loaded, challenge_text(challenge), by=who(by)):
            click.echo("These rules hold already.")
            return
        after = opened.snapshot()
    click.echo(f"Rules {loaded.sha256[:12]} hold from now on.")
    for line in rules_effect(before, after):
        click.echo(line)


@board.command(
    "list", epilog=example("evalkit board list --board board.sqlite", "evalkit board list -B b.sqlite --json")
)
@board_option
@as_of_option
@json_option
def list_board(board: str, as_of: str | None, as_json: bool) -> None:
    """List teams, their runs, and what people handed in."""
    from evalkit.board import Board
    from evalkit.cli.board.tables import board_document, print_board

    with Board.open(board) as opened:
        snapshot = opened.snapshot(moment(as_of))
    if as_json:
        click.echo(json.dumps(board_document(snapshot), indent=1))
    else:
        print_board(snapshot)


@board.command(
    epilog=example("evalkit board log --board board.sqlite", "evalkit board log -B board.sqlite --all --json")
)
@board_option
@click.option("--all", "everything", is_flag=True, help=f"All entries, not the last {SHOWN_LOG}.")
@json_option
def log(board: str, everything: bool, as_json: bool) -> None:
    """Show who did what, when. The log only grows: the database itself refuses to change it."""
    from evalkit.board import Board
    from evalkit.cli.board.tables import log_document, print_log

    with Board.open(board) as opened:
        entries = opened.log(limit=None if everything or as_json else SHOWN_LOG)
    if as_json:
        click.echo(json.dumps({"schema": 1, "log": log_document(entries)}, indent=1))
    else:
        print_log(entries)


@board.command(epilog=example("evalkit board verify --board board.sqlite"))
@board_option
@json_option
def verify(board: str, as_json: bool) -> None:
    """Check that log, scorecards and ratings are what was written: each log entry seals all before it.

    Exit code 1 when something was changed behind the log's back.
    """
    from evalkit.board import Board
    from evalkit.text import escape_for_display

    with Board.open(board) as opened:
        problems = opened.verify()
        entries = opened.log(limit=1)
    seal = entries[-1].digest if entries else ""
    if as_json:
        click.echo(json.dumps({"schema": 1, "ok": not problems, "seal": seal, "problems": problems}, indent=1))
    else:
        for problem in problems:
            click.echo(f"error: {escape_for_display(problem, 500)}", err=True)
        if not problems:
            click.echo(f"Everything is as it was written. Seal: {seal}")
    if problems:
        raise click.exceptions.Exit(1)


for command in (team, add, trust, remove, primary, member, rater, gold, exclude, include):
    board.add_command(command)
