"""From ratings to a team's score: estimators, repeated items, runs, and the intervals of the cells."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from builders.boards import item_of, make_rating, make_run, make_snapshot
from numpy.typing import NDArray
from scipy import stats

from evalkit.board.model import Snapshot
from evalkit.leaderboard.compute import compute_leaderboard
from evalkit.leaderboard.model import Leaderboard
from evalkit.leaderboard.table import Cell
from evalkit.ratings.model import Key, KeyEntry
from evalkit.statistics.mos import mean_scores, remove_bias, standardise
from evalkit.statistics.opinion_table import OpinionTable, opinion_table
from evalkit.statistics.screening import bt500, rejected_raters
from evalkit.statistics.subject_model import projected_scores

CHALLENGE = """
schema: 1
id: opinions
title: Opinions
ranking: mean-rank
submission: {runs: {max: 3, primary: 1}}
ratings: {method: mos, estimator: ESTIMATOR, dimensions: [{id: sync, title: Lip sync, scale: [1, 5]}]}
"""
TEAMS = ("alpha", "beta", "gamma")
RATERS = 12
SAMPLES = 8
SEED = 2  # of the panel
Grid = NDArray[np.float64]


def challenge(estimator: str = "mos.plain") -> str:
    return CHALLENGE.replace("ESTIMATOR", estimator)


def scores(seed: int = SEED) -> Grid:
    """Return (teams, samples, raters): biases, a rater who answers at random, two who did not see everything (NaN)."""
    random = np.random.default_rng(seed)
    truth = np.array([3.8, 3.2, 2.4])[:, None] + random.normal(0, 0.4, (3, SAMPLES))
    given = truth[:, :, None] + random.normal(0, 0.7, RATERS) + random.normal(0, 0.4, (3, SAMPLES, RATERS))
    given[:, :, 0] = random.choice([1, 5], (3, SAMPLES))
    given[1, :, 1] = np.nan
    given[0, :4, 2] = np.nan
    return np.asarray(np.clip(np.rint(given), 1, 5), dtype=np.float64)


def board(estimator: str, given: Grid, **more: Any) -> Snapshot:
    ratings = [
        (f"r{rater:02d}", team, f"s{sample + 1}", "sync", float(given[at, sample, rater]))
        for at, team in enumerate(TEAMS)
        for sample in range(SAMPLES)
        for rater in range(RATERS)
        if np.isfinite(given[at, sample, rater])
    ]
    return make_snapshot(
        challenge(estimator), {team: {"psnr": [1.0] * SAMPLES} for team in TEAMS}, ratings=ratings, **more
    )


def table_of(given: Grid) -> OpinionTable:
    what, who = np.indices((3 * SAMPLES, RATERS))
    return opinion_table(who.ravel(), what.ravel(), given.reshape(3 * SAMPLES, RATERS).ravel())


def expected(estimator: str, given: Grid) -> Grid:
    """Return the teams' scores by the steps of docs/definitions/ratings-statistics.md, on one table."""
    table = table_of(given)
    if estimator == "mos.plain":
        return np.asarray(np.nanmean(given, axis=2).mean(axis=1))
    if estimator == "mos.ap":
        score = projected_scores(table).score
    elif estimator == "mos.zscore":
        score = mean_scores(standardise(table)[0]).score
    else:
        clean = table if estimator == "mos.bt500" else remove_bias(table)[0]
        kept = clean if estimator == "mos.bias-removed" else clean.without(rejected_raters(bt500(clean)))
        score = mean_scores(kept).score
    return np.asarray(np.nanmean(score.reshape(3, SAMPLES), axis=1))


def cell(leaderboard: Leaderboard, team: str, run: str = "main") -> Cell:
    return next(row.cells["sync"] for row in leaderboard.rows if (row.team, row.run) == (team, run))


ESTIMATORS = ("mos.plain", "mos.bias-removed", "mos.bt500", "mos.p913", "mos.zscore", "mos.ap")


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_every_estimator(estimator: str) -> None:
    given = scores()
    leaderboard = compute_leaderboard(board(estimator, given), draws=300)
    found = [cell(leaderboard, team).value for team in TEAMS]
    assert found == pytest.approx(expected(estimator, given), abs=1e-9)
    assert leaderboard.ratings is not None
    assert leaderboard.ratings.estimator == estimator
    assert [row.team for row in leaderboard.rows] == list(TEAMS)
    assert leaderboard.uncertainty is not None
    assert leaderboard.uncertainty.held_fixed == {}
    for team in TEAMS:
        one = cell(leaderboard, team)
        assert one.ci is not None
        assert one.value is not None
        assert one.ci[0] < one.value < one.ci[1]


