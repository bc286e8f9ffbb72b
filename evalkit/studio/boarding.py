"""What the board gets of a study: its key and gold items at the start, then answers as they come."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from evalkit.board import Board
from evalkit.board.model import GoldItem, GoldPair
from evalkit.challenges.model import Challenge
from evalkit.challenges.parts import Window
from evalkit.challenges.rating_rules import RatingRules
from evalkit.errors import InputError
from evalkit.ratings.model import Answer, Key, KeyEntry
from evalkit.studio.feeding import ToBoard
from evalkit.studio.journal import StoredAnswer
from evalkit.studio.plan_model import Plan, key_of
from evalkit.text import count, escape_for_display

FORM = "studio"
_SHOWN = 5


def is_for_board(plan: Plan, item: str) -> bool:
    """Return whether answers to an item go to the board.

    Not those to training. Those about hidden references tell how far teams are from the truth, as far as the plan says
    that they are the real videos (plans of before don't), and those with known answers who looks.
    """
    found = plan.items[item]
    if found.kind == "reference":
        return any(plan.media[medium].real for medium in found.media)
    return found.kind != "training"


def board_answers(plan: Plan, stored: StoredAnswer) -> list[Answer]:
    """Return what an answer is on the board: one for each question.

    The time spent is the lesser of what server and page measured. The server's runs on while a rater is away or without
    a connection; the page's is only a claim, and one that is too small harms nobody else.
    """
    item = plan.items[stored.item]
    seconds = stored.page_seconds if stored.seconds is None else min(stored.seconds, stored.page_seconds)
    teams = plan.sides_of(stored.item) if plan.method == "pairs" else ()
    return [
        Answer(
            rater=stored.rater,
            item=item.sample if teams else stored.item,
            dimension=question.dimension,
            value=float(stored.values[question.id]),
            at=stored.at,
            seconds=round(seconds, 3),
            row=stored.number,
            teams=teams,
        )
        for question in plan.questions
    ]


def board_writer(board: Board, plan: Plan, source: str, sha256: str, by: str) -> ToBoard:
    """Return what gives answers to the board: all of a plan are one import, which can be undone as a whole.

    Args:
        board: the board.
        plan: the plan, perhaps without some items.
        source: name of the plan's file.
        sha256: digest of the whole plan.
        by: who, for the board's log.
    """

    def write(given: Sequence[StoredAnswer], *, again: bool = False) -> None:
        rows = [answer for stored in given for answer in board_answers(plan, stored)]
        if again:  # those of an import that was undone since were there, and stay undone
            known = board.answers_held([one.id for one in rows], undone=True)
            rows = [one for one in rows if one.id not in known]
        board.import_answers(rows, source=source, sha256=sha256, form=FORM, by=by, join=True)

    return write


def refuse_forgotten(board: Board, sha256: str, folder: str) -> None:
    """Make sure that the board has no answers of a plan whose journal is new: raters would be asked everything again.

    Raises:
        InputError: it has some.
    """
    found = [one for one in board.snapshot().imports if (one.form, one.sha256) == (FORM, sha256)]
    if found:
        raise InputError(
            f"The board has answers of this plan, and {folder} knows nothing of them.",
            found=f"import {found[0].number}, {found[0].new} new",
            fix="Give the studio's folder of before with --data, or undo the import with 'evalkit ratings undo'.",
        )


def set_up_board(board: Board, plan: Plan, source: str, by: str) -> list[str]:
    """Give the board the plan's key, gold items and the raters' teams; return sentences that the organizer must read.

    Raises:
        InputError: the board is of another challenge, asks other questions, or has another key.
    """
    challenge = board.challenge()
    if challenge.id != plan.challenge.id:
        raise InputError("The plan is not of the board's challenge.", found=plan.challenge.id, expected=challenge.id)
    _check_questions(plan, challenge.ratings)
    notes = about_rules(challenge, plan, datetime.now(UTC))
    key = {item: KeyEntry(*meaning) for item, meaning in key_of(plan).items()}
    held = board.snapshot()
    there = {} if held.key is None else held.key.entries
    if any(there.get(item) != entry for item, entry in key.items()):  # at a restart nothing is written
        board.set_key(Key(key, source), by=by, allow_unknown=True)  # a known answer may be of a sample of no run
    known = {(one.item, one.dimension): one for one in held.gold}
    gold = {(one.item, one.dimension): one for one in _gold(plan)}
    if gold.keys() - known.keys() or any(known[place] != one for place, one in gold.items() if place in known):
        board.set_gold(list({**known, **gold}.values()), by=by)
    known_pairs = {(one.sample, one.dimension, one.sides): one for one in held.gold_pairs}
    pairs = {(one.sample, one.dimension, one.sides): one for one in _gold_pairs(plan)}
    if any(known_pairs.get(place) != one for place, one in pairs.items()):
        board.set_gold_pairs(list({**known_pairs, **pairs}.values()), by=by)
    for name, rater in plan.raters.items():
        if rater.team is not None and held.raters.get(name) != rater.team:
            board.set_rater_team(name, rater.team, by=by)
    return notes


def names_of_others(board: Board, plan: Plan) -> list[str]:
    """Return a sentence where the board has answers of other studies under the names of the plan's raters."""
    known = {answer.rater for answer in board.snapshot().answers}
    same = [name for name in plan.raters if name in known]
    if not same:
        return []
    shown = ", ".join(escape_for_display(name, 40) for name in same[:_SHOWN]) + (", ..." if len(same) > _SHOWN else "")
    return [
        f"The board has answers of {count(len(same), 'rater')} with the same name from elsewhere ({shown}). They count "
        "as the same people, also for the most items of a rater. If they are others, make the plan with other names: "
        "--raters FILE."
    ]


def about_rules(challenge: Challenge, plan: Plan, now: datetime) -> list[str]:
    """Return what the organizer must know of the board's present rules."""
    changed = challenge.sha256 != plan.challenge.sha256
    notes = ["The board's rules have changed since the plan was made."] if changed else []
    return notes + about_window(challenge.ratings.window, now)


def about_window(window: Window | None, now: datetime) -> list[str]:
    """Return a sentence where answers that come now don't count by the window of the challenge."""
    if window is None:
        return []
    opens, closes = window.opens_at(), window.closes_at()
    if opens is not None and now < opens:
        return [f"By the challenge's rules, answers count from {window.opens} on: those before don't."]
    if closes is not None and now > closes:
        return [f"By the challenge's rules, answers counted until {window.closes}: new ones don't."]
    return []


def _gold(plan: Plan) -> Iterable[GoldItem]:
    if plan.method == "mos":
        for name, item in plan.items.items():
            for dimension, (low, high) in item.expected.items():
                yield GoldItem(name, dimension, low, high)


def _gold_pairs(plan: Plan) -> Iterable[GoldPair]:
    if plan.method == "pairs":
        dimensions = {question.id: question.dimension for question in plan.questions}
        for name, item in plan.items.items():
            for question, (low, high) in item.expected.items():
                about = (item.sample, dimensions[question], plan.sides_of(name))
                yield GoldPair(*about, low, high, question not in item.no_draw).in_order()


def _check_questions(plan: Plan, rules: RatingRules) -> None:
    if rules.method != plan.method:
        raise InputError("The plan's method is not the challenge's.", found=plan.method, expected=rules.method)
    asked = {one.id: one.scale for one in rules.dimensions}
    for question in plan.questions:
        if not question.dimension:
            continue
        if question.id not in asked:
            raise InputError(
                f"The plan asks '{question.id}', which the challenge does not have.", expected=", ".join(asked)
            )
        if question.scale is not None and question.scale != asked[question.id]:
            raise InputError(
                f"The plan's scale of '{question.id}' is not the challenge's.",
                found=str(list(question.scale)),
                expected=str(list(asked[question.id])),
            )
