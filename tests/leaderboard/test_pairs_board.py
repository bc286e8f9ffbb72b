"""Boards that are decided in pairs: IPVG 2025 as published, finalists, strengths and what they rest on."""

from __future__ import annotations

import csv
import io
import math
from typing import Any

import numpy as np
import pytest
from builders.boards import make_run, make_snapshot

from evalkit.board.filtering import filter_answers
from evalkit.board.model import Snapshot
from evalkit.leaderboard.compute import compute_leaderboard
from evalkit.leaderboard.model import Leaderboard
from evalkit.leaderboard.pair_columns import read_comparisons
from evalkit.leaderboard.runs import read_runs
from evalkit.leaderboard.table import Row
from evalkit.reports.leaderboard.page import explain_score, render_leaderboard
from evalkit.reports.leaderboard.ranked_table import RankedTable
from evalkit.reports.leaderboard.tables import leaderboard_csv
from evalkit.statistics.bradley_terry import bradley_terry

NAMES = ("identity.consisid.cur", "identity.consisid.arc", "facefid.consisid", "clipscore.logits100")
PUBLISHED = {  # results page of the challenge at ACM MM 2025, both phases
    "ghl (PKUVideo)": (0.492, 0.473, 170.0, 27.8),
    "XuanYuan": (0.467, 0.441, 214.0, 28.0),
    "Wislab": (0.285, 0.269, 208.0, 28.6),
}
POINTS = {"ghl (PKUVideo)": 1258, "XuanYuan": 1147.5, "Wislab": 594.5}
SAMPLES = [f"s{at}" for at in range(1, 51)]
Pair = tuple[str, str, str, str, float]


def duels(left: str, right: str, wins: int, draws: int, count: int = 1000) -> list[Pair]:
    """Return comparisons of two teams, each by another rater or of another sample; ``left`` wins the first ones."""
    outcomes = [1.0] * wins + [0.5] * draws + [0.0] * (count - wins - draws)
    # In steps that share no factor with the number of cells, so that wins are spread over raters and samples.
    return [
        (f"r{cell // len(SAMPLES):02d}", SAMPLES[cell % len(SAMPLES)], left, right, outcome)
        for cell, outcome in ((at * 377 % count, outcome) for at, outcome in enumerate(outcomes))
    ]


def ipvg(*, pairs: list[Pair] | None = None, **more: Any) -> Snapshot:
    """Return the published board; its pairs are 1000 of every two teams.

    1258 = 540 + 718, 1147.5 = 460 + 687.5 and 594.5 = 282 + 312.5: the only split once 540 : 460 is chosen.
    """
    first, second, third = PUBLISHED
    decided = duels(first, second, 540, 0) + duels(first, third, 718, 0) + duels(second, third, 687, 1)
    teams = {team: dict(zip(NAMES, values, strict=True)) for team, values in PUBLISHED.items()}
    teams["fourth"] = dict(zip(NAMES, (0.1, 0.1, 300.0, 20.0), strict=True))
    return make_snapshot(
        "ipvg2025-facial",
        teams,
        samples=SAMPLES,
        pairs=decided if pairs is None else pairs,
        better={"facefid.consisid": False},
        ci95={"identity.consisid.cur": (0.3, 0.34), "facefid.consisid": (150.0, 190.0)},
        **more,
    )


@pytest.fixture(scope="module")
def leaderboard() -> Leaderboard:
    return compute_leaderboard(ipvg(), draws=400)


def row_of(leaderboard: Leaderboard, team: str) -> Row:
    return next(row for row in leaderboard.rows if row.team == team)


