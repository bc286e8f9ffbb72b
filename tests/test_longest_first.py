"""Modules that take long start first where processes share the tests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from longest_first import LONGEST, TESTS, longest_first


@dataclass(frozen=True)
class Item:
    path: Path
    name: str


def test_the_longest_come_first_and_keep_their_inner_order() -> None:
    short, other, long, longest = (TESTS / name for name in ("test_a.py", "cli/test_b.py", LONGEST[1], LONGEST[0]))
    given = [Item(short, "1"), Item(long, "1"), Item(long, "2"), Item(other, "1"), Item(longest, "1")]
    ordered = longest_first(cast(Any, given))
    assert ordered == [given[4], given[1], given[2], given[0], given[3]]


def test_all_of_them_are_there() -> None:
    """A module that was renamed would start late again."""
    assert [name for name in LONGEST if not (TESTS / name).is_file()] == []
    assert len(set(LONGEST)) == len(LONGEST)
