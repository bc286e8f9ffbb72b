"""``evalkit ratings``: import raters' answers into a board, screen raters, report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from evalkit.cli.board.teams import why_option
from evalkit.cli.options import as_json as json_option
from evalkit.cli.options import as_of_option, audience_option, board_option, by_option, example, moment, say, who

if TYPE_CHECKING:
    from evalkit.reports.audience import Audience

allow_unknown_option = click.option(
    "--allow-unknown", is_flag=True, help="Take a key that names samples that no run on the board has."
)
RULES = ("speeders", "straight-liners", "gold", "rest-correlation", "p913", "bt500")


@click.group(
    epilog=example(
        "evalkit ratings import long.csv --board board.sqlite --key key.csv --dry-run",
        "evalkit ratings report --board board.sqlite -o ratings.html",
    )
)
def ratings() -> None:
    """Import human ratings and comparisons, screen raters, report."""


@ratings.command(
    "import",
    epilog=example(
        "evalkit ratings import long.csv --board board.sqlite --key key.csv",
        "evalkit ratings import export.csv --board board.sqlite --mapping columns.yaml --dry-run",
        "evalkit ratings import answers.csv --board board.sqlite --format prolific --participants prolific.csv",
        "evalkit ratings import pairs.csv --board board.sqlite --pairs",
    ),
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@board_option
@click.option("--challenge", "-c", metavar="ID|FILE", help="Make sure that the board is this challenge's.")
@click.option(
    "--format",
    "-f",
    "form",
    metavar="NAME",
    default="auto",
    show_default=True,
    help="Format of FILE, such as long, wide or qualtrics; an unknown name lists all of them.",
)
@click.option(
    "--mapping",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="YAML that says which column is what.",
)
@click.option(
    "--key",
    "-k",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Which team's video of which sample an anonymous item is.",
)
@click.option(
    "--participants",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Prolific's export, with who was approved.",
)
@click.option("--pairs", is_flag=True, help="FILE holds comparisons of two teams, not ratings of one.")
@click.option("--dry-run", is_flag=True, help="Show what would count and why not; change nothing.")
@allow_unknown_option
@click.option("--skip-bad-rows", is_flag=True, help="Import the other rows of a file in which some can't be read.")
@by_option
@json_option
def import_(
    file: Path,
    board: str,
    challenge: str | None,
    form: str,
    mapping: Path | None,
    key: Path | None,
    participants: Path | None,
    pairs: bool,
    dry_run: bool,
    allow_unknown: bool,
    skip_bad_rows: bool,
    by: str | None,
    as_json: bool,
) -> None:
    """Import the ratings in FILE, in one step: all of them, or none.

    What the challenge's rules don't allow is kept, marked and not counted. Importing the same file again, or one that
    overlaps it, adds nothing twice. A file in which rows can't be read is refused with the rows, unless
    --skip-bad-rows; then the exit code is 3, as it is when nothing of the file counts. 'evalkit ratings undo' takes an
    import back.
    """
    from evalkit.board import Board
    from evalkit.cli.ratings.importing import RatingsInput, import_ratings, print_result, require_challenge

    source = RatingsInput(
        file,
        form,
        mapping,
        key,
        participants,
        pairs=pairs,
        skip_bad_rows=skip_bad_rows,
        allow_unknown=allow_unknown,
    )
    with Board.open(board) as opened:
        if challenge is not None:
            require_challenge(opened, challenge)
        result = import_ratings(opened, source, by=who(by), dry_run=dry_run)
    if as_json:
        click.echo(json.dumps(result.as_dict(), indent=1))
    else:
        print_result(result)
    if result.faults or result.nothing:
        raise click.exceptions.Exit(3)


@ratings.command(epilog=example("evalkit ratings undo 3 --board board.sqlite --why 'the file of another challenge'"))
@click.argument("number", metavar="IMPORT", type=click.IntRange(min=1, max=2**31 - 1))
@board_option
@why_option
@by_option
@json_option
def undo(number: int, board: str, why: str, by: str | None, as_json: bool) -> None:
    """Take an import back: its answers no longer count, and what its key added is removed.

    IMPORT is the number that 'evalkit ratings import' and 'evalkit board list' show. Entries of the key that answers of
    other imports need stay; 'evalkit ratings key' replaces them. The log keeps what was, and --as-of a time before
    shows it.
    """
    from dataclasses import asdict

    from evalkit.board import Board
    from evalkit.text import count, escape_for_display

    with Board.open(board) as opened:
        done = opened.undo_import(number, by=who(by), why=why)
    if as_json:
        click.echo(json.dumps({"schema": 1, "import": number, **asdict(done)}, indent=1))
        return
    click.echo(
        escape_for_display(f"Import {number} of {done.file} is undone: {count(done.removed, 'answer')} removed.")
    )
    if done.restored:
        click.echo(f"Restored, because it had changed their status: {count(done.restored, 'earlier answer')}.")
    if done.key_removed or done.key_kept:
        kept = f"; {done.key_kept} kept, because other imports rate them" if done.key_kept else ""
        click.echo(f"Key: {count(done.key_removed, 'item')} removed{kept}.")
    if done.again:
        words = f"note: these files held answers that were known; import them again: {', '.join(done.again)}"
        click.echo(escape_for_display(words, 1000), err=True)


@ratings.command(
    epilog=example(
        "evalkit ratings key key.csv --board board.sqlite",
        "evalkit ratings key right.csv --board board.sqlite --why 'two teams were swapped in key.csv'",
    )
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@board_option
@click.option("--why", metavar="TEXT", help="Why items get another meaning; without it, that is refused.")
@allow_unknown_option
@by_option
@json_option
def key(file: Path, board: str, why: str | None, allow_unknown: bool, by: str | None, as_json: bool) -> None:
    """Say what anonymous items are: FILE is a key, a CSV with item_id, team, sample_id, or JSON.

    Items that FILE does not name stay as they are. With --why, FILE replaces what the board says of its items.
    """
    from evalkit.board import Board
    from evalkit.ratings import read_key
    from evalkit.text import count

    given = read_key(file)
    with Board.open(board) as opened:
        done = opened.set_key(given, by=who(by), why=why, allow_unknown=allow_unknown)
    if as_json:
        counts = {"new": done.new, "known": done.known, "replaced": done.replaced}
        click.echo(json.dumps({"schema": 1, **counts}, indent=1))
    else:
        click.echo(f"Key: {count(done.new, 'new item')}, {done.known} known, {done.replaced} replaced.")


@ratings.command(
    "list",
    epilog=example(
        "evalkit ratings list --not-counted --board board.sqlite",
        "evalkit ratings list --rater r07 --board board.sqlite --json",
    ),
)
@board_option
@click.option("--not-counted", is_flag=True, help="Only those that don't count.")
@click.option("--rater", help="Only those of this rater.")
@click.option("--pairs", is_flag=True, help="Comparisons of two teams, not ratings of one.")
@json_option
def list_ratings(board: str, not_counted: bool, rater: str | None, pairs: bool, as_json: bool) -> None:
    """List the ratings on the board: their ids, and why some don't count.

    The digits at the start of a line are what 'evalkit board exclude answer' takes.
    """
    from evalkit.board import Board
    from evalkit.board.filtering import filter_answers
    from evalkit.cli.ratings.rows import answer_document, print_answers

    with Board.open(board) as opened:
        filtered = filter_answers(opened.snapshot())
    every = filtered.of("comparison" if pairs else "rating")
    rows = [one for one in every if not (one.counted and not_counted) and rater in {None, one.answer.rater}]
    if as_json:
        click.echo(json.dumps({"schema": 1, "rows": [answer_document(one) for one in rows]}, indent=1))
    else:
        print_answers(rows, len(rows))
        if not rows:
            click.echo("None.")


@ratings.command(
    epilog=example(
        "evalkit ratings screen --board board.sqlite",
        "evalkit ratings screen --board board.sqlite --rule speeders --rule straight-liners --apply",
    )
)
@board_option
@click.option("--rule", "rules", type=click.Choice(RULES), multiple=True, help="Apply this rule (default: all).")
@click.option("--apply", is_flag=True, help="Exclude the raters found, a decision each; needs --rule.")
@by_option
@json_option
def screen(board: str, rules: tuple[str, ...], apply: bool, by: str | None, as_json: bool) -> None:
    """Look for raters who are too quick, always give the same answer, or agree with nobody.

    Screen before you look at who leads. Every exclusion is a decision with its reason in the log, and
    'evalkit board include' takes it back.
    """
    from evalkit.board import Board
    from evalkit.rating_report.screening import propose_exclusions
    from evalkit.text import escape_for_display

    if apply and not rules:
        raise click.UsageError("--apply needs the rules to apply: --rule speeders, for example.")
    with Board.open(board) as opened:
        found = propose_exclusions(opened.snapshot(), rules or RULES)
        numbers = opened.exclude("rater", found, by=who(by)) if apply and found else []
    if as_json:
        rows = [{"rater": rater, "code": code, "reason": reason} for rater, code, reason in found]
        click.echo(json.dumps({"schema": 1, "found": rows, "decisions": numbers}, indent=1))
        return
    for _, code, reason in found:
        click.echo(escape_for_display(f"{code}: {reason}", 400))
    if not found:
        click.echo("No rater stands out.")
    elif apply:
        click.echo(f"Excluded, decisions {', '.join(map(str, numbers))}." if numbers else "Excluded already.")
    else:
        click.echo("Nothing was changed; --rule NAME --apply excludes them.")


@ratings.command(
    epilog=example(
        "evalkit ratings report --board board.sqlite -o ratings.html",
        "evalkit ratings report --board board.sqlite --json",
    )
)
@board_option
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("ratings.html"),
    show_default=True,
    help="The page to write.",
)
@audience_option
@as_of_option
@json_option
def report(board: str, output: Path, audience: Audience, as_of: str | None, as_json: bool) -> None:
    """Write a report: what counts, estimates side by side, agreement, raters needed.

    With '--for organizers' also who rated, what the screening rules find in each rater, gold items, and the reasons of
    decisions: that page names raters by their ids.
    """
    from evalkit.board import Board
    from evalkit.rating_report.compute import compute_rating_report
    from evalkit.reports.audience import ratings_for
    from evalkit.reports.page import write_page
    from evalkit.reports.ratings_page import render_ratings_report

    with Board.open(board) as opened:
        snapshot = opened.snapshot(moment(as_of))
    made = compute_rating_report(snapshot)
    write_page(render_ratings_report(snapshot, made, audience), output)
    if as_json:
        shown = ratings_for(audience, snapshot, made)[1]
        click.echo(json.dumps({"schema": 1, "audience": audience, "page": str(output), **shown.as_dict()}, indent=1))
    else:
        say(f"Page: {output}")
