"""Runs and columns that don't take part in a ranking, each with the reason."""

from __future__ import annotations

from dataclasses import replace

import pytest
from builders.rankings import DOWN, THREE, UP, entry, ranks, weights, why

from evalkit.errors import ChallengeError, InputError
from evalkit.leaderboard.ranking import rank_rows
from evalkit.leaderboard.table import Cell, Column, Row


@pytest.mark.parametrize("rule", ["weighted-sum", "rank-sum", "mean-rank", "borda"])
def test_an_incomplete_entry_is_shown_and_changes_nothing(rule):
    lost = Row("d", "1", {"up": Cell(1.0), "down": Cell(None, reason="no_reference_video")})
    whole, more = rank_rows(THREE, [UP, DOWN], rule), rank_rows([lost, *THREE], [UP, DOWN], rule)
    assert more.rows[:3] == whole.rows
    assert (more.rows[3].team, more.rows[3].rank, more.rows[3].score) == ("d", None, None)
    (reason,) = more.rows[3].reasons
    assert reason.code == "unscored"
    assert reason.sentence == "down has no value: no_reference_video."


def test_a_cell_that_is_not_there_is_a_gap():
    ranking = rank_rows([entry("a", up=0.5), *THREE[1:]], [UP, DOWN], "rank-sum")
    assert why(ranking, "a") == ["unscored"]


def test_coverage_below_the_challenges_is_not_ranked_and_counts_for_objective_numbers_only():
    cells = {"up": Cell(0.9, coverage=0.949), "people": Cell(4.0, coverage=0.2)}
    columns = [UP, Column("people", True, "subjective", range=(1, 5))]
    good = Row("b", "1", {"up": Cell(0.1, coverage=0.95), "people": Cell(4.0, coverage=0.2)})
    ranking = rank_rows([Row("a", "1", cells), good], columns, "rank-sum", coverage=0.95)
    assert ranks(ranking) == {"b": 1, "a": None}
    assert why(ranking, "a") == ["coverage"]


def test_only_primary_runs_compete():
    entries = [
        entry("a", "1", primary=False, up=0.99),
        entry("a", "2", up=0.5),
        entry("b", up=0.6),
        entry("c", primary=False, up=0.7),
    ]
    ranking = rank_rows(entries, [UP], "borda")
    assert [(p.team, p.run, p.rank, p.score) for p in ranking.rows] == [
        ("b", "1", 1, 1.0),
        ("a", "2", 2, 0.0),
        ("a", "1", None, None),
        ("c", "1", None, None),
    ]
    assert why(ranking, "c") == ["no_primary"]
    assert ranking.rows[2].reasons[0].sentence == "Only primary runs compete; the team's is 2."


def test_two_primary_runs_of_a_team_need_a_challenge_that_allows_them():
    entries = [entry("a", "1", up=0.2), entry("a", "2", up=0.3), entry("b", up=0.25)]
    with pytest.raises(InputError, match="Team 'a' has too many primary runs"):
        rank_rows(entries, [UP], "borda")
    both = rank_rows(entries, [UP], "borda", primary=2)
    assert [(p.team, p.run) for p in both.ranked] == [("a", "2"), ("b", "1"), ("a", "1")]


def test_a_run_that_appears_twice_is_an_error_with_an_escaped_name():
    with pytest.raises(InputError, match=r"'\\x1b\[2J'"):
        rank_rows([entry("\x1b[2J", up=0.1), entry("\x1b[2J", up=0.2)], [UP], "borda")


def sized(team: str, fid: float, **counts: float) -> Row:
    return Row(team, "1", {"up": Cell(0.5 if team == "a" else 0.6), "fid": Cell(fid, set_sizes=counts)})


FID = Column("fid", False, range=(0, 100))


def test_sets_of_unequal_size_rank_nobody():
    equal = [sized("a", 10, n=3000, n_reference=3000), sized("b", 20, n=3000, n_reference=3000)]
    assert rank_rows(equal, [UP, FID], "rank-sum").refused == {}
    for counts in ({"n": 2999, "n_reference": 3000}, {"n": 3000, "n_reference": 2999}, {"n": 3000}, {}):
        ranking = rank_rows([equal[0], sized("b", 20, **counts)], [UP, FID], "weighted-sum")
        assert ranking.refused["fid"].code == "unequal_n"
        assert weights(ranking) == {"up": 1.0}
        assert ranks(ranking) == {"b": 1, "a": 2}
    unequal = [equal[0], sized("b", 20, n=2999, n_reference=3000)]
    said = rank_rows(unequal, [UP, FID], "borda").refused["fid"].sentence
    assert "n differs, 3000 (a), 2999 (b)" in said


