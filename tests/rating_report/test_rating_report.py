"""The rating report: hand-checked figures, raters, and boards that lack something."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from builders.boards import WHEN, make_rating, make_snapshot
from builders.rated import CHALLENGE, RATINGS, SCORES, TEAMS, THREE, rater_of, small
from scipy import stats

from evalkit.challenges.rating_rules import Estimator
from evalkit.rating_report.compute import compute_rating_report
from evalkit.rating_report.model import EstimatorScores, RatingReport
from evalkit.rating_report.screening import RULES
from evalkit.statistics.estimators import ESTIMATORS


def scores_of(report: RatingReport, name: str) -> EstimatorScores:
    return next(scores for scores in report.dimensions[0].estimators if scores.estimator == name)


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


def test_every_estimator_of_a_challenge_can_be_computed() -> None:
    assert tuple(ESTIMATORS) == get_args(Estimator)


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
