"""Ranking rules: hand arithmetic, an independent ranking in fractions, and everyone who may not be ranked."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.challenges.model import Challenge, load_challenge, parse_challenge, preset_ids
from evalkit.errors import ChallengeError, InputError
from evalkit.leaderboard.columns import read_columns
from evalkit.leaderboard.ranking import Ranking, rank_challenge, rank_rows, ranking_columns
from evalkit.leaderboard.runs import Runs
from evalkit.leaderboard.table import Cell, Column, Row

UP = Column("up", True, range=(0.0, 1.0))
DOWN = Column("down", False, range=(0.0, 10.0))


def entry(team: str, run: str = "1", *, primary: bool = True, **values: float | None) -> Row:
    cells = {name: Cell(value) if value is not None else Cell(None, reason="no_face") for name, value in values.items()}
    return Row(team, run, cells, primary)


def ranks(ranking: Ranking) -> dict[str, int | None]:
    return {row.team: row.rank for row in ranking.rows}


def scores(ranking: Ranking) -> dict[str, float | None]:
    return {row.team: row.score for row in ranking.rows}


def weights(ranking: Ranking) -> dict[str, float]:
    plan = ranking.phases[-1].plan
    return dict(zip((column.id for column in plan.columns), map(float, plan.weights), strict=True))


def points(row: Row) -> dict[str, float]:
    return {name: cell.points for name, cell in row.cells.items() if cell.points is not None}


def columns_of(challenge: Challenge, higher_is_better: dict[str, bool | None] | None = None) -> tuple[Column, ...]:
    """Return all columns of a board without runs; ``higher_is_better`` is what scorecards would say."""
    known = higher_is_better or {}
    declared = {entry.id: entry.direction for entry in challenge.metrics}
    return tuple(
        replace(column, higher_is_better=known.get(column.id)) if declared.get(column.id, "") is None else column
        for column in read_columns(challenge, Runs(()))
    )


def why(ranking: Ranking, team: str) -> list[str]:
    return [reason.code for row in ranking.rows if row.team == team for reason in row.reasons]


# ---- arithmetic by hand ----------------------------------------------------------------------------------------------

THREE = [entry("a", up=0.8, down=4.0), entry("b", up=0.6, down=1.0), entry("c", up=0.7, down=6.0)]


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


@settings(max_examples=80, deadline=None)
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


# ---- who is not ranked -----------------------------------------------------------------------------------------------


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


def test_a_run_that_stands_twice_is_an_error_and_its_name_does_not_act():
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


# ---- tie breaks ------------------------------------------------------------------------------------------------------


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


# ---- two phases ------------------------------------------------------------------------------------------------------

PAIRS = Column("pairs", True, "subjective")


def test_the_shortlist_advances_and_people_decide():
    entries = [entry(team, up=value) for team, value in zip("abcde", (0.9, 0.8, 0.7, 0.6, 0.5), strict=True)]
    judged = {"a": 3.0, "b": 9.0, "c": 5.0, "d": 100.0}
    entries = [
        Row(one.team, "1", {**one.cells, **({"pairs": Cell(judged[one.team])} if one.team in judged else {})})
        for one in entries
    ]
    ranking = rank_rows(entries, [UP, PAIRS], "two-phase", finalists=3)
    assert ranks(ranking) == {"b": 1, "c": 2, "a": 3, "d": 4, "e": 5}
    assert [(p.finalist, p.shortlist_rank, p.score) for p in ranking.rows] == [
        (True, 2, 9.0),
        (True, 3, 5.0),
        (True, 1, 3.0),
        (False, 4, None),
        (False, 5, None),
    ]
    assert [p.shortlist_score for p in ranking.rows] == [2.0, 3.0, 1.0, 4.0, 5.0]
    assert ranking.provisional is None


def test_whoever_equals_the_last_finalist_is_one():
    entries = [entry("a", up=0.9, pairs=1.0), entry("b", up=0.5, pairs=2.0), entry("c", up=0.5, pairs=3.0)]
    ranking = rank_rows(entries, [UP, PAIRS], "two-phase", finalists=2)
    assert ranks(ranking) == {"c": 1, "b": 2, "a": 3}
    broken = rank_rows(
        [Row(e.team, "1", {**e.cells, "x": Cell(float(i))}) for i, e in enumerate(entries)],
        [UP, PAIRS, Column("x", False, ranks=False)],
        "two-phase",
        finalists=2,
        tie_breaks=["x"],
    )
    assert ranks(broken) == {"b": 1, "a": 2, "c": 3}


def test_before_the_final_phase_the_shortlist_stands_and_says_so():
    entries = [entry("a", up=0.2), entry("b", up=0.9)]
    ranking = rank_rows(entries, [UP, PAIRS], "two-phase", finalists=2)
    assert ranks(ranking) == {"b": 1, "a": 2}
    assert ranking.provisional is not None
    assert ranking.provisional.code == "no_final_phase"


def test_a_finalist_without_results_is_shown_and_nobody_takes_the_place():
    entries = [entry("a", up=0.9), entry("b", up=0.8, pairs=2.0), entry("c", up=0.1)]
    ranking = rank_rows(entries, [UP, PAIRS], "two-phase", finalists=2)
    assert ranks(ranking) == {"b": 1, "c": 3, "a": None}
    assert why(ranking, "a") == ["unscored"]


def test_the_first_phase_does_not_look_at_people():
    entries = [entry("a", up=0.9, pairs=0.0), entry("b", up=0.8, pairs=1.0), entry("c", up=0.7, pairs=9.0)]
    ranking = rank_rows(entries, [UP, PAIRS], "two-phase", finalists=2, shortlist="weighted-sum")
    assert ranks(ranking) == {"b": 1, "a": 2, "c": 3}
    assert ranking.rows[2].shortlist_score == 0.7


def test_several_dimensions_decide_by_their_scales():
    columns = [UP, Column("x", True, "subjective", 1, (1, 5)), Column("y", True, "subjective", 3, (0, 100))]
    entries = [entry("a", up=0.9, x=5, y=40), entry("b", up=0.8, x=1, y=80)]
    # a (1 + 3 * .4) / 4 = .55, b (0 + 3 * .8) / 4 = .6
    assert scores(rank_rows(entries, columns, "two-phase")) == {"b": 0.6, "a": 0.55}


PUBLISHED = {  # ACM MM 2025 Grand Challenge on identity-preserving video generation, results page: both phases
    "ghl (PKUVideo)": (0.492, 0.473, 170, 27.8, 1258.0),
    "XuanYuan": (0.467, 0.441, 214, 28.0, 1147.5),
    "Wislab": (0.285, 0.269, 208, 28.6, 594.5),
}


@pytest.mark.parametrize("preset", ["ipvg2025-facial"])
def test_ipvg_2025_comes_out_as_published(preset):
    """Ranks: Cur 1 2 3, Arc 1 2 3, FID 1 3 2, ClipScore 3 2 1 -> sums 6, 9, 9; the pairs decide 1258 : 1147.5 : 594.5.

    3000 comparisons of three teams give 3000 points, and each team took part in 2000 of them.
    """
    challenge = load_challenge(preset)
    names = ("identity.consisid.cur", "identity.consisid.arc", "facefid.consisid", "clipscore.logits100", "pairs")
    # A fourth team, worse everywhere, must be left out of the final although its pairs would win it.
    table = {**PUBLISHED, "fourth": (0.1, 0.1, 300, 20.0, 9999.0)}
    entries = [
        Row(team, "1", {name: Cell(float(value)) for name, value in zip(names, values, strict=True)})
        for team, values in table.items()
    ]
    ranking = rank_challenge(challenge, entries[::-1], columns_of(challenge))
    assert [(p.team, p.rank) for p in ranking.rows] == [*zip(PUBLISHED, (1, 2, 3), strict=True), ("fourth", 4)]
    assert [p.shortlist_score for p in ranking.rows] == [6, 9, 9, 16]
    assert [p.shortlist_rank for p in ranking.rows] == [1, 2, 2, 4]
    assert [p.score for p in ranking.rows][:3] == [1258, 1147.5, 594.5]
    assert sum(values[-1] for values in PUBLISHED.values()) == 3000


# ---- what the challenge says -----------------------------------------------------------------------------------------

OWN = """
schema: 1
id: own
title: Own
submission: {runs: {max: 3, primary: 1}}
metrics:
  - {id: psnr.rgb, weight: 2, range: [10, 50]}
  - {id: fid.pytorch, direction: lower, range: [0, 100], group: objective}
  - {id: speed.fps, direction: higher, range: [0, 50], group: speed}
  - {id: iqa.brisque, direction: lower, rank: false, group: diagnostic}
  - {id: video.fps, rank: false, group: diagnostic}
