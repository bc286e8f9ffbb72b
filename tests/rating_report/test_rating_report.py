"""What a report about ratings says: hand-checked figures, screening over dimensions, and boards that lack something."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest
from builders.boards import NOW, WHEN, item_of, make_rating, make_snapshot
from scipy import optimize, stats

from evalkit.board.filtering import filter_ratings
from evalkit.board.model import Decision, GoldItem, Snapshot
from evalkit.challenges.rating_rules import Estimator, RatingRules
from evalkit.errors import UsageError
from evalkit.rating_report.compute import compute_rating_report
from evalkit.rating_report.model import EstimatorScores, RaterReport, RatingReport, ScreeningResult
from evalkit.rating_report.screening import RULES, propose_exclusions, screen
from evalkit.ratings import Comparison, Rating
from evalkit.statistics.estimators import ESTIMATORS

CHALLENGE = """
id: c
title: The challenge
ratings:
  method: mos
  dimensions: [{id: sync, title: Sync}]
"""
THREE = CHALLENGE.replace("[{id: sync, title: Sync}]", "[{id: a, title: A}, {id: b, title: B}, {id: c, title: C}]")
PAIRS = "id: c\ntitle: The challenge\nratings: {method: pairs}\n"
TEAMS: dict[str, Any] = {"alpha": {"psnr": [30, 31]}, "beta": {"psnr": [20, 21]}}

# (team, sample) -> scores of r1, r2, r3, r4. Means 4.5, 4, 2, 3.
SCORES = {
    ("alpha", "s1"): (5, 4, 4, 5),
    ("alpha", "s2"): (4, 4, 3, 5),
    ("beta", "s1"): (2, 1, 2, 3),
    ("beta", "s2"): (3, 3, 2, 4),
}
RATINGS = [
    (f"r{at + 1}", team, sample, "sync", value)
    for (team, sample), row in SCORES.items()
    for at, value in enumerate(row)
]


def small(**more: Any) -> Snapshot:
    return make_snapshot(CHALLENGE, TEAMS, **{"ratings": RATINGS, **more})


def scores_of(report: RatingReport, name: str) -> EstimatorScores:
    return next(scores for scores in report.dimensions[0].estimators if scores.estimator == name)


def rater_of(report: RatingReport, name: str) -> RaterReport:
    return next(rater for rater in report.raters if rater.rater == name)


# Hand-checked


@pytest.fixture(scope="module")
def report() -> RatingReport:
    return compute_rating_report(small())


def test_plain_scores(report: RatingReport) -> None:
    plain = scores_of(report, "mos.plain")
    # Team scores: (4.5 + 4) / 2 and (2 + 3) / 2.
    assert [(team.team, team.score.value, team.items, team.ratings) for team in plain.teams] == [
        ("alpha", 4.25, 2, 8),
        ("beta", 2.5, 2, 8),
    ]
    assert [(item.team, item.sample, item.score.value, item.ratings) for item in plain.items] == [
        ("alpha", "s1", 4.5, 4),
        ("alpha", "s2", 4.0, 4),
        ("beta", "s1", 2.0, 4),
        ("beta", "s2", 3.0, 4),
    ]
    # alpha, s1: deviation sqrt((4 * 0.25) / 3), half width t(0.975, 3) * deviation / sqrt(4), t = 3.1824463.
    first = plain.items[0].score
    assert (first.low, first.high) == pytest.approx((4.5 - 0.9186931, 4.5 + 0.9186931), abs=1e-6)
    for team in plain.teams:
        assert team.score.low is not None
        assert team.score.high is not None
        assert team.score.low < (team.score.value or 0) < team.score.high


def test_other_estimators_stand_beside_it_or_say_why_not(report: RatingReport) -> None:
    assert [scores.estimator for scores in report.dimensions[0].estimators] == list(ESTIMATORS)
    # Everybody rated everything, so biases cancel in every mean.
    assert [team.score.value for team in scores_of(report, "mos.bias-removed").teams] == pytest.approx([4.25, 2.5])
    # r1 gives 5, 4, 2, 3: mean 3.5, deviation sqrt(5 / 3); r2 4, 4, 1, 3; r3 4, 3, 2, 2; r4 5, 5, 3, 4.
    rows = np.array(list(SCORES.values()), dtype=float)
    z = ((rows - rows.mean(axis=0)) / rows.std(axis=0, ddof=1)).mean(axis=1)
    standard = scores_of(report, "mos.zscore")
    assert [team.score.value for team in standard.teams] == pytest.approx([z[:2].mean(), z[2:].mean()])
    model = scores_of(report, "mos.ap")
    assert model.teams == ()
    assert model.reason is not None
    assert "mos.ap could not be computed" in model.reason
    assert "at least 10 ratings each" in model.reason


def test_agreement(report: RatingReport) -> None:
    dimension = report.dimensions[0]
    rows = np.array(list(SCORES.values()), dtype=float)
    n, k = rows.shape
    grand = rows.mean()
    between = k * ((rows.mean(axis=1) - grand) ** 2).sum() / (n - 1)
    columns = n * ((rows.mean(axis=0) - grand) ** 2).sum() / (k - 1)
    error = ((rows - rows.mean(axis=1)[:, None] - rows.mean(axis=0) + grand) ** 2).sum() / ((n - 1) * (k - 1))
    assert dimension.icc_single.value == pytest.approx(
        (between - error) / (between + (k - 1) * error + k * (columns - error) / n)
    )
    assert dimension.icc_mean.value == pytest.approx((between - error) / (between + (columns - error) / n))
    # Interval alpha: 1 - (within-item mean square) / (mean square of all pairs).
    within = rows.var(axis=1, ddof=1).mean()
    assert dimension.alpha_interval.value == pytest.approx(1 - within / rows.var(ddof=1))
    assert dimension.alpha_ordinal.low is not None
    # Variances within items 1/3, 2/3, 2/3, 2/3: their mean is 7/12.
    assert dimension.deviation == pytest.approx(math.sqrt(7 / 12))


def test_raters_needed(report: RatingReport) -> None:
    deviation = math.sqrt(7 / 12)
    for need in report.dimensions[0].needed:
        least = next(
            n for n in range(2, 1000) if stats.t.ppf(0.975, n - 1) * deviation / math.sqrt(n) <= need.half_width
        )
        assert need.raters == least
    assert [need.half_width for need in report.dimensions[0].needed] == [0.5, 0.25]


def test_raters(report: RatingReport) -> None:
    # r1 minus the item means: 0.5, 0, 0, 0; r2 -0.5, 0, -1, 0; r3 -0.5, -1, 0, -1; r4 0.5, 1, 1, 1.
    assert [rater.bias for rater in report.raters] == pytest.approx([0.125, -0.375, -0.625, 0.875])
    assert [rater.inconsistency for rater in report.raters] == [None] * 4
    assert report.dimensions[0].no_inconsistency is not None
    first = report.raters[0]
    assert (first.ratings, first.counted, first.median_seconds, first.most_common_share) == (4, 4, 10.0, 0.25)
    assert rater_of(report, "r2").most_common_share == 0.5
    assert (first.repeats, first.decisions, first.rejected_by, first.own_team) == (None, (), (), None)
    assert [screening.rule for screening in first.screenings] == list(RULES)


def test_as_dict_is_plain_json_and_the_same_again(report: RatingReport) -> None:
    text = json.dumps(report.as_dict(), allow_nan=False)
    assert json.loads(text)["dimensions"][0]["estimators"][0]["teams"][0]["score"]["value"] == 4.25
    shuffled = small(ratings=RATINGS[::-1])
    assert (
        json.dumps(compute_rating_report(shuffled).as_dict())
        == json.dumps(compute_rating_report(small()).as_dict())
        == text
    )


# Per rater


def test_a_video_under_several_ids_is_one_item_and_tells_self_consistency() -> None:
    again = [
        make_rating("r1", "alpha", "s1", "sync", 3, run="main"),
        make_rating("r1", "beta", "s1", "sync", 2, run="main"),
    ]
    report = compute_rating_report(small(ratings=[*RATINGS, *again]))
    # r1 gives alpha, s1 the scores 5 and 3, so 4: the item's mean is (4 + 4 + 4 + 5) / 4.
    plain = scores_of(report, "mos.plain")
    assert [item.score.value for item in plain.items] == [4.25, 4.0, 2.0, 3.0]
    assert plain.items[0].ratings == 4
    first = report.raters[0]
    assert first.repeats is not None
    assert (first.repeats.answers, first.repeats.mean_difference) == (2, 1.0)  # 2 and 0 apart
    assert first.ratings == 6


def test_the_time_of_an_item_counts_once_however_many_questions_it_has() -> None:
    given = [
        make_rating("r1", "alpha", "s1", dimension, 3, seconds=seconds)
        for dimension, seconds in (("a", 2.0), ("b", 2.0), ("c", 2.0))
    ]
    given += [
        make_rating("r1", "alpha", "s2", "a", 3, seconds=8.0),
        make_rating("r1", "beta", "s2", "a", 3, seconds=9.0),
    ]
    report = compute_rating_report(make_snapshot(THREE, TEAMS, ratings=given))
    assert report.raters[0].median_seconds == 8.0


def test_days_and_answers_without_a_time() -> None:
    given = [make_rating("r1", "alpha", "s1", "sync", 3), make_rating("r1", "alpha", "s2", "sync", 3, at=None)]
    given.append(make_rating("r1", "beta", "s1", "sync", 9, at=WHEN.replace(hour=23)))
    report = compute_rating_report(make_snapshot(CHALLENGE, TEAMS, ratings=given))
    assert [(day.day, day.answers, day.counted) for day in report.days] == [("2026-03-02", 2, 1)]
    assert report.undated == 1


# ScreeningResult


def screened(snapshot: Snapshot, *rules: str) -> dict[str, tuple[ScreeningResult, ...]]:
    return screen(snapshot, filter_ratings(snapshot), rules or tuple(RULES))


def liner_board(flat: tuple[str, ...], **more: Any) -> Snapshot:
    """Return a board where r9 gives 3 to everything in the dimensions ``flat``; nine others vary together."""
    samples = [f"s{at}" for at in range(12)]
    teams = {"alpha": {"psnr": [30.0] * 12}}
    rng = np.random.default_rng(5)
    ratings = []
    for at, sample in enumerate(samples):
        for dimension in "abc":
            truth = 1 + (at * 3 + "abc".index(dimension)) % 5
            for rater in range(10):
                value = 3 if rater == 9 and dimension in flat else int(np.clip(truth + rng.integers(-1, 2), 1, 5))
                ratings.append((f"r{rater}", "alpha", sample, dimension, value))
    return make_snapshot(THREE, teams, samples=samples, ratings=ratings, **more)


@pytest.mark.parametrize(("flat", "found"), [(("a", "b", "c"), True), (("a", "b"), True), (("a",), False), ((), False)])
def test_a_rule_speaks_by_more_than_half_of_the_dimensions(flat: tuple[str, ...], found: bool) -> None:
    snapshot = liner_board(flat)
    proposed = propose_exclusions(snapshot, ["straight-liners"])
    assert [(rater, code) for rater, code, _ in proposed] == ([("r9", "straight-liner")] if found else [])
    if found:
        assert proposed[0][2].startswith(f"In {len(flat)} of 3 dimensions, first in a: r9 gives 3 to 100% of 12 items")
    (screening,) = screened(snapshot, "straight-liners")["r9"]
    assert [verdict.rejected for verdict in screening.by_dimension.values()] == [
        dimension in flat for dimension in "abc"
    ]


def test_half_of_the_dimensions_is_not_enough() -> None:
    snapshot = liner_board(("a",))
    two = snapshot.challenge.ratings.model_copy(update={"dimensions": snapshot.challenge.ratings.dimensions[:2]})
    fewer = replace(snapshot, challenge=snapshot.challenge.model_copy(update={"ratings": two}))
    (screening,) = screened(fewer, "straight-liners")["r9"]
    assert [verdict.rejected for verdict in screening.by_dimension.values()] == [True, False]
    assert not screening.rejected
    assert screening.sentence.startswith("Against the rater in 1 of 2 dimensions.")


def test_who_is_left_out_is_judged_and_not_proposed_again() -> None:
    decision = Decision(1, "rater", "r9", "manual", "Known.", "organizer", NOW)
    snapshot = liner_board(("a", "b", "c"), decisions=[decision])
    assert propose_exclusions(snapshot, list(RULES)) == []
    assert "straight-liners" in {screening.rule for screening in screened(snapshot)["r9"] if screening.rejected}
    rater = rater_of(compute_rating_report(snapshot, draws=10), "r9")
    assert [(one.number, one.reason) for one in rater.decisions] == [(1, "Known.")]
    assert rater.counted == 0
    revoked = replace(snapshot, decisions=(replace(decision, revoked_at=NOW, revoked_by="organizer"),))
    assert [rater for rater, _, _ in propose_exclusions(revoked, ["straight-liners"])] == ["r9"]


def test_who_counts_is_held_against_those_who_count() -> None:
    """A second rater's answers, left out, don't move what is said of the others."""
    alone, noise = liner_board(()), []
    for stored in alone.ratings[:360:10]:
        noise.append(replace(stored.rating, rater="r99", value=6 - stored.rating.value))
    ratings = [stored.rating for stored in alone.ratings] + noise
    decision = Decision(1, "rater", "r99", "manual", "Inverted.", "organizer", NOW)
    with_noise = make_snapshot(
        THREE,
        {"alpha": {"psnr": [30.0] * 12}},
        samples=[f"s{at}" for at in range(12)],
        ratings=ratings,
        decisions=[decision],
    )
    before, after = (screened(snapshot, "rest-correlation") for snapshot in (alone, with_noise))
    assert before["r3"] == after["r3"]
    correlations = [verdict.statistic for screening in after["r99"] for verdict in screening.by_dimension.values()]
    assert len(correlations) == 3
    assert all(correlation is not None and correlation < 0 for correlation in correlations)


def test_speeders_are_seen_in_answers_that_the_rules_refuse() -> None:
    strict = CHALLENGE + "  min_seconds_per_item: 4\n"
    teams = {"alpha": {"psnr": [30.0] * 6}}
    samples = [f"s{at}" for at in range(6)]
    ratings = [
        (f"r{rater}", "alpha", sample, "sync", 1 + at % 5, WHEN, 1.5 if rater == 3 else 20.0)
        for at, sample in enumerate(samples)
        for rater in range(4)
    ]
    snapshot = make_snapshot(strict, teams, samples=samples, ratings=ratings)
    rater = rater_of(compute_rating_report(snapshot), "r3")
    assert (rater.counted, rater.median_seconds, rater.rejected_by) == (0, 1.5, ("speeders",))
    assert propose_exclusions(snapshot, ["bt500", "speeders"]) == [
        ("r3", "speeder", "r3 takes 1.5 s for an item (median); all raters 20.0 s; rejected below 4.0 s.")
    ]
    silent = next(screening for screening in rater.screenings if screening.rule == "bt500")
    assert silent.sentence == "r3 has no rating that counts by the challenge's rules: not tested."


def test_gold_items_need_no_team_and_all_dimensions_are_one_test() -> None:
    check = [Rating(rater, "check", "sync", value, WHEN, 9.0, 2) for rater, value in (("r1", 5), ("r2", 1), ("r3", 4))]
    gold = [GoldItem("check", "sync", 4, 5), GoldItem(item_of("beta", "s1"), "sync", 1, 2)]
    snapshot = make_snapshot(CHALLENGE, TEAMS, ratings=[*RATINGS, *check], gold=gold)
    # r1: 5 and 2, both right; r2: 1 wrong, 1 right: half is more than a quarter; r3: 4 and 2; r4: 3 is wrong.
    assert [(rater, code) for rater, code, _ in propose_exclusions(snapshot, ["gold"])] == [
        ("r2", "gold"),
        ("r4", "gold"),
    ]
    report = compute_rating_report(snapshot)
    assert [(one.answers, one.wrong) for one in report.gold] == [(3, 1), (4, 1)]
    assert report.summary.reasons == {"unknown-item": 3}


def test_a_rater_stands_once_with_all_sentences() -> None:
    gold = [GoldItem(item_of("alpha", "s0"), "a", 5, 5)]
    proposed = propose_exclusions(liner_board(("a", "b", "c"), gold=gold), ["straight-liners", "gold"])
    mine = [row for row in proposed if row[0] == "r9"]
    assert [code for _, code, _ in mine] == ["straight-liner"]
    assert "r9 gives 3" in mine[0][2]
    assert "r9 is wrong on 1 of 1 gold items" in mine[0][2]
    assert [rater for rater, _, _ in proposed] == sorted({rater for rater, _, _ in proposed})


def test_an_unknown_rule_is_refused() -> None:
    with pytest.raises(UsageError, match="Did you mean 'speeders'"):
        propose_exclusions(small(), ["speeder"])


# Comparisons


def test_pairs_agree_with_an_independent_optimizer() -> None:
    wins = {("a", "b"): 3, ("a", "c"): 2, ("b", "c"): 6, ("b", "a"): 1, ("c", "a"): 4, ("c", "b"): 3}
    pairs, at = [], 0
    for (left, right), times in wins.items():
        for _ in range(times):
            at += 1
            pairs.append(Comparison(f"r{at}", "s1", left, right, 1.0, "", WHEN, 9.0, at))
    pairs.append(Comparison("r0", "s1", "a", "c", 0.5, "", WHEN, 9.0, 99))
    teams = {name: {"psnr": [1.0]} for name in "abc"}
    (report,) = compute_rating_report(make_snapshot(PAIRS, teams, pairs=pairs)).comparisons
    # a: 3 + 2 + 0.5 of 11; b: 6 + 1 of 13; c: 4 + 3 + 0.5 of 16? a-b 4, a-c 7, b-c 9: a 11, b 13, c 16 comparisons.
    assert {team.team: (team.points, team.comparisons) for team in report.teams} == {
        "a": (5.5, 11),
        "b": (7.0, 13),
        "c": (7.5, 16),
    }
    assert [team.team for team in report.teams] == ["c", "b", "a"]
    assert (report.balanced, report.ties, report.comparisons, report.reason) == (False, 1, 20, None)

    def loss(free: np.ndarray) -> float:
        theta = dict(zip("abc", (*free, -free.sum()), strict=True))
        rows = [(one.left, one.right, one.outcome) for one in pairs]
        return sum(
            w * math.log1p(math.exp(theta[y] - theta[x])) + (1 - w) * math.log1p(math.exp(theta[x] - theta[y]))
            for x, y, w in rows
        )

    best = optimize.minimize(loss, np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12}).x
    expected = dict(zip("abc", (*best, -best.sum()), strict=True))
    assert {team.team: team.strength.value for team in report.teams} == pytest.approx(expected, abs=1e-5)
    for team in report.teams:
        assert team.error is not None
        assert team.strength.high == pytest.approx((team.strength.value or 0) + stats.norm.ppf(0.975) * team.error)


def test_comparisons_without_finite_strengths_say_why() -> None:
    pairs = [("r1", "s1", "alpha", "beta", 1.0), ("r2", "s1", "alpha", "beta", 1.0)]
    (report,) = compute_rating_report(make_snapshot(PAIRS, TEAMS, pairs=pairs)).comparisons
    assert report.reason is not None
    assert "one side won every comparison" in report.reason
    assert [(team.points, team.strength.value, team.error) for team in report.teams] == [
        (2, None, None),
        (0, None, None),
    ]
    assert report.left_share == 1.0


# Boards that lack something


def test_an_empty_board() -> None:
    report = compute_rating_report(make_snapshot(CHALLENGE, {}))
    assert (report.raters, report.dimensions, report.comparisons, report.days) == ((), (), (), ())
    assert json.dumps(report.as_dict(), allow_nan=False)


def test_nothing_counts() -> None:
    report = compute_rating_report(replace(small(), teams=()))
    dimension = report.dimensions[0]
    assert (dimension.ratings, dimension.items) == (0, 0)
    assert {scores.reason for scores in dimension.estimators} == {"there are no ratings"}
    assert {figure.value for figure in (dimension.alpha_ordinal, dimension.icc_single)} == {None}
    assert {need.reason for need in dimension.needed} == {"no item has two ratings"}
    assert [rater.counted for rater in report.raters] == [0] * 4


def test_without_a_key_items_stand_alone() -> None:
    report = compute_rating_report(replace(small(), key=None))
    plain = scores_of(report, "mos.plain")
    assert plain.teams == ()
    assert sorted(item.score.value or 0 for item in plain.items) == [2.0, 3.0, 4.0, 4.5]
    assert {(item.team, item.run) for item in plain.items} == {("", "")}
    assert report.notes == ("There is no key on the board, so the team of an item is unknown.",)


def test_without_runs_the_key_still_tells_the_teams() -> None:
    report = compute_rating_report(replace(small(), runs=()))
    assert [(team.team, team.score.value) for team in scores_of(report, "mos.plain").teams] == [
        ("alpha", 4.25),
        ("beta", 2.5),
    ]


def test_a_missing_rating_leaves_no_intraclass_correlation() -> None:
    report = compute_rating_report(small(ratings=RATINGS[:-1]))
    assert report.dimensions[0].icc_single.value is None
    assert "15 ratings of 4 items by 4 raters" in (report.dimensions[0].icc_single.reason or "")
    # beta, s2 is (3 + 3 + 2) / 3 now, and the team the mean of its two items, not of its seven ratings.
    assert scores_of(report, "mos.plain").teams[1].score.value == pytest.approx((2 + 8 / 3) / 2)


# The real files


@pytest.fixture(scope="module")
def real_report(real_board: Snapshot) -> RatingReport:
    return compute_rating_report(real_board, draws=200)


@pytest.mark.shared
def test_the_planted_raters_are_proposed_and_nobody_else(real_board: Snapshot) -> None:
    found = propose_exclusions(real_board, ["speeders", "straight-liners"])
    assert [(rater, code) for rater, code, _ in found] == [("r13", "speeder"), ("r14", "straight-liner")]
    assert propose_exclusions(real_board, ["rest-correlation", "p913", "bt500", "gold"]) == []


@pytest.mark.shared
def test_every_estimator_puts_the_faithful_first(real_report: RatingReport) -> None:
    assert len(real_report.dimensions) == 4
    assert rater_of(real_report, "r12").ratings - rater_of(real_report, "r12").counted == 52
    for dimension in real_report.dimensions:
        for scores in dimension.estimators:
            assert scores.reason is None
            assert max(scores.teams, key=lambda team: team.score.value or 0).team == "faithful"
        assert dimension.alpha_ordinal.value is not None
        assert 0.4 < dimension.alpha_ordinal.value < 0.9


def test_every_estimator_of_a_challenge_can_be_computed() -> None:
    assert tuple(ESTIMATORS) == get_args(Estimator)


@pytest.mark.shared
def test_the_strengths_of_the_real_pairs_have_the_order_of_the_points(real_board: Snapshot) -> None:
    """The design is not balanced, so that the orders agree is a fact and no theorem."""
    asked = replace(
        real_board, challenge=real_board.challenge.model_copy(update={"ratings": RatingRules(method="pairs")})
    )
    (report,) = compute_rating_report(asked).comparisons
    assert report.comparisons == 550
    assert not report.balanced
    by_points = [team.team for team in report.teams]
    by_strength = sorted(report.teams, key=lambda team: -(team.strength.value or 0))
    assert by_points == [team.team for team in by_strength]
    assert by_points[0] == "faithful"
    assert set(by_points[-2:]) == {"frozen", "swapped"}
