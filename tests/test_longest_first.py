"""Modules that take long start first where processes share the tests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from longest_first import LONGEST, TESTS, longest_first, seconds_by_module


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


def test_seconds_are_summed_by_module() -> None:
    parts = [("a.py::x", 1.0), ("b.py::y[a::b]", 4.0), ("a.py::x", 2.0), ("a.py::z", 0.5)]
    reports = [
        pytest.TestReport(name, ("", None, ""), {}, "passed", None, "call", duration=took) for name, took in parts
    ]
    assert seconds_by_module(reports) == [("b.py", 4.0), ("a.py", 3.5)]