def test_the_published_order(leaderboard: Leaderboard) -> None:
    """Ranks: Cur 1 2 3, Arc 1 2 3, FID 1 3 2, ClipScore 3 2 1 -> sums 6, 9, 9; then the pairs decide."""
    assert leaderboard.problem is None
    assert leaderboard.provisional is None
    assert [(row.team, row.rank) for row in leaderboard.rows] == [
        *zip(PUBLISHED, (1, 2, 3), strict=True),
        ("fourth", 4),
    ]
    assert [row.shortlist_score for row in leaderboard.rows] == [6, 9, 9, 16]
    assert [row.shortlist_rank for row in leaderboard.rows] == [1, 2, 2, 4]
    assert [row.finalist for row in leaderboard.rows] == [True, True, True, False]


def test_the_published_points(leaderboard: Leaderboard) -> None:
    """3000 comparisons give 3000 points, and every team took part in 2000."""
    assert leaderboard.ratings is not None
    assert (leaderboard.ratings.total, leaderboard.ratings.counted) == (3000, 3000)
    assert {one.team: (one.points, one.comparisons) for one in leaderboard.strengths} == {
        team: (points, 2000) for team, points in POINTS.items()
    }
    for team, points in POINTS.items():
        cell = row_of(leaderboard, team).cells["pairs"]
        assert cell.value == pytest.approx(points / 2000)
        assert row_of(leaderboard, team).score == pytest.approx(points / 2000)
        assert (cell.n, cell.coverage) == (2000, 1)
        assert cell.ci is not None
        assert cell.ci[0] < points / 2000 < cell.ci[1]
    strengths = [one.log_strength for one in leaderboard.strengths]
    assert sum(strengths) == pytest.approx(0, abs=1e-9)
    assert {one.team for one in leaderboard.strengths} == set(POINTS)
    order = sorted(leaderboard.strengths, key=lambda one: -one.log_strength)
    assert [one.team for one in order] == list(PUBLISHED)  # all met equally often
    assert all(one.low < one.log_strength < one.high and one.dimension == "pairs" for one in leaderboard.strengths)


def test_points_and_shares_of_both_phases(leaderboard: Leaderboard) -> None:
    first = row_of(leaderboard, "ghl (PKUVideo)")
    assert [first.cells[name].points for name in NAMES] == [1, 1, 1, 3]
    assert first.cells["pairs"].points == pytest.approx(0.629)
    last = row_of(leaderboard, "fourth")
    assert [last.cells[name].points for name in NAMES] == [4, 4, 4, 4]
    assert (last.cells["pairs"].value, last.cells["pairs"].reason) == (None, "not_a_finalist")
    shares = {column.id: column.share for column in leaderboard.columns}
    assert [shares[name] for name in NAMES] == [0.25] * 4
    assert shares["pairs"] == 1
    notes = {column.id: column.notes for column in leaderboard.columns}
    assert notes["pairs"] == ("Orders the finalists.",)
    assert notes[NAMES[0]] == ("Makes the shortlist.",)


def test_both_phases_have_their_certainty(leaderboard: Leaderboard) -> None:
    assert [phase.name for phase in leaderboard.phases] == ["shortlist", "final"]
    shortlist, final = (phase.uncertainty for phase in leaderboard.phases)
    assert final is not None
    assert shortlist is not None
    assert {team for tier in final.tiers for team in tier} == set(PUBLISHED)
    assert final.held_fixed == {}
    assert {team for tier in shortlist.tiers for team in tier} == {*PUBLISHED, "fourth"}
    # Two numbers came with an interval, two without.
    assert set(shortlist.held_fixed) == {"identity.consisid.arc", "clipscore.logits100"}
    # 1258 and 1147.5 of 2000 are 4 standard errors of independent comparisons apart, 1147.5 and 594.5 twenty.
    assert row_of(leaderboard, "Wislab").interval == (3, 3)
    for row in leaderboard.rows:
        assert row.interval is not None
        assert row.rank is not None
        assert row.interval[0] <= row.rank <= row.interval[1]
        assert len(row.probability) == 4
        assert sum(row.probability) == pytest.approx(1)
        assert (row.probability[3] == 0) == (row.team != "fourth")
    assert leaderboard.sensitivity is None


