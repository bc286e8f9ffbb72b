"""What a rater sees next: a pure function of the plan and the answers so far."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from evalkit.studio.adaptive import choose_item, choose_repeat, next_in_list
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
    item, turn, following = next_in_list(listed, answered, len(answered - fixed))
    if turn is None:
        return item
    asked = [item for name, item in pending if name == rater and item in plan.items and item not in answered | fixed]
    if asked:
        return asked[-1]
    ahead = following if _is_next(listed, turn, following) else None
    again = choose_repeat(plan, every, rater, ahead) if turn in plan.raters[rater].repeat_turns else None
    return again or choose_item(plan, every, rater, pending, ahead) or following


def _is_next(listed: Sequence[str | None], turn: int, item: str | None) -> bool:
    """Whether an item follows directly after an open place."""
    places = [at for at, one in enumerate(listed) if one is None]
    return item is not None and listed[places[turn] + 1] == item
