"""Two-phase rankings: the shortlist, the finalists, and a published result."""

from __future__ import annotations

import pytest
from builders.rankings import UP, columns_of, entry, ranks, scores, why

from evalkit.challenges.model import load_challenge
from evalkit.leaderboard.ranking import rank_challenge, rank_rows
from evalkit.leaderboard.table import Cell, Column, Row

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


def test_runs_equal_to_the_last_finalist_are_finalists():
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


def test_before_the_final_phase_the_order_is_the_shortlists_and_provisional():
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
