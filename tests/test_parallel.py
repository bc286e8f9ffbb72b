"""Modules that take long start first where processes share the tests, and each process keeps to its core."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from parallel import LONGEST, TESTS, core_of, longest_first, seconds_by_module

from evalkit.workers.pool import default_workers


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


@pytest.mark.parametrize(
    ("worker", "workers", "cores", "core"),
    [
        ("gw0", 2, {3, 1}, 1),
        ("gw1", 2, {3, 1}, 3),
        ("gw2", 3, {3, 1}, 1),
        ("gw0", 2, {0, 1, 2}, None),
        ("gw0", 1, {5}, 5),
    ],
)
def test_each_process_has_a_core_where_there_are_enough(
    worker: str, workers: int, cores: set[int], core: int | None
) -> None:
    assert core_of(worker, workers, cores) == core


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="the system can't keep a process to a core")
def test_this_process_counts_the_cores_that_it_keeps_to() -> None:
    shared = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "0")) >= (os.cpu_count() or 1)
    assert default_workers() == (1 if shared else len(os.sched_getaffinity(0)))