coverage: 0.9
ranking: weighted-sum
ranking_rules:
  group_weights: {objective: 2, subjective: 1, speed: 1}
  tie_breaks: [iqa.brisque, sync]
ratings: {method: mos, dimensions: [{id: sync, title: Sync, weight: 3, scale: [0, 10]}]}
"""


def own() -> Challenge:
    return parse_challenge(OWN, "own.yaml")


def test_columns_of_a_challenge():
    breaks = own().ranking_rules.tie_breaks
    found = ranking_columns(columns_of(own(), {"psnr.rgb": True, "fid.pytorch": True}), breaks)
    assert [(one.id, one.higher_is_better, one.group, one.weight, one.range, one.ranks) for one in found] == [
        ("psnr.rgb", True, "objective", 2, (10, 50), True),
        ("fid.pytorch", False, "objective", 1, (0, 100), True),
        ("speed.fps", True, "speed", 1, (0, 50), True),
        ("iqa.brisque", False, "diagnostic", 0, None, False),
        ("sync", True, "subjective", 3, (0, 10), True),
    ]
    with pytest.raises(ChallengeError, match=r"psnr\.rgb can't rank: nothing says which side is better"):
        ranking_columns(columns_of(own(), {"psnr.rgb": None}), breaks)


def test_a_challenge_ranks():
    """Objective 2 x (2 * psnr + fid) / 3, speed 1, people 1, of 4.

    a: psnr 30 -> .5, fid 40 -> .6, fps 25 -> .5, sync 5 -> .5: 2 * (1.6 / 3) + 1 = 2.0666.. / 4
    b: psnr 40 -> .75, fid 70 -> .3, fps 10 -> .2, sync 8 -> .8: 2 * (1.8 / 3) + 1 = 2.2 / 4
    """
    made = {
        "a": {"psnr.rgb": 30.0, "fid.pytorch": 40.0, "speed.fps": 25.0, "sync": 5.0},
        "b": {"psnr.rgb": 40.0, "fid.pytorch": 70.0, "speed.fps": 10.0, "sync": 8.0},
    }
    entries = [Row(team, "1", {name: Cell(value) for name, value in cells.items()}) for team, cells in made.items()]
    thin = Row("c", "1", {**entries[0].cells, "psnr.rgb": Cell(50.0, coverage=0.89)})
    ranking = rank_challenge(own(), [*entries, thin], columns_of(own(), {"psnr.rgb": True}))
    assert scores(ranking) == pytest.approx({"b": 0.55, "a": (3.2 / 3 + 1) / 4, "c": None}, abs=1e-12)
    assert why(ranking, "c") == ["coverage"]


def test_the_pairs_of_a_challenge_are_a_column_unless_dimensions_are_judged():
    text = "schema: 1\nid: x\ntitle: X\nratings: {method: pairs%s}"
    (column,) = columns_of(parse_challenge(text % "", "x"))
    assert (column.id, column.group, column.weight, column.range) == ("pairs", "subjective", 1.0, (0, 1))
    (column,) = columns_of(parse_challenge(text % ", dimensions: [{id: sync, title: Sync}]", "x"))
    assert (column.id, column.group, column.weight, column.range) == ("sync", "subjective", 1.0, None)
    none = parse_challenge((text % ", dimensions: [{id: sync, title: Sync}]").replace("pairs", "none"), "x")
    assert columns_of(none) == ()


def test_ranking_rules_written_out_as_their_defaults_do_not_change_the_digest():
    plain = "schema: 1\nid: x\ntitle: X\n"
    said = [plain, plain + "ranking_rules: {}", plain + "ranking_rules: {shortlist: rank-sum, tie_breaks: []}"]
    assert len({parse_challenge(text, "x").sha256 for text in said}) == 1
    assert (
        parse_challenge(plain + "ranking_rules: {shortlist: borda}", "x").sha256 != parse_challenge(plain, "x").sha256
    )


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ("{tie_breaks: [psnr.rbg]}", "'psnr.rbg' is not a metric or dimension of this challenge. Did you"),
        ("{tie_breaks: [psnr.rgb, psnr.rgb]}", "the tie break 'psnr.rgb' appears twice"),
        ("{tie_breaks: [pairs]}", "is not a metric or dimension"),
        ("{group_weights: {objective: 0, subjective: 0, speed: 0}}", "at least one group must weigh more than 0"),
        ("{group_weights: {speed: -1}}", "greater than or equal to 0"),
        ("{group_weights: {diagnostic: 1}}", "unknown key"),
        ("{shortlist: two-phase}", "shortlist"),
    ],
)
def test_ranking_rules_with_faults(rules, words):
    text = "schema: 1\nid: x\ntitle: X\nmetrics: [{id: psnr.rgb}]\nranking_rules: " + rules
    with pytest.raises(ChallengeError) as caught:
        parse_challenge(text, "x.yaml")
    assert words in str(caught.value)


@pytest.mark.parametrize("preset", preset_ids())
def test_every_preset_ranks_or_says_what_is_missing(preset):
    challenge = load_challenge(preset)
    known = {metric.id: True for metric in challenge.metrics}
    everything = columns_of(challenge, known)
    columns = ranking_columns(everything, challenge.ranking_rules.tie_breaks)
    entries = [Row(team, "1", {c.id: Cell(value) for c in columns}) for team, value in (("a", 0.25), ("b", 0.75))]
    lacking = [c.id for c in columns if c.range is None]
    if challenge.ranking == "weighted-sum" and lacking:
        with pytest.raises(ChallengeError, match="needs a range"):
            rank_challenge(challenge, entries, everything)
        return
    ranking = rank_challenge(challenge, entries, everything)
    assert {row.team for row in ranking.rows} == {"a", "b"}
    assert len(ranking.ranked) == (0 if challenge.ranking == "none" else 2)
