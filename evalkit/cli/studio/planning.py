"""``evalkit studio plan``: who rates what, in which order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from evalkit.cli.options import as_json as json_option
from evalkit.cli.options import board_option, example, progress_on, quiet_option, say

if TYPE_CHECKING:
    from evalkit.board.model import Snapshot
    from evalkit.studio.plan_model import Plan
    from evalkit.studio.request import AskedRater


@click.command(
    epilog=example(
        "evalkit studio plan --board board.sqlite --submissions zips/ --testset testset/ --raters 24 -o plan.json",
        "evalkit studio plan -B board.sqlite --submissions zips/ -t testset/ --raters raters.csv --samples 30 "
        "--repeats 3 --training 3 --gold gold.csv --page page.yaml --completion random -o plan.json",
    )
)
@board_option
@click.option(
    "--submissions",
    required=True,
    type=click.Path(exists=True, path_type=Path),
    metavar="FOLDER|LIST",
    help="The submissions, as for 'evalkit score-all'.",
)
@click.option("--testset", "-t", required=True, type=click.Path(exists=True, path_type=Path), help="The test set.")
@click.option("--raters", required=True, metavar="N|FILE", help="How many raters, or a CSV with rater and team.")
@click.option(
    "--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="The plan, which only you may read."
)
@click.option("--items", type=click.IntRange(min=1), help="Items per rater (default: the challenge's limit, or 40).")
@click.option("--samples", type=click.IntRange(min=1), help="Rate this many samples, drawn at random (default: all).")
@click.option(
    "--teams", metavar="A,B", help="Only these teams (default: all that compete; of two phases the finalists)."
)
@click.option("--training", type=click.IntRange(0, 20), default=0, show_default=True, help="Items before, not counted.")
@click.option("--repeats", type=click.IntRange(0, 100), default=0, show_default=True, help="Items that come again.")
@click.option(
    "--gold",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="CSV of known answers: sample, dimension, low, high, and file or team; of pairs: sample, first, second, "
    "answer.",
)
@click.option(
    "--references",
    type=click.IntRange(0, 100),
    default=0,
    show_default=True,
    help="Hidden real videos; of pairs, each beside a team's.",
)
@click.option("--adaptive", is_flag=True, help="Choose each pair by the answers so far, where they say least.")
@click.option(
    "--page", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="YAML: title, consent, contact, ..."
)
@click.option("--completion", metavar="CODE|random", help="Code that raters get at the end, for MTurk and Prolific.")
@click.option(
    "--seed", "-s", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True, help="Another seed, another plan."
)
@click.option(
    "--difference",
    type=click.FloatRange(min=0, min_open=True),
    metavar="D",
    help="Say how many raters tell teams apart that differ by D points of the scale, or of pairs by this share of "
    "points (default: an eighth of the scale; 0.6).",
)
@click.option("--dry-run", is_flag=True, help="Show the balance; write nothing.")
@click.option("--force", is_flag=True, help="Replace a plan. Answers to its items no longer count.")
@quiet_option
@json_option
def plan(
    board: str,
    submissions: Path,
    testset: Path,
    raters: str,
    output: Path | None,
    items: int | None,
    samples: int | None,
    teams: str | None,
    training: int,
    repeats: int,
    gold: Path | None,
    references: int,
    adaptive: bool,
    page: Path | None,
    completion: str | None,
    seed: int,
    difference: float | None,
    dry_run: bool,
    force: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Draw who sees which videos in which order, by the rules of the board's challenge.

    Every team comes equally often, for each rater and in all; neighbours are never of one team or one sample; nobody
    sees the own team's videos. Where that can't be, the error says how many raters or items it takes.
    """
    from evalkit.board import Board
    from evalkit.cli.studio.plan_tables import print_balance, print_power
    from evalkit.studio.balance import balance_of
    from evalkit.studio.inputs import read_page
    from evalkit.studio.page_model import Page
    from evalkit.studio.plan_model import write_plan
    from evalkit.studio.planning import Sources, plan_study
    from evalkit.studio.power_estimate import power_of
    from evalkit.studio.request import PlanRequest
    from evalkit.testsets.loading import load_testset

    if output is None and not dry_run:
        raise click.UsageError("Give the file of the plan with -o, or --dry-run.")
    if output is not None and output.exists() and not (force or dry_run):
        raise click.UsageError(f"{output} is there already. Answers may belong to it; --force replaces it.")
    with Board.open(board) as opened:
        snapshot = opened.snapshot()
    request = PlanRequest(
        raters=_raters(raters, snapshot),
        page=read_page(page) if page is not None else Page(title=snapshot.challenge.title),
        items=items,
        training=training,
        repeats=repeats,
        adaptive=adaptive,
        completion=_completion(completion),
        seed=seed,
    )
    names = () if teams is None else tuple(name for part in teams.split(",") if (name := part.strip()))
    sources = Sources(snapshot, submissions, load_testset(testset), names, samples, gold, references)
    made = plan_study(sources, request, progress_on(quiet))
    powers = power_of(made, snapshot, difference)
    if output is not None and not dry_run:
        write_plan(made, output)
    balance = balance_of(made)
    written = None if output is None or dry_run else str(output)
    if as_json:
        counted = {"balance": balance.as_dict(), "power": [one.as_dict() for one in powers]}
        untranslated = {"untranslated": _untranslated(made)}
        click.echo(
            json.dumps({"schema": 1, "plan": written, "sha256": made.sha256, **counted, **untranslated}, indent=1)
        )
        return
    print_balance(balance)
    print_power(powers, made)
    if lacking := _untranslated(made):
        parts = "; ".join(f"{language}: {', '.join(what)}" for language, what in lacking.items())
        say(f"Not translated, so that raters read it as it is ('translations' in --page): {parts}.")
    if written is not None:
        say(f"Plan: {written}. It says whose video an item is, and has the links' secrets: keep it to yourself.")
        say(f"Next: evalkit studio serve {written}, with the same --board, --submissions and --testset.")


def _raters(words: str, snapshot: Snapshot) -> tuple[AskedRater, ...]:
    from evalkit.studio.inputs import MOST_RATERS, numbered_raters, own_teams, read_raters

    if words.isascii() and words.isdecimal():
        if not 1 <= int(words[:9]) <= MOST_RATERS:
            raise click.BadParameter(f"give 1 to {MOST_RATERS} raters.", param_hint="--raters")
        return numbered_raters(int(words), own_teams(snapshot))
    path = Path(words)
    if not path.is_file():
        raise click.BadParameter(f"'{words}' is neither a number nor a file.", param_hint="--raters")
    return read_raters(path, [team.name for team in snapshot.teams], own_teams(snapshot))


def _untranslated(plan: Plan) -> dict[str, list[str]]:
    """Return, per language, what of the organizer's own words raters would read in another one."""
    from evalkit.studio.plan_model import PAIR

    found = plan.page.untranslated([one.id for one in plan.questions if one.id != PAIR])
    return {str(language): lacking for language, lacking in found.items()}


def _completion(word: str | None) -> str | None:
    import re
    import secrets

    if word is None:
        return None
    if word == "random":
        return "".join(secrets.choice("ABCDEFGHJKLMNPQRSTUVWXYZ23456789") for _ in range(10))
    if not re.fullmatch(r"[A-Za-z0-9-]{4,40}", word):
        raise click.BadParameter("a code has 4 to 40 letters, digits and hyphens.", param_hint="--completion")
    return word
