"""Ranking rules: hand arithmetic, and an independent ranking in fractions."""

from __future__ import annotations

from fractions import Fraction

import pytest
from builders.rankings import DOWN, THREE, UP, entry, points, ranks, scores, weights
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.leaderboard.ranking import rank_rows
from evalkit.leaderboard.table import Cell, Column, Row


def test_three_teams_two_metrics_four_raters():
    """One dimension, rated by four people 1..5; every number of the board.

    Ratings   a: 5 4 4 3 -> 4.00    b: 3 3 2 4 -> 3.00    c: 5 5 4 4 -> 4.50
    To 0..1   metric up (0..1):      a .8   b .6   c .7
              metric down (0..10):   a .6   b .9   c .4
              people (1..5):         a .75  b .5   c .875
    Weights up 1, down 3, people 2; the groups share 1 : 1.
      objective: a (.8 + 3 * .6) / 4 = .65    b (.6 + 2.7) / 4 = .825    c (.7 + 1.2) / 4 = .475
      score:     a (.65 + .75) / 2 = .7       b (.825 + .5) / 2 = .6625  c (.475 + .875) / 2 = .675
    """
    rated = {"a": [5, 4, 4, 3], "b": [3, 3, 2, 4], "c": [5, 5, 4, 4]}
    columns = [
        Column("up", True, weight=1, range=(0, 1)),
        Column("down", False, weight=3, range=(0, 10)),
        Column("people", True, "subjective", weight=2, range=(1, 5)),
    ]
    people = {team: sum(values) / 4 for team, values in rated.items()}
    entries = [Row(one.team, "1", {**one.cells, "people": Cell(people[one.team])}) for one in THREE]
    grouped = rank_rows(entries, columns, "weighted-sum", group_weights={"objective": 1, "subjective": 1})
    assert scores(grouped) == {"a": 0.7, "c": 0.675, "b": 0.6625}
    assert ranks(grouped) == {"a": 1, "c": 2, "b": 3}
    assert points(grouped.rows[0]) == {"up": 0.8, "down": 0.6, "people": 0.75}
    assert weights(grouped) == {"up": 0.125, "down": 0.375, "people": 0.5}
    # Without groups, of six: a .8 + 1.8 + 1.5, b .6 + 2.7 + 1, c .7 + 1.2 + 1.75.
    flat = rank_rows(entries, columns, "weighted-sum")
    assert scores(flat) == pytest.approx({"b": 4.3 / 6, "a": 4.1 / 6, "c": 3.65 / 6}, abs=1e-12)
    # Ranks: up a1 c2 b3, down b1 a2 c3, people c1 a2 b3. Sum: a 1 + 6 + 4, b 3 + 3 + 6, c 2 + 9 + 2.
    by_rank = rank_rows(entries, columns, "rank-sum")
    assert scores(by_rank) == {"a": 11, "b": 12, "c": 13}
    assert by_rank.lower_wins
    assert ranks(by_rank) == {"a": 1, "b": 2, "c": 3}
    assert scores(rank_rows(entries, columns, "mean-rank")) == pytest.approx({"a": 11 / 6, "b": 2, "c": 13 / 6})
    # Borda: 3 - rank, times weight: a 2 + 3 + 2, b 0 + 6 + 0, c 1 + 0 + 4.
    borda = rank_rows(entries, columns, "borda")
    assert scores(borda) == {"a": 7, "b": 6, "c": 5}
    assert not borda.lower_wins


def test_group_weights_of_ranks():
    columns = [UP, DOWN, Column("people", True, "subjective", range=(1, 5))]
    entries = [
        Row(one.team, "1", {**one.cells, "people": Cell(value)})
        for one, value in zip(THREE, (4.0, 3.0, 4.5), strict=True)
    ]
    # objective 2 is shared: 1 each; people 4: a 1 + 2 + 8, b 3 + 1 + 12, c 2 + 3 + 4
    ranking = rank_rows(entries, columns, "rank-sum", group_weights={"objective": 2, "subjective": 4, "speed": 9})
    assert scores(ranking) == {"c": 9, "a": 11, "b": 16}


