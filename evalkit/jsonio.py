"""Read JSON of strangers: what two readers could understand differently is refused.

A key twice in one object, NaN and Infinity, nesting that no honest file has, and on request numbers beyond a float.
"""

from __future__ import annotations

import json
import math
from typing import Any

from evalkit.text import escape_for_display

MAX_DEPTH = 64  # of lists and objects in each other
_SHOWN = 60  # characters of a key or number in a message


def parse_json(text: str, *, finite: bool = False) -> Any:
    """Return what a JSON document says.

    Args:
        text: the document.
        finite: whether numbers that a float can't hold, such as 1e999, are refused; else they become infinite.

    Raises:
        ValueError: with what is wrong, also for JSON that names a key twice, holds NaN or Infinity, or is nested too
            deeply.
    """
    try:
        value = (_FINITE_DECODER if finite else STRICT_DECODER).decode(text)
    except RecursionError:
        raise _too_deep() from None
    check_depth(value)
    return value


def check_depth(value: Any) -> None:
    """Make sure that programs can walk through ``value`` by recursion.

    Raises:
        ValueError: when lists and objects are nested more than `MAX_DEPTH` levels.
    """
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [child for one in level if isinstance(one, (dict, list)) for child in _children(one)]
        if not level:
            return
    raise _too_deep()


def _children(value: dict[str, Any] | list[Any]) -> list[Any]:
    inner = value.values() if isinstance(value, dict) else value
    return [child for child in inner if isinstance(child, (dict, list))]


def _too_deep() -> ValueError:
    return ValueError("nested too deeply")


def _no_constant(word: str) -> None:
    raise ValueError(f"{word} is not a JSON value")


def _finite(word: str) -> float:
    number = float(word)
    if not math.isfinite(number):
        raise ValueError(f"the number {escape_for_display(word, _SHOWN)} is too large")
    return number


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key '{escape_for_display(twice, _SHOWN)}' appears twice")
    return record


# For readers of parts of a text, such as one line or one element; they check the depth themselves where it matters.
STRICT_DECODER = json.JSONDecoder(parse_constant=_no_constant, object_pairs_hook=_once)
_FINITE_DECODER = json.JSONDecoder(parse_constant=_no_constant, parse_float=_finite, object_pairs_hook=_once)
