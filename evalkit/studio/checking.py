"""Whether what a rater's page sends is an answer to what was asked; every refusal is a sentence."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from evalkit.studio.plan_model import Plan, PlanItem

MOST_ANSWERS = 50  # in one request
MOST_SECONDS = 30 * 86_400.0
_ID = re.compile(r"[A-Za-z0-9-]{8,64}")
_MOST_TIME = 40  # characters
_POINTS = (0.0, 0.5, 1.0)
_EDGE = 1e-6


class RefusedError(Exception):
    """An answer can't be taken; the message is a sentence, the code what the rater's page tells by.

    Args:
        message: the sentence.
        code: ``answered`` where the item has an answer already, ``other`` for everything else.
    """

    def __init__(self, message: str, code: Literal["answered", "other"] = "other") -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class GivenAnswer:
    """An answer as the page sent it: of the right form, not yet compared with what was asked.

    One without values says that a video could not be played.
    """

    id: str
    item: str
    values: dict[str, Any]
    page_seconds: float
    watched: tuple[float, ...]
    shown_at: str
    answered_at: str
    unplayable: bool = False


def read_answer(given: Any) -> GivenAnswer:
    """Return an entry of the page's list.

    Raises:
        RefusedError: it has another form.
    """
    if not isinstance(given, dict):
        raise RefusedError("An answer is an object.")
    identity, item, values = given.get("id"), given.get("item"), given.get("values")
    if not isinstance(identity, str) or not _ID.fullmatch(identity):
        raise RefusedError("An answer has an id of 8 to 64 letters, digits and hyphens.")
    if not isinstance(item, str) or not isinstance(values, dict):
        raise RefusedError("An answer says to which item it is, and its values.")
    watched = given.get("watched")
    if not isinstance(watched, list) or not all(_is_number(share) for share in watched):
        raise RefusedError("An answer says how much of each video was played.")
    seconds: Any = given.get("page_seconds")
    if not _is_number(seconds) or not 0 <= seconds <= MOST_SECONDS:
        raise RefusedError("An answer says how many seconds it took.")
    return GivenAnswer(
        identity,
        item,
        values,
        float(seconds),
        tuple(min(1.0, max(0.0, float(share))) for share in watched),
        _time(given.get("shown_at")),
        _time(given.get("answered_at")),
        given.get("unplayable") is True and not values,
    )


def check_values(plan: Plan, values: dict[str, Any]) -> dict[str, float]:
    """Return the answers by question.

    Raises:
        RefusedError: one is missing, off the scale, or to another question.
    """
    asked = {question.id: question.scale for question in plan.questions}
    if values.keys() != asked.keys():
        missing = [question.title for question in plan.questions if question.id not in values]
        raise RefusedError(
            f"There is no answer to: {', '.join(missing)}." if missing else "An answer is to another question."
        )
    checked = {}
    for name, scale in asked.items():
        value = values[name]
        fits = _is_number(value) and (
            value in _POINTS if scale is None else scale[0] <= value <= scale[1] and value == int(value)
        )
        if not fits:
            allowed = "1, 0.5 or 0" if scale is None else f"a whole number from {scale[0]} to {scale[1]}"
            raise RefusedError(f"An answer is not on the scale: {allowed}.")
        checked[name] = float(value)
    return checked


def check_watched(plan: Plan, item: PlanItem, watched: tuple[float, ...], fetched: tuple[float, ...]) -> None:
    """Make sure that each video was played.

    Args:
        plan: says how much of it must have been.
        item: what was answered.
        watched: share of each video that was played, as the page says.
        fetched: share of each video's bytes that the server sent.

    Raises:
        RefusedError: it was not.
    """
    if len(watched) != len(item.media) or min(watched) < plan.page.watch_share - _EDGE:
        raise RefusedError("The video was not watched to its end.")
    # A share of the time is not the same share of the bytes; the page can't have played what it does not have.
    if min(fetched) < 0.8 * plan.page.watch_share:
        raise RefusedError("The video was not loaded to its end.")


def _is_number(value: Any) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number that no float holds
        return False


def _time(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > _MOST_TIME:
        raise RefusedError("A time is written as in 2026-03-01T12:00:00Z.")
    try:
        return datetime.fromisoformat(value).isoformat()
    except ValueError:
        raise RefusedError("A time is written as in 2026-03-01T12:00:00Z.") from None