def test_what_the_others_do_against_who_is_not_in_the_final_changes_nothing(leaderboard: Leaderboard) -> None:
    first, second, third = PUBLISHED
    decided = duels(first, second, 540, 0) + duels(first, third, 718, 0) + duels(second, third, 687, 1)
    more = compute_leaderboard(ipvg(pairs=[*decided, *duels("fourth", first, 1000, 0)]), draws=400)
    assert [row.score for row in more.rows] == [row.score for row in leaderboard.rows]
    assert [row.rank for row in more.rows] == [1, 2, 3, 4]
    assert more.ratings is not None
    assert more.ratings.counted == 4000
    assert more.ratings.notes == ("1000 comparisons enter no score: they are not between two finalists.",)


def test_before_the_final_the_shortlist_is_the_order() -> None:
    leaderboard = compute_leaderboard(ipvg(pairs=[]), draws=200)
    assert leaderboard.provisional is not None
    assert leaderboard.provisional.code == "no_final_phase"
    assert [row.rank for row in leaderboard.rows] == [1, 2, 2, 4]
    assert leaderboard.uncertainty is None
    assert leaderboard.no_uncertainty == leaderboard.provisional.sentence
    assert leaderboard.phases[0].uncertainty is not None
    assert all(row.interval is not None for row in leaderboard.rows)
    assert leaderboard.strengths == ()


def test_a_finalist_left_out_by_a_decision_takes_its_comparisons_with_it() -> None:
    leaderboard = compute_leaderboard(ipvg(decisions=[("team", "Wislab", "manual", "Withdrew.")]), draws=200)
    first = row_of(leaderboard, "ghl (PKUVideo)")
    assert first.score == pytest.approx(0.54)  # 540 of 1000 against XuanYuan
    # The place in the final goes to the fourth, whom nobody has been compared with.
    fourth = row_of(leaderboard, "fourth")
    assert (fourth.finalist, fourth.rank) == (True, None)
    assert fourth.cells["pairs"].reason == "no_comparisons"
    assert leaderboard.ratings is not None
    assert "2000 comparisons enter no score" in leaderboard.ratings.notes[0]


def test_comparisons_of_a_team_with_several_competing_runs_enter_nothing() -> None:
    challenge = "schema: 1\nid: c\ntitle: C\nsubmission: {runs: {max: 2, primary: 2}}\nranking: mean-rank\n"
    runs = {team: [make_run(team, {"psnr": [1.0]})] for team in "abc"}
    runs["a"] = [*runs["a"], make_run("a", {"psnr": [1.0]}, name="second")]
    pairs = [("r1", "s1", "a", "b", 1.0), ("r1", "s1", "b", "c", 1.0)]
    snapshot = make_snapshot(challenge + "ratings: {method: pairs}\n", runs, pairs=pairs)
    leaderboard = compute_leaderboard(snapshot, draws=200)
    assert leaderboard.ratings is not None
    assert "'a' has several runs that compete" in leaderboard.ratings.notes[0]
    assert {row.team: row.rank for row in leaderboard.rows if row.rank} == {"b": 1, "c": 2}


def test_in_one_phase_who_is_left_out_takes_its_comparisons_with_it() -> None:
    """a and b drew; c, which is left out, beat b and lost to a."""
    challenge = "schema: 1\nid: c\ntitle: C\nranking: mean-rank\nratings: {method: pairs}\n"
    pairs = [("r1", "s1", "a", "b", 0.5), ("r1", "s1", "c", "b", 1.0), ("r1", "s1", "a", "c", 1.0)]
    snapshot = make_snapshot(
        challenge,
        {team: {"psnr": [1.0]} for team in "abc"},
        pairs=pairs,
        decisions=[("run", "c/main", "manual", "Too late.")],
    )
    leaderboard = compute_leaderboard(snapshot, draws=200)
    assert {row.team: (row.rank, row.cells["pairs"].value) for row in leaderboard.rows} == {
        "a": (1, 0.5),
        "b": (1, 0.5),
        "c": (None, None),
    }
    assert leaderboard.ratings is not None
    assert leaderboard.ratings.notes == ("2 comparisons enter no score: they are not between two teams that compete.",)


