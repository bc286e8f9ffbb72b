"""Tie breaks: in their order, and only where all values can be compared."""

from __future__ import annotations

import pytest
from builders.rankings import THREE, UP, entry, ranks

from evalkit.errors import ChallengeError
from evalkit.leaderboard.ranking import rank_rows
from evalkit.leaderboard.table import Cell, Column, Row


def test_tie_breaks_in_their_order():
    first, second = Column("first", True, ranks=False), Column("second", False, ranks=False)
    entries = [
        entry("a", up=0.5, first=1.0, second=3.0),
        entry("b", up=0.5, first=2.0, second=9.0),
        entry("c", up=0.5, first=1.0, second=2.0),
        entry("d", up=0.1, first=9.0, second=0.0),
    ]
    ranking = rank_rows(entries, [UP, first, second], "weighted-sum", tie_breaks=["first", "second"])
    assert ranks(ranking) == {"b": 1, "c": 2, "a": 3, "d": 4}
    assert [p.tie_break for p in ranking.rows] == ["first", "second", "second", None]
    other = rank_rows(entries, [UP, first, second], "weighted-sum", tie_breaks=["second", "first"])
    assert ranks(other) == {"c": 1, "a": 2, "b": 3, "d": 4}
    only = rank_rows(entries, [UP, first, second], "weighted-sum", tie_breaks=["first"])
    assert ranks(only) == {"b": 1, "a": 2, "c": 2, "d": 4}
    assert [p.tie_break for p in only.rows] == ["first", "first", "first", None]
    fewer = rank_rows(entries, [UP, Column("first", False, ranks=False)], "weighted-sum", tie_breaks=["first"])
    assert ranks(fewer) == {"a": 1, "c": 1, "b": 3, "d": 4}


def test_a_tie_break_that_someone_lacks_is_passed_over():
    extra, last = Column("extra", True, ranks=False), Column("last", True, ranks=False)
    entries = [entry("a", up=0.5, extra=None, last=1.0), entry("b", up=0.5, extra=0.0, last=2.0)]
    ranking = rank_rows(entries, [UP, extra, last], "borda", tie_breaks=["extra", "last"])
    assert ranks(ranking) == {"b": 1, "a": 2}
    assert ranking.rows[0].tie_break == "last"
    assert ranks(rank_rows(entries, [UP, extra], "borda", tie_breaks=["extra"])) == {"a": 1, "b": 1}


def test_a_tie_break_must_be_comparable():
    down = Column("fid", False, ranks=False)
    entries = [
        Row(team, "1", {"up": Cell(0.5), "fid": Cell(n, set_sizes={"n": n})}) for team, n in (("a", 5), ("b", 6))
    ]
    assert ranks(rank_rows(entries, [UP, down], "borda", tie_breaks=["fid"])) == {"a": 1, "b": 1}
    thin = [
        Row("a", "1", {"up": Cell(0.5), "fid": Cell(1, coverage=0.5)}),
        Row("b", "1", {"up": Cell(0.5), "fid": Cell(2)}),
    ]
    assert ranks(rank_rows(thin, [UP, down], "borda", tie_breaks=["fid"])) == {"a": 1, "b": 1}


def test_an_unknown_tie_break_is_an_error_even_without_a_tie():
    with pytest.raises(ChallengeError, match="tie break 'no' is not a column"):
        rank_rows(THREE, [UP], "borda", tie_breaks=["no"])
