"""The model of raters: published figures, an independent fit, simulated truth, and the traps of the method."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize

from evalkit.errors import InputError, UsageError
from evalkit.statistics.opinion_table import from_matrix, opinion_table
from evalkit.statistics.subject_model import projected_scores

NAN = np.nan


def simulated(items=200, raters=12, seed=0, missing=0.0, steadiest=0.6):
    """Return scores (items, raters) and the truth they were drawn from."""
    rng = np.random.default_rng(seed)
    truth = rng.uniform(1, 5, items)
    bias = rng.normal(0, 0.6, raters)
    bias -= bias.mean()
    noise = np.linspace(steadiest, 1.5, raters)
    scores = truth[:, None] + bias + noise * rng.normal(size=(items, raters))
    scores[rng.random(scores.shape) < missing] = NAN
    return scores, truth, bias, noise


def test_the_interval_is_normal(sample) -> None:
    found = projected_scores(from_matrix(sample))
    np.testing.assert_allclose(found.high - found.score, 1.959964 * found.error, rtol=1e-6)
    assert found.floored == ()


def test_against_an_independent_fit_of_the_likelihood() -> None:
    # Nothing of evalkit in the likelihood: all 30 + 20 + 20 parameters by BFGS with numerical slopes.
    scores, *_ = simulated(items=30, raters=20, seed=3, missing=0.1, steadiest=0.9)
    there = ~np.isnan(scores)

    def loss(at):
        score, bias, log_noise = np.split(at, [30, 50])
        noise = np.exp(log_noise)
        z = (scores - score[:, None] - bias) / noise
        return (0.5 * z**2 + np.log(noise) + 0.5 * np.log(2 * np.pi))[there].sum() + 50 * bias.mean() ** 2

    start = np.concatenate([np.nanmean(scores, axis=1), np.zeros(20), np.zeros(20)])
    fit = optimize.minimize(loss, start, method="BFGS", options={"gtol": 1e-6, "maxiter": 2000})
    found = projected_scores(from_matrix(scores), min_items=1)
    np.testing.assert_allclose(found.score, fit.x[:30], atol=2e-5)
    np.testing.assert_allclose(found.bias, fit.x[30:50], atol=2e-5)
    np.testing.assert_allclose(found.inconsistency, np.exp(fit.x[50:]), atol=2e-5)


def test_the_truth_comes_back() -> None:
    scores, truth, bias, noise = simulated(raters=24, missing=0.3)
    found = projected_scores(from_matrix(scores))
    assert root_mean_square(found.score - truth) < 0.95 * root_mean_square(np.nanmean(scores, axis=1) - truth)
    assert found.floored == ()
    np.testing.assert_allclose(found.bias, bias, atol=4 * noise.max() / np.sqrt(140))
    np.testing.assert_allclose(found.inconsistency, noise, rtol=0.3)
    assert np.mean((found.inconsistency_low <= noise) & (noise <= found.inconsistency_high)) >= 0.75
    assert found.bias.mean() == pytest.approx(0, abs=1e-12)


def root_mean_square(numbers) -> float:
    return float(np.sqrt(np.mean(numbers**2)))


def test_the_intervals_cover() -> None:
    # The scores fit the raters a little too well, so a little is missing to 95 %.
    scores, truth, *_ = simulated(items=3000, raters=24, seed=8)
    found = projected_scores(from_matrix(scores))
    assert 0.92 < np.mean((found.low <= truth) & (truth <= found.high)) < 0.96


def test_a_score_that_follows_one_rater_is_reported() -> None:
    # The trap of the method: one rater is much steadier than the other eleven, and the likelihood runs off to that
    # rater's own ratings. The floor stops it, and `floored` says whose ratings the scores now are.
    scores, *_ = simulated(missing=0.3, steadiest=0.3)
    found = projected_scores(from_matrix(scores))
    assert found.floored == (0,)
    assert np.nanmean(np.abs(found.score + found.bias[0] - scores[:, 0])) < 0.1


def test_a_shifted_rater_shifts_a_bias_and_nothing_else() -> None:
    scores, *_ = simulated(items=60)
    moved = scores.copy()
    moved[:, 2] += 1.2  # all biases are relative to their mean, so it moves by 1.2 / 12 with the scores
    before, after = projected_scores(from_matrix(scores)), projected_scores(from_matrix(moved))
    np.testing.assert_allclose(after.score, before.score + 0.1, atol=1e-7)
    np.testing.assert_allclose(after.bias - before.bias, np.where(np.arange(12) == 2, 1.1, -0.1), atol=1e-7)
    np.testing.assert_allclose(after.inconsistency, before.inconsistency, atol=1e-7)


def test_a_shadow_of_the_others_does_not_decide_everything() -> None:
    # Rater 0 gives exactly the mean of the other five. Without a floor their weight would grow to 1e8.
    rng = np.random.default_rng(4)
    others = rng.uniform(1, 5, (60, 1)) + rng.normal(0, 1.0, (60, 5))
    scores = np.column_stack([others.mean(axis=1), others])
    table = from_matrix(scores)
    found = projected_scores(table, least_inconsistency=0.5)
    assert found.floored == (0,)
    free = projected_scores(table, least_inconsistency=1e-6)
    assert np.ptp(free.score - scores[:, 0]) < 1e-6  # nothing but rater 0's ratings, shifted
    assert np.ptp(found.score - scores[:, 0]) > 0.1


def test_missing_raters_and_items_stay_missing() -> None:
    scores, *_ = simulated(items=30, raters=4)
    table = from_matrix(scores)
    wider = opinion_table(table.rater, table.item, table.value, raters=5, items=31)
    found, plain = projected_scores(wider), projected_scores(table)
    assert np.isnan(found.score[30])
    assert np.isnan(found.bias[4])
    assert np.isnan(found.inconsistency[4])
    np.testing.assert_allclose(found.score[:30], plain.score, atol=1e-7)
    np.testing.assert_allclose(found.error[:30], plain.error, atol=1e-7)


def test_one_rating_is_no_certainty() -> None:
    scores, *_ = simulated(items=30, raters=4)
    scores[0, 1:] = NAN
    found = projected_scores(from_matrix(scores))
    assert np.isfinite(found.score[0])
    assert np.isnan([found.error[0], found.low[0], found.high[0]]).all()


def test_the_order_of_rows_changes_no_bit(sample) -> None:
    table = from_matrix(sample)
    order = np.random.default_rng(1).permutation(len(table))
    shuffled = opinion_table(table.rater[order], table.item[order], table.value[order])
    assert projected_scores(table).score.tobytes() == projected_scores(shuffled).score.tobytes()


def test_raters_with_few_ratings_are_named() -> None:
    scores, *_ = simulated(items=30, raters=3)
    scores[4:, 1] = NAN
    with pytest.raises(InputError, match=r"1 of 3 raters.*r02 with 4.*10 ratings"):
        projected_scores(from_matrix(scores, rater_names=["r01", "r02", "r03"]))


def test_parts_without_a_common_item_are_refused() -> None:
    scores = np.full((20, 4), NAN)
    scores[:10, :2] = 3.0
    scores[10:, 2:] = 4.0
    with pytest.raises(InputError, match="without a common item"):
        projected_scores(from_matrix(scores))


def test_the_smallest_inconsistency_must_be_positive() -> None:
    table = from_matrix(simulated(items=20)[0])
    with pytest.raises(UsageError, match="above 0"):
        projected_scores(table, least_inconsistency=0)