DIMENSIONS = """
schema: 1
id: dimensions
title: Dimensions
metrics: [{id: psnr, direction: higher, rank: false}]
ranking: mean-rank
ratings:
  method: pairs
  dimensions: [{id: sync, title: Lip sync}, {id: look, title: Look}]
"""


def in_dimensions(pairs: list[tuple[str, str, str, str, float, str]], teams: str = "abc") -> Snapshot:
    return make_snapshot(DIMENSIONS, {team: {"psnr": [1.0] * 10} for team in teams}, pairs=pairs)


def some_pairs(count: int, dimension: str, seed: int = 0) -> list[tuple[str, str, str, str, float, str]]:
    """Return comparisons of a, b and c, with strengths 1, 0 and -1."""
    random = np.random.default_rng(seed)
    strength = {"a": 1.0, "b": 0.0, "c": -1.0}
    found: dict[tuple[str, ...], tuple[str, str, str, str, float, str]] = {}
    while len(found) < count:
        left, right = random.choice(list(strength), 2, replace=False)
        cell = (f"r{random.integers(12)}", f"s{random.integers(1, 11)}", str(left), str(right))
        chance = 1 / (1 + math.exp(strength[right] - strength[left]))
        found[tuple(sorted(cell))] = (*cell, float(random.random() < chance), dimension)
    return list(found.values())


def test_dimensions_hold_log_strengths() -> None:
    leaderboard = compute_leaderboard(in_dimensions(some_pairs(200, "sync") + some_pairs(200, "look", 1)), draws=200)
    assert [column.unit for column in leaderboard.columns if column.kind == "dimension"] == ["log strength"] * 2
    for one in leaderboard.strengths:
        cell = row_of(leaderboard, one.team).cells[one.dimension]
        assert cell.value == one.log_strength
        assert cell.n == one.comparisons
        assert cell.ci is not None
        assert cell.ci[0] < one.log_strength < cell.ci[1]
    assert [row.team for row in leaderboard.rows] == ["a", "b", "c"]
    assert leaderboard.uncertainty is not None
    assert leaderboard.uncertainty.held_fixed == {}


def test_dimensions_of_a_final_phase_are_ranked_by_mean_rank() -> None:
    """Strengths have no range to be summed by: sync says a b c, look says b a c and weighs twice as much."""
    challenge = DIMENSIONS.replace(", rank: false", "").replace("mean-rank", "two-phase")
    challenge = challenge.replace("title: Look", "title: Look, weight: 2")
    pairs = some_pairs(200, "sync")
    turned = {"a": "b", "b": "a", "c": "c"}
    pairs += [(r, s, turned[one], turned[two], won, "look") for r, s, one, two, won, _ in pairs]
    snapshot = make_snapshot(challenge, {team: {"psnr": [1.0, 2.0] * 5} for team in "abc"}, pairs=pairs)
    made = compute_leaderboard(snapshot, draws=200)
    assert made.problem is None
    assert [(row.team, row.score) for row in made.rows] == [
        ("b", pytest.approx(4 / 3)),
        ("a", pytest.approx(5 / 3)),
        ("c", 3),
    ]
    assert made.lower_wins
    assert made.uncertainty is not None
    page = render_leaderboard(snapshot, made)
    assert "the weighted mean of the ranks, the lowest is the best." in page
    assert explain_score(made, made.rows[0]).exact