def test_a_run_with_other_sizes_than_most_costs_itself_only():
    honest = [sized(team, fid, n=9, n_reference=9) for team, fid in (("b", 10), ("c", 20), ("d", 30))]
    alone = rank_rows(honest, [UP, FID], "rank-sum")
    for counts in ({"n": 8, "n_reference": 9}, {"n": 9, "n_reference": 1e9}, {"n": 9}, {}):
        ranking = rank_rows([*honest, sized("a", 1, **counts)], [UP, FID], "rank-sum")
        assert ranking.refused == {}
        assert ranks(ranking) == {"b": 1, "c": 2, "d": 3, "a": None}
        assert why(ranking, "a") == ["unequal_n"]
        assert [row.score for row in ranking.ranked] == [row.score for row in alone.ranked]


def test_the_runs_that_the_organizer_scored_say_which_sizes_are_right():
    by_us = replace(sized("b", 10, n=9, n_reference=9), origin="scored-here")
    others = [sized(team, 5, n=7, n_reference=9) for team in ("a", "c", "d")]
    assert ranks(rank_rows([by_us, *others], [UP, FID], "rank-sum")) == {"b": 1, "a": None, "c": None, "d": None}
    also = replace(sized("e", 10, n=8, n_reference=9), origin="signed")  # they disagree: more than half decide
    ranking = rank_rows([by_us, also, *others], [UP, FID], "rank-sum")
    assert {team for team, rank in ranks(ranking).items() if rank is None} == {"b", "e"}


def test_sizes_of_a_tie_break_count_too():
    up = Column("up", True, range=(0, 1))
    tie = Column("fid", False, weight=0.0, range=(0, 100))
    rows = [sized(team, fid, n=9) for team, fid in (("b", 10), ("c", 20))]
    ranking = rank_rows([*rows, sized("d", 1, n=3)], [up, tie], "borda", tie_breaks=("fid",))
    assert ranks(ranking) == {"b": 1, "c": 2, "d": None}


def test_sizes_of_those_who_do_not_compete_are_not_asked():
    other = sized("c", 5, n=7, n_reference=7)
    away = Row("c", "1", other.cells, primary=False)
    thin = Row("d", "1", {"up": Cell(0.5, coverage=0.1), "fid": other.cells["fid"]})
    entries = [sized("a", 10, n=9, n_reference=9), sized("b", 20, n=9, n_reference=9), away, thin]
    assert rank_rows(entries, [UP, FID], "rank-sum").refused == {}


def test_nothing_is_left_to_rank_by():
    ranking = rank_rows([sized("a", 1, n=1), sized("b", 2, n=2)], [FID], "rank-sum")
    assert ranks(ranking) == {"a": None, "b": None}
    assert why(ranking, "a") == ["unequal_n", "nothing_to_rank_by"]


def test_a_column_that_nobody_has_decides_nothing_and_the_ranking_is_provisional():
    columns = (Column("id", True), Column("lips", True, "subjective"))
    entries = [entry("a", id=0.5, lips=None), entry("b", id=0.7), entry("c", lips=4.0, primary=False)]
    ranking = rank_rows(entries, columns, "rank-sum")
    assert ranks(ranking) == {"a": 2, "b": 1, "c": None}
    assert ranking.refused["lips"].code == "nobody_scored"
    assert ranking.provisional is not None
    assert (ranking.provisional.code, "lips" in ranking.provisional.sentence) == ("columns_missing", True)
    assert set(weights(ranking)) == {"id"}


def test_a_column_that_one_entry_has_asks_everybody():
    columns = (Column("id", True), Column("lips", True, "subjective"))
    ranking = rank_rows([entry("a", id=0.5, lips=3.0), entry("b", id=0.7, lips=None)], columns, "rank-sum")
    assert ranks(ranking) == {"a": 1, "b": None}
    assert (ranking.refused, ranking.provisional) == ({}, None)


def test_when_nobody_has_anything_nothing_is_ranked():
    ranking = rank_rows([entry("a", id=None), entry("b", id=None)], (Column("id", True),), "rank-sum")
    assert why(ranking, "a") == ["nobody_scored", "nothing_to_rank_by"]


def test_no_ranking_no_entries():
    assert why(rank_rows(THREE, [UP], "none"), "a") == ["no_ranking"]
    assert rank_rows([], [UP], "borda").rows == ()


@pytest.mark.parametrize(
    ("columns", "rule", "words"),
    [
        ([Column("up", True)], "weighted-sum", "needs a range"),
        ([], "borda", "nothing to rank by"),
        ([Column("up", True, weight=0)], "borda", "nothing to rank by"),
        ([Column("up", True, ranks=False)], "borda", "nothing to rank by"),
        ([UP], "two-phase", "human ratings"),
    ],
)
def test_rules_that_cannot_be_applied(columns, rule, words):
    with pytest.raises(ChallengeError, match=words):
        rank_rows(THREE, columns, rule)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_are_finite_or_missing(value):
    with pytest.raises(InputError, match="not finite"):
        Cell(value)
    with pytest.raises(InputError, match="either a value or a reason"):
        Cell(None)
    with pytest.raises(InputError, match="either a value or a reason"):
        Cell(1.0, reason="why")
    with pytest.raises(InputError, match="must be a finite number of at least 0"):
        Column("x", True, weight=value)
