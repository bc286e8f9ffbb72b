"""Commands about raters, items with known answers, and decisions on what counts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from evalkit.cli.board.effect import effect_document, named, print_effect
from evalkit.cli.board.teams import why_option
from evalkit.cli.options import as_json as json_option
from evalkit.cli.options import board_option, by_option, example, who
from evalkit.errors import UsageError
from evalkit.text import count

if TYPE_CHECKING:
    from evalkit.board.model import DecisionChange, Target

TARGETS = ("rater", "answer", "run", "team", "sample", "finding")


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

    A dimension is called by its id or its title, and the answers are on its scale. In a challenge of comparisons the
    columns are sample, first, second (the two sides, as comparisons call them), answer (first, second, equal or
    different) and, where several questions are asked, dimension.
    """
    from evalkit.board import Board
    from evalkit.board.gold_items import read_gold
    from evalkit.board.gold_pairs import read_gold_pairs

    with Board.open(board) as opened:
        rules = opened.challenge().ratings
        if rules.method == "pairs":
            pairs = read_gold_pairs(file, rules.dimensions)
            opened.set_gold_pairs(pairs, by=who(by))
            known = len(pairs)
        else:
            items = read_gold(file, rules.dimensions)
            opened.set_gold(items, by=who(by))
            known = len(items)
    click.echo(f"{count(known, 'answer is', 'answers are')} known.")


dry_run_option = click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")


@click.command(
    epilog=example(
        "evalkit board exclude rater r13 --board board.sqlite --why 'median 1.1 s for an item'",
        "evalkit board exclude run lumen/second --board board.sqlite --why 'contains the reference video'",
        "evalkit board exclude answer 5f0c2a9e71d4 --board board.sqlite --why 'the page froze, says the rater'",
        "evalkit board exclude sample p017 --board board.sqlite --dry-run --why 'the reference has no face'",
        "evalkit board exclude finding lumen/main/p017/gaming.looped --board board.sqlite --why 'she nods, we looked'",
    )
)
@click.argument("target", type=click.Choice(TARGETS))
@click.argument("subjects", nargs=-1, required=True)
@board_option
@why_option
@click.option("--code", default="manual", show_default=True, help="A word for machines.")
@dry_run_option
@by_option
@json_option
def exclude(
    target: Target,
    subjects: tuple[str, ...],
    board: str,
    why: str,
    code: str,
    dry_run: bool,
    by: str | None,
    as_json: bool,
) -> None:
    """Decide that SUBJECTS don't count. Nothing is deleted, and 'evalkit board include' takes it back.

    An answer (a rating or a comparison) is named by its id or its first digits: 'evalkit ratings list' shows them.

    Of a sample of the test set, no score and no rating counts any more, for any team: means and coverage are computed
    again without it. Numbers of the whole set (FID) keep their value, and the leaderboard says so. The effect on every
    team is printed.

    A finding about gaming is named TEAM/RUN/SAMPLE/RULE, as the leaderboard shows it: what the challenge declares to
    follow from it does not.
    """
    from evalkit.board import Board
    from evalkit.text import escape_for_display

    rows = [(subject, code, why) for subject in subjects]
    with Board.open(board) as opened:
        if not _compares(target, dry_run, as_json):
            numbers = opened.exclude(target, rows, by=who(by))
            shown = ", ".join(map(str, numbers))
            made_now = f"Decision {shown}: {target} {named(subjects)} excluded. 'evalkit board include' takes it back."
            click.echo(escape_for_display(made_now, 500) if numbers else "They were excluded already.")
            if numbers:
                click.echo(
                    "'evalkit leaderboard' shows the ranking without them; --dry-run tells an effect in advance."
                )
            return
        done = opened.exclude_and_compare(target, rows, by=who(by), keep=not dry_run)
    made = [one for one in done.after.decisions if one.number in done.decisions]
    already = [one for one in done.before.excluded(target) if _means(target, subjects, one)]
    words = [
        f"{target} {named([one.subject])} "
        + ("would not count" if dry_run else f"does not count (decision {one.number})")
        for one in made
    ]
    words += [f"unchanged: {target} {named([one])} is excluded already" for one in already]
    document = {
        "decisions": [] if dry_run else list(done.decisions),
        "target": target,
        "subjects": [one.subject for one in made],
        "unchanged": already,
    }
    _tell(done, words, document, dry_run=dry_run, as_json=as_json)