def test_a_team_that_never_lost_has_no_strength_and_shares_replace_it() -> None:
    """a beats b twice, b and c share their two points: a 2/2, b 1/4, c 1/2."""
    pairs = [("r1", "s1", "a", "b", 1.0, "sync"), ("r2", "s2", "a", "b", 1.0, "sync")]
    pairs += [("r1", "s1", "b", "c", 1.0, "sync"), ("r2", "s2", "b", "c", 0.0, "sync")]
    leaderboard = compute_leaderboard(in_dimensions(pairs), draws=200)
    assert [row_of(leaderboard, team).cells["sync"].value for team in "abc"] == [1, 0.25, 0.5]
    assert leaderboard.ratings is not None
    notes = " ".join(leaderboard.ratings.notes)
    assert "No finite strengths fit" in notes
    assert "did not meet equally often" in notes
    assert "shares of points replace the strengths" in notes
    assert [column.unit for column in leaderboard.columns if column.id == "sync"] == [""]
    assert row_of(leaderboard, "a").cells["look"].reason == "no_comparisons"
    assert leaderboard.provisional is not None  # nobody was asked about the look


def test_influences_move_as_the_refitted_strengths_do() -> None:
    """Without one of ten samples, the strengths move by what the linear formula says, to a fifth of it."""
    snapshot = in_dimensions(some_pairs(300, "sync"))
    field = read_runs(snapshot)
    filtered = filter_answers(snapshot)
    people = read_comparisons(snapshot.challenge, field, filtered.counted("comparison"), None, draws=100, seed=0)
    answers = people.columns[0].answers
    moved, expected = [], []
    for left_out in range(10):
        kept = answers.sample != left_out
        for team in range(3):
            own = kept & (answers.run == team)
            per_sample = [answers.value[own & (answers.sample == at)].mean() for at in range(10) if at != left_out]
            expected.append(float(np.mean(per_sample)))
        wins = np.zeros((3, 3))
        for one in filtered.counted("comparison"):
            if one.answer.item != f"s{left_out + 1}":
                left, right = ("abc".index(team) for team in one.answer.teams)
                wins[left, right] += one.answer.value
                wins[right, left] += 1 - one.answer.value
        full = [people.columns[0].cells[team, "main"].value for team in "abc"]
        moved += list(bradley_terry(wins).theta - np.array(full, dtype=float))
    assert np.corrcoef(moved, expected)[0, 1] > 0.98
    assert np.polyfit(expected, moved, 1)[0] == pytest.approx(1, abs=0.2)


def test_a_finalist_who_waits_leaves_everyone_a_place_on_the_axis() -> None:
    """Three finalists, one without comparisons: rank 5 of 4 ranked teams is rank 5 of 5 places."""
    challenge = "schema: 1\nid: c\ntitle: C\nmetrics: [{id: psnr, direction: higher}]\n"
    challenge += "ranking: two-phase\nratings: {method: pairs, finalists: 3}\n"
    random = np.random.default_rng(0)
    values = {f"t{at}": {"psnr": list(random.normal(40 - at, 0.2, 6))} for at in range(5)}
    pairs = [(f"r{rater}", f"s{at}", "t0", "t1", float(at % 2)) for rater in range(3) for at in range(1, 7)]
    snapshot = make_snapshot(challenge, values, pairs=pairs)
    made = compute_leaderboard(snapshot, draws=100)
    ranks = {row.team: row.rank for row in made.rows}
    assert (ranks["t2"], ranks["t3"], ranks["t4"]) == (None, 4, 5)
    assert all(len(row.probability) == 5 for row in made.rows if row.rank)
    table = RankedTable(snapshot, made)
    assert (table.ranked, table.last) == (4, 5)
    bars = [bar for row in made.rows if (bar := table.interval_bar(row))]
    assert bars
    assert all(bar.at <= 100 and bar.x + bar.width <= 100 for bar in bars)
    # Shares of points and sums of ranks are not one quantity: no score behind the finalists.
    assert all(row.score is None and row.shortlist_score is not None for row in made.rows if row.finalist is False)
    lines = list(csv.DictReader(io.StringIO(leaderboard_csv(snapshot, made))))
    assert [(line["score"], line["shortlist_score"]) for line in lines if line["finalist"] == "no"] == [
        ("", "4.0"),
        ("", "5.0"),
    ]
    assert "not a finalist" in render_leaderboard(snapshot, made)
