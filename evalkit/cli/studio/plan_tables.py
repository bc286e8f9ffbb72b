"""A plan on the terminal: its balance, and what it can tell apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from evalkit.cli.options import say

if TYPE_CHECKING:
    from evalkit.studio.balance import Balance
    from evalkit.studio.plan_model import Plan
    from evalkit.studio.power_estimate import QuestionPower


def print_balance(balance: Balance) -> None:
    """Print the table of the design."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from evalkit.text import count, escape_for_display

    kinds = ", ".join(
        f"{low}{'' if low == high else f' to {high}'} {name}" for name, (low, high) in balance.items.items()
    )
    say(f"{count(balance.raters, 'rater')}; items of each: {kinds}.")
    table = Table(header_style="bold")
    sides = ("on the left",) if balance.method == "pairs" else ()
    for title in ("team", "run", "shown", "per rater", "per video", "mean place", *sides):
        table.add_column(title, justify="left" if title in {"team", "run"} else "right")
    for one in balance.teams:
        table.add_row(
            Text(escape_for_display(one.team)),
            Text(escape_for_display(one.run)),
            str(one.shown),
            _span(one.fewest, one.most),
            _span(one.video_fewest, one.video_most),
            "" if one.place is None else f"{one.place:.2f}",
            *(() if one.left is None else (f"{one.left:.0%}",)),
        )
    if any(one.shown for one in balance.teams):
        Console(highlight=False, emoji=False).print(table)
    if balance.pair_fewest is not None:
        say(f"Two teams meet {_span(balance.pair_fewest, balance.pair_most or 0)} times.")
    say(
        f"Neighbours of one team: {balance.same_team}; of one sample: {balance.same_sample}; "
        f"videos of a rater's own team: {balance.own_team}."
    )
    if balance.repeat_distance is not None:
        say(f"Repeats come at least {balance.repeat_distance} items after what they repeat.")


def print_power(powers: Sequence[QuestionPower], plan: Plan) -> None:
    """Print what the plan can tell apart (80 % power, 5 % for all pairs together by Holm's correction)."""
    from evalkit.text import count

    titles = {question.id: question.title for question in plan.questions}
    teams = len({one.team for one in plan.media.values() if one.team is not None})
    for one in powers:
        say(f"{titles[one.question]}: " + (_of_pairs(one) if one.spread is None else _of_ratings(one)))
    tests = count(teams * (teams - 1) // 2, "pair")
    say(f"That is with 80 % probability, at 5 % for {tests} of teams together (Holm's correction).")
    assumed = [titles[one.question] for one in powers if one.spread is not None and not one.estimated_from]
    known = max((one.estimated_from for one in powers), default=0)
    if known:
        say(f"The spread of ratings is estimated from {count(known, 'rating')} on the board.")
    if assumed:
        say(f"The spread of ratings is assumed, without enough of them on the board: {', '.join(assumed)}.")


def _of_pairs(power: QuestionPower) -> str:
    here = "no difference" if power.detectable is None else f"{power.detectable:.0%} of points for the better"
    asked = f"two of which the better gets {power.difference:.0%} of points"
    return (
        f"{power.needed} comparisons of every two teams tell apart {asked}; "
        f"this plan's {power.there:.3g} tell apart {here}."
    )


def _of_ratings(power: QuestionPower) -> str:
    from evalkit.text import count

    here = "nothing" if power.detectable is None else f"a difference of {power.detectable:.2f}"
    if power.needed is None:
        needed = (
            f"no number of raters tells apart two teams that differ by {power.difference:g}: the samples are too few"
        )
    else:
        needed = f"{count(power.needed, 'rater')} tell apart two teams that differ by {power.difference:g}"
    return f"{needed}; this plan's {power.there:g} tell apart {here}."


def _span(low: int, high: int) -> str:
    return str(low) if low == high else f"{low} to {high}"
