"""What a plan can tell apart, and how many raters or comparisons a difference takes."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from evalkit.board.filtering import filter_answers
from evalkit.board.model import Snapshot
from evalkit.errors import InputError, UsageError
from evalkit.ratings.model import AnswerVerdict
from evalkit.statistics.power import comparisons_needed, detectable_difference, detectable_share, raters_needed
from evalkit.statistics.rating_variance import RatedCells, Spread, assumed_spread, estimate_spread
from evalkit.studio.balance import COUNTED, counted_items, open_turns
from evalkit.studio.plan_model import Plan, Question

USUAL_DIFFERENCE = 0.125  # of the scale's width: half a point of 1 to 5
USUAL_SHARE = 0.6
MOST_RATINGS = 3000  # that a spread is estimated from


@dataclass(frozen=True)
class QuestionPower:
    """The power of a plan in one question.

    Args:
        question: its id.
        difference: that is asked about: points of the scale, or the share of points of the better one of two.
        needed: raters with lists as in this plan, or comparisons of every two teams, to tell two teams so far apart;
            ``None`` where no number does.
        detectable: the least difference that this plan tells apart; ``None`` where there is none.
        there: raters, or comparisons of every two teams on average, of this plan.
        spread: of ratings, ``None`` for comparisons.
        estimated_from: ratings on the board that the spread is estimated from; 0 where it is assumed.
    """

    question: str
    difference: float
    needed: int | None
    detectable: float | None
    there: float
    spread: Spread | None = None
    estimated_from: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data for JSON."""
        return asdict(self)


def power_of(plan: Plan, snapshot: Snapshot, difference: float | None = None) -> list[QuestionPower]:
    """Return what the plan can tell apart, question by question.

    Args:
        plan: the plan.
        snapshot: the board, whose ratings say how much ratings vary.
        difference: that is asked about; half a point of five, or 60 % of the points of a pair by default.

    Raises:
        UsageError: the difference is none that can be.
    """
    if plan.method == "pairs":
        return [_of_pairs(plan, question, difference) for question in plan.questions]
    verdicts = filter_answers(snapshot).counted("rating")
    cells = _cells(plan)
    return [_of_ratings(cells, plan, question, verdicts, difference) for question in plan.questions]


def _of_pairs(plan: Plan, question: Question, difference: float | None) -> QuestionPower:
    teams = sorted({one.team for one in plan.media.values() if one.team is not None})
    total = sum(len(counted_items(plan, one)) + open_turns(one) for one in plan.raters.values())
    each = total / (len(teams) * (len(teams) - 1) / 2)
    share = USUAL_SHARE if difference is None else difference
    needed = comparisons_needed(share, len(teams))
    return QuestionPower(question.id, share, needed, detectable_share(each, len(teams)), each)


def _of_ratings(
    cells: RatedCells, plan: Plan, question: Question, verdicts: Sequence[AnswerVerdict], difference: float | None
) -> QuestionPower:
    low, high = question.scale or (0, 1)
    width = float(high - low)
    asked = USUAL_DIFFERENCE * width if difference is None else difference
    if not 0 < asked <= width:
        expected = f"more than 0, at most {width:g}: the scale is {low} to {high}"
        raise UsageError("Teams can't differ by that.", found=f"{asked:g}", expected=expected)
    own = [one for one in verdicts if one.answer.dimension == question.id and one.entry is not None]
    spread, count = assumed_spread(width), 0
    with suppress(InputError):  # too few ratings, or no spread to tell apart: the assumed one is used, and named so
        spread, count = _estimated(own), min(len(own), MOST_RATINGS)
    least = detectable_difference(cells, spread) if len(plan.raters) > 1 else None
    return QuestionPower(
        question.id,
        asked,
        raters_needed(cells, spread, asked),
        least if least is not None and least <= width else None,  # no two teams differ by more than the scale
        len(plan.raters),
        spread,
        count,
    )


def _cells(plan: Plan) -> RatedCells:
    rows = []
    for rater in plan.raters:
        for item in plan.raters[rater].items:
            if item is None or plan.items[item].kind not in COUNTED:
                continue
            medium = plan.media[plan.items[item].media[0]]
            if medium.team is not None:
                rows.append(((medium.team, medium.run), medium.sample, rater))
    return _coded(rows)


def _estimated(verdicts: Sequence[AnswerVerdict]) -> Spread:
    """Return the spread of the board's ratings; of many, of those of the first raters."""
    by_rater = sorted(verdicts, key=lambda one: one.answer.rater)[:MOST_RATINGS]
    rows = [((one.entry.team, one.entry.run), one.entry.sample, one.answer.rater) for one in by_rater if one.entry]
    if not rows:
        raise InputError("There are no ratings.")
    return estimate_spread(_coded(rows), np.array([one.answer.value for one in by_rater], dtype=np.float64))


def _coded(rows: Sequence[tuple[tuple[str, str | None], str, str]]) -> RatedCells:
    def codes(column: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        known: dict[object, int] = {}
        return np.array([known.setdefault(row[column], len(known)) for row in rows], dtype=np.int64)

    return RatedCells(codes(0), codes(1), codes(2))