@click.command(
    epilog=example(
        "evalkit board include 3 --board board.sqlite --why 'the clock of the server was wrong'",
        "evalkit board include sample p017 --board board.sqlite --why 'the reference was mended in time'",
    )
)
@click.argument("words", metavar="NUMBERS...|TARGET SUBJECTS...", nargs=-1, required=True)
@board_option
@why_option
@dry_run_option
@by_option
@json_option
def include(words: tuple[str, ...], board: str, why: str, dry_run: bool, by: str | None, as_json: bool) -> None:
    """Take back decisions: by their numbers, or by what they exclude, such as 'sample p017'.

    Where a sample counts again, the effect on every team is printed.
    """
    from evalkit.board import Board

    target = words[0] if words[0] in TARGETS else None
    if target is not None and len(words) < 2:
        raise click.UsageError(f"Say which {target}, such as '{target} NAME'.")
    with Board.open(board) as opened:
        numbers = [_number(word) for word in words] if target is None else []
        if target is not None:
            numbers = opened.decisions_on(cast("Target", target), words[1:])
        about = "sample" if "sample" in opened.targets_of(numbers) else target
        if not _compares(about, dry_run, as_json):
            opened.include(numbers, by=who(by), why=why)
            click.echo(
                f"Taken back: {', '.join(map(str, numbers))}." if numbers else "Unchanged: nothing to take back."
            )
            return
        done = opened.include_and_compare(numbers, by=who(by), why=why, keep=not dry_run)
    sentences = [
        f"{one.target} {named([one.subject])} {'would count' if dry_run else 'counts'} again (decision {one.number})"
        for one in done.before.decisions
        if one.number in done.decisions
    ]
    document = {"decisions": list(done.decisions)}
    _tell(done, sentences or ["unchanged: nothing to take back"], document, dry_run=dry_run, as_json=as_json)


def _number(word: str) -> int:
    if not (word.isascii() and word.isdecimal() and len(word) < 10 and int(word) > 0):
        raise UsageError(
            f"'{word}' is no number of a decision.",
            expected=f"numbers from 1 on, or one of {', '.join(TARGETS)} and a name",
            fix="'evalkit board list' shows the decisions.",
        )
    return int(word)


def _compares(target: str | None, dry_run: bool, as_json: bool) -> bool:
    """Whether the effect is told: of other targets than samples only when asked for, as it takes long."""
    return target == "sample" or dry_run or as_json


def _means(target: str, subjects: Sequence[str], excluded: str) -> bool:
    """Whether ``excluded`` is one of ``subjects``, which of an answer may be its first digits."""
    return excluded in subjects or (target == "answer" and excluded.startswith(tuple(subjects)))


def _tell(
    done: DecisionChange, sentences: Sequence[str], document: dict[str, Any], *, dry_run: bool, as_json: bool
) -> None:
    """Print what was decided, and its effect."""
    from evalkit.leaderboard.effect import compare_boards

    change = compare_boards(done.before, done.after)
    if as_json:
        click.echo(
            json.dumps({"schema": 1, "dry_run": dry_run, **document, "effect": effect_document(change)}, indent=1)
        )
        return
    for sentence in sentences:
        click.echo(f"{sentence[0].upper()}{sentence[1:]}.")
    if done.decisions:
        print_effect(change)
    if dry_run:
        click.echo("Nothing was changed: this was a dry run.")