def test_a_group_of_weight_zero_asks_for_nothing():
    columns = [UP, Column("fps", True, "speed")]
    entries = [entry("a", up=0.1), entry("b", up=0.2)]
    ranking = rank_rows(entries, columns, "rank-sum", group_weights={"objective": 1, "speed": 0})
    assert ranks(ranking) == {"b": 1, "a": 2}


def test_equal_values_share_the_mean_of_their_places():
    entries = [entry("a", up=0.5), entry("b", up=0.5), entry("c", up=0.1)]
    ranking = rank_rows(entries, [UP], "rank-sum")
    assert scores(ranking) == {"a": 1.5, "b": 1.5, "c": 3}
    assert ranks(ranking) == {"a": 1, "b": 1, "c": 3}
    assert scores(rank_rows(entries, [UP], "borda")) == {"a": 1.5, "b": 1.5, "c": 0}


def test_values_beyond_the_range_are_cut_off():
    entries = [entry("a", down=-3.0), entry("b", down=0.0), entry("c", down=25.0), entry("d", down=10.0)]
    ranking = rank_rows(entries, [DOWN], "weighted-sum")
    assert scores(ranking) == {"a": 1, "b": 1, "c": 0, "d": 0}
    assert ranks(ranking) == {"a": 1, "b": 1, "c": 3, "d": 3}


def test_rounding_makes_no_winner():
    """0.1 + 0.2 is not 0.3 in binary, and must be a tie."""
    columns = [Column(name, True, range=(0, 1)) for name in "xyz"]
    entries = [entry("a", x=0.1, y=0.2, z=0.3), entry("b", x=0.3, y=0.1, z=0.2), entry("c", x=0.2, y=0.3, z=0.1)]
    assert set(ranks(rank_rows(entries, columns, "weighted-sum")).values()) == {1}


def test_a_fixed_range_makes_a_score_independent_of_the_others():
    alone = rank_rows(THREE[:1], [UP, DOWN], "weighted-sum")
    assert scores(alone)["a"] == scores(rank_rows(THREE, [UP, DOWN], "weighted-sum"))["a"]


VALUES = st.integers(-4, 4)


def by_fractions(rule: str, table: list[list[int]], higher: list[bool], weights: list[int]) -> list[int]:
    """Rank in exact arithmetic, counting who beats whom instead of sorting."""

    def beats(ours: int, other: int, up: bool) -> Fraction:
        return Fraction(1) if (ours > other if up else ours < other) else Fraction(ours == other, 2)

    totals = []
    for row in table:
        total = Fraction(0)
        for value, column, up, weight in zip(row, zip(*table, strict=True), higher, weights, strict=True):
            if rule == "weighted-sum":
                share = Fraction(min(max(value, -3), 3) + 3, 6)
                total += weight * (share if up else 1 - share)
            else:  # rank = entries - beaten + 1/2 (oneself counts as equal) orders like the number beaten
                total += weight * sum(beats(value, other, up) for other in column)
        totals.append(total)
    return [1 + sum(other > mine for other in totals) for mine in totals]


@settings(max_examples=80)
@given(
    st.sampled_from(["weighted-sum", "rank-sum", "mean-rank", "borda"]),
    st.integers(1, 3).flatmap(
        lambda m: st.tuples(
            st.lists(st.lists(VALUES, min_size=m, max_size=m), min_size=1, max_size=6),
            st.lists(st.booleans(), min_size=m, max_size=m),
            st.lists(st.integers(1, 5), min_size=m, max_size=m),
        )
    ),
)
def test_every_rule_against_exact_fractions(rule, made):
    table, higher, weights = made
    columns = [
        Column(f"m{i}", up, weight=weight, range=(-3, 3))
        for i, (up, weight) in enumerate(zip(higher, weights, strict=True))
    ]
    entries = [entry(f"t{i}", **{f"m{j}": float(value) for j, value in enumerate(row)}) for i, row in enumerate(table)]
    found = ranks(rank_rows(entries, columns, rule))
    assert [found[f"t{i}"] for i in range(len(table))] == by_fractions(rule, table, higher, weights)
    turned = rank_rows(entries[::-1], columns[::-1], rule)
    assert ranks(turned) == found, "the order of entries and columns must not matter"
