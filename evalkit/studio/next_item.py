"""What a rater sees next: a pure function of the plan and the answers so far."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from evalkit.studio.adaptive import choose_item, next_in_list
from evalkit.studio.given import Given
from evalkit.studio.plan_model import Plan

__all__ = ["Given", "next_item"]


def next_item(
    plan: Plan, answers: Iterable[Given], rater: str, *, pending: Collection[tuple[str, str]] = ()
) -> str | None:
    """Return the id of the item that ``rater`` is to answer now; ``None`` when all are answered.

    Resuming, on another device too, needs nothing but the answers. The same plan, answers and pending comparisons give
    the same item.

    Args:
        plan: the plan.
        answers: those stored, in the order in which they came; where pairs are chosen, those of all raters.
        rater: id of the plan.
        pending: (rater, item) that were asked and are not answered yet. A pair that was chosen for ``rater`` is asked
            again; those of others count as comparisons that are being made.

    Raises:
        KeyError: when the plan does not have the rater.
    """
    every = list(answers)
    listed = plan.raters[rater].items
    answered = {one.item for one in every if one.rater == rater and one.item in plan.items}
    fixed = {item for item in listed if item is not None}
    item, choose = next_in_list(listed, answered, len(answered - fixed))
    if not choose:
        return item
    asked = [item for name, item in pending if name == rater and item in plan.items and item not in answered | fixed]
    return asked[-1] if asked else choose_item(plan, every, rater, pending)
