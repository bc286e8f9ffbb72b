"""What a rater sees next: a pure function of the plan and the answers so far."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from evalkit.studio.plan_model import Plan


class Given(NamedTuple):
    """One answered item.

    Args:
        rater, item: ids of the plan.
        values: question -> what was answered.
    """

    rater: str
    item: str
    values: Mapping[str, float]


def next_item(plan: Plan, answers: Iterable[Given], rater: str) -> str | None:
    """Return the id of the item that ``rater`` is to answer now; ``None`` when all are answered.

    Resuming, on another device too, needs nothing but the answers.

    Args:
        plan: the plan.
        answers: those stored, in the order in which they came; of other raters too.
        rater: id of the plan.

    Raises:
        KeyError: when the plan does not have the rater.
    """
    answered = {one.item for one in answers if one.rater == rater}
    return next((item for item in plan.raters[rater].items if item is not None and item not in answered), None)