def test_estimators_do_differ() -> None:
    """Otherwise the test above could not tell them apart; the panel is such that the two screenings reject somebody."""
    given = scores()
    assert len({tuple(np.round(expected(estimator, given), 6)) for estimator in ESTIMATORS}) == len(ESTIMATORS)
    assert rejected_raters(bt500(table_of(given))) == [0]
    assert rejected_raters(bt500(remove_bias(table_of(given))[0])) == [0]


def test_screening_says_what_it_left_out() -> None:
    leaderboard = compute_leaderboard(board("mos.bt500", scores()), draws=200)
    assert leaderboard.ratings is not None
    assert leaderboard.ratings.notes == ("sync: The screening of mos.bt500 excluded 1 of 12 raters.",)
    assert cell(leaderboard, "alpha").n == SAMPLES * (RATERS - 1) - 4  # one rater did not see four of them


def test_a_bias_is_removed_where_raters_saw_different_teams() -> None:
    """r1 is one harsher than the others and saw everything of alpha, only the first sample of beta.

    alpha is 4 for the others and 3 for r1; beta is 3 and 2. Plain: alpha (4 + 4 + 3) / 3 = 11/3; beta s1 8/3, s2 3.
    """
    given = [(rater, "alpha", sample, "sync", 4) for rater in ("r2", "r3") for sample in ("s1", "s2")]
    given += [(rater, "beta", sample, "sync", 3) for rater in ("r2", "r3") for sample in ("s1", "s2")]
    given += [("r1", "alpha", "s1", "sync", 3), ("r1", "alpha", "s2", "sync", 3), ("r1", "beta", "s1", "sync", 2)]
    teams = {team: {"psnr": [1.0, 1.0]} for team in ("alpha", "beta")}
    plain = compute_leaderboard(make_snapshot(challenge(), teams, ratings=given), draws=200)
    assert cell(plain, "alpha").value == pytest.approx(11 / 3)
    assert cell(plain, "beta").value == pytest.approx((8 / 3 + 3) / 2)
    clean = compute_leaderboard(make_snapshot(challenge("mos.bias-removed"), teams, ratings=given), draws=200)
    # Biases: r1 -2/3; r2 and r3 (1/3 * 3 + 0) / 4 = 1/4.
    # alpha (3 + 2/3 + 2 (4 - 1/4)) / 3; beta s1 is one less, s2 is 3 - 1/4.
    assert cell(clean, "alpha").value == pytest.approx((3 + 2 / 3 + 2 * 3.75) / 3)
    assert cell(clean, "beta").value == pytest.approx(((3 + 2 / 3 + 2 * 3.75) / 3 - 1 + 2.75) / 2)


@pytest.mark.parametrize("estimator", ["mos.bias-removed", "mos.p913", "mos.ap"])
def test_what_can_not_be_computed_falls_back_to_plain_means_and_says_so(estimator: str) -> None:
    """r1 and r2 share no item."""
    given = [("r1", "alpha", "s1", "sync", 4), ("r2", "beta", "s1", "sync", 3)]
    teams = {team: {"psnr": [1.0, 1.0]} for team in ("alpha", "beta")}
    leaderboard = compute_leaderboard(make_snapshot(challenge(estimator), teams, ratings=given), draws=200)
    assert [cell(leaderboard, team).value for team in teams] == [4, 3]
    assert leaderboard.ratings is not None
    assert len(leaderboard.ratings.notes) == 1
    assert leaderboard.ratings.notes[0].startswith(f"sync: {estimator} could not be computed, plain means are used:")
    assert [cell(leaderboard, team).ci for team in teams] == [None, None]  # one sample, one rater each


def test_repeated_items_are_one_item() -> None:
    """alpha's s1 was shown twice: r1 said 5 and 4, r2 said 2. The item is (4.5 + 2) / 2, not (5 + 4 + 2) / 3."""
    teams = {"alpha": {"psnr": [1.0, 1.0]}}
    snapshot = make_snapshot(
        challenge(),
        teams,
        ratings=[("r1", "alpha", "s1", "sync", 5), ("r2", "alpha", "s1", "sync", 2), ("r1", "alpha", "s2", "sync", 1)],
    )
    assert snapshot.key is not None
    key = Key({**snapshot.key.entries, "again": KeyEntry("alpha", "s1")})
    again = replace(snapshot.answers[0], item="again", value=4.0)
    snapshot = replace(snapshot, key=key, answers=(*snapshot.answers, again))
    leaderboard = compute_leaderboard(snapshot, draws=200)
    assert cell(leaderboard, "alpha").value == pytest.approx((3.25 + 1) / 2)
    assert cell(leaderboard, "alpha").n == 3
    assert leaderboard.ratings is not None
    assert (leaderboard.ratings.counted, leaderboard.ratings.items) == (4, 2)


def test_a_rating_belongs_to_the_run_that_the_key_names() -> None:
    runs = [make_run("alpha", {"psnr": [1.0]}, name="a"), make_run("alpha", {"psnr": [1.0]}, name="b", primary=False)]
    ratings = [make_rating("r1", "alpha", "s1", "sync", 5, run="b"), make_rating("r1", "alpha", "s1", "sync", 2)]
    leaderboard = compute_leaderboard(make_snapshot(challenge(), {"alpha": runs}, ratings=ratings), draws=200)
    assert cell(leaderboard, "alpha", "a").value == 2  # without a run: the primary one
    assert cell(leaderboard, "alpha", "b").value == 5


def test_ratings_that_belong_to_no_run_are_a_note() -> None:
    runs = [make_run("alpha", {"psnr": [1.0]}, name="a")]
    snapshot = make_snapshot(challenge(), {"alpha": runs}, ratings=[("r1", "alpha", "s1", "sync", 5)])
    key = Key(
        {item_of("alpha", "s1"): KeyEntry("alpha", "s1", "gone"), item_of("alpha", "s9"): KeyEntry("alpha", "s9")}
    )
    more = make_rating("r1", "alpha", "s9", "sync", 3)
    snapshot = replace(snapshot, key=key, answers=(*snapshot.answers, more))
    leaderboard = compute_leaderboard(snapshot, draws=200)
    assert leaderboard.ratings is not None
    assert leaderboard.ratings.notes == (
        "1 rating enters no score: the key names a run that is not on the board.",
        "1 rating enters no score: the run's scorecard does not have the sample.",
    )
    assert cell(leaderboard, "alpha", "a").value is None
    no_key = compute_leaderboard(replace(snapshot, key=None), draws=200)
    assert no_key.ratings is not None
    assert "there is no key" in no_key.ratings.notes[0]


def test_a_dimension_without_ratings_beside_one_with() -> None:
    two = challenge().replace("dimensions: [", "dimensions: [{id: look, title: Look}, ")
    leaderboard = compute_leaderboard(
        make_snapshot(two, {"alpha": {"psnr": [1.0]}}, ratings=[("r1", "alpha", "s1", "sync", 5)]), draws=200
    )
    assert leaderboard.rows[0].cells["look"].reason == "no_ratings"
    assert leaderboard.rows[0].rank == 1
    assert leaderboard.provisional is not None


def test_the_interval_holds_the_mean_of_both_samples_and_raters() -> None:
    """Against the variance of the two-way bootstrap as Owen (2007) gives it for a full table, to a tenth.

    With row means A_i, column means B_j and residuals E_ij about a full R x C table, the variance of the bootstrap mean
    is about (sum of squares of A) / R^2 + (of B) / C^2 + (of E) / (R C)^2.
    """
    given = np.random.default_rng(0).integers(1, 6, (3, SAMPLES, RATERS)).astype(float)
    leaderboard = compute_leaderboard(board("mos.plain", given), draws=4000)
    for at, team in enumerate(TEAMS):
        grid = given[at]
        rows, columns = grid.mean(axis=1) - grid.mean(), grid.mean(axis=0) - grid.mean()
        rest = grid - grid.mean() - rows[:, None] - columns[None, :]
        variance = (rows**2).sum() / SAMPLES**2 + (columns**2).sum() / RATERS**2 + (rest**2).sum() / grid.size**2
        one = cell(leaderboard, team)
        assert one.ci is not None
        half = (one.ci[1] - one.ci[0]) / 2
        assert half == pytest.approx(stats.norm.ppf(0.975) * variance**0.5, rel=0.1)
