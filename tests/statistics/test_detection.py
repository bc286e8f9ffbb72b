"""Scores of detectors: hand arithmetic, scikit-learn, and what a bootstrap needs of them."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from evalkit.errors import InputError
from evalkit.statistics.detection import (
    ScoredVideos,
    average_precision,
    equal_error_rate,
    hit_rate_at,
    nearest_error_rate,
    roc_auc,
)

LABELS = np.array([0, 0, 0, 0, 0, 1, 1, 1, 1, 1])
SCORES = np.array([0.05, 0.10, 0.20, 0.40, 0.70, 0.30, 0.40, 0.80, 0.90, 0.95])


def one(values: np.ndarray) -> float:
    assert values.shape == (1,)
    return float(values[0])


def test_ten_videos_by_hand():
    """Of 25 pairs a fake is above in 21 and level in one: 21.5 / 25.

    The curve goes through (0, 0.6), (0.2, 0.6), (0.4, 0.8) and (0.4, 1). Misses are equal to false alarms half way
    between the second and the third, at 0.3. Of the points (0.2, 0.4) and (0.4, 0.2) the first is DeepfakeBench's.
    """
    curves = ScoredVideos(LABELS, SCORES).curves()
    assert one(roc_auc(curves)) == pytest.approx(0.86, abs=1e-12)
    assert one(equal_error_rate(curves)) == pytest.approx(0.3, abs=1e-12)
    assert one(nearest_error_rate(curves)) == pytest.approx(0.2, abs=1e-12)
    assert one(average_precision(curves)) == pytest.approx(0.876190476, abs=1e-9)
    assert one(hit_rate_at(curves, 0.2)) == pytest.approx(0.6)
    assert one(hit_rate_at(curves, 0.01)) == pytest.approx(0.6)
    assert list(curves.false_alarm_rates[0]) == pytest.approx([0, 0, 0, 0, 0.2, 0.4, 0.4, 0.6, 0.8, 1])
    assert list(curves.hit_rates[0]) == pytest.approx([0, 0.2, 0.4, 0.6, 0.6, 0.8, 1, 1, 1, 1])


def made(rng: np.random.Generator, kind: int) -> tuple[np.ndarray, np.ndarray]:
    n = int(rng.integers(2, 200))
    labels = rng.integers(0, 2, n)
    labels[:2] = 0, 1
    scores = rng.normal(size=n) + 0.7 * labels
    if kind == 1:
        scores = np.round(scores)  # many ties
    if kind == 2:
        scores = 1 / (1 + np.exp(-3 * scores))
    return labels, scores


@pytest.mark.parametrize("seed", range(60))
def test_against_scikit_learn(seed: int):
    labels, scores = made(np.random.default_rng(seed), seed % 3)
    curves = ScoredVideos(labels, scores).curves()
    assert one(roc_auc(curves)) == pytest.approx(sklearn_metrics.roc_auc_score(labels, scores), abs=1e-12)
    assert one(average_precision(curves)) == pytest.approx(
        sklearn_metrics.average_precision_score(labels, scores), abs=1e-12
    )
    alarms, hits, thresholds = sklearn_metrics.roc_curve(labels, scores, drop_intermediate=False)
    np.testing.assert_allclose(curves.false_alarm_rates[0], alarms, atol=1e-12)
    np.testing.assert_allclose(curves.hit_rates[0], hits, atol=1e-12)
    np.testing.assert_array_equal(curves.thresholds, thresholds)
    for rate in (0.01, 0.1, 0.2):
        assert one(hit_rate_at(curves, rate)) == pytest.approx(hits[alarms <= rate + 1e-12].max(), abs=1e-12)
    # The lines of DeepfakeBench's function, on scikit-learn's own curve.
    alarms, hits, _ = sklearn_metrics.roc_curve(labels, scores)
    rate = alarms[np.nanargmin(np.abs((1 - hits) - alarms))]
    assert one(nearest_error_rate(curves)) == pytest.approx(rate, abs=1e-12)
    assert _distance_to(curves.false_alarm_rates[0], curves.hit_rates[0], one(equal_error_rate(curves))) < 1e-12


def _distance_to(x: np.ndarray, y: np.ndarray, rate: float) -> float:
    """Return how far the point with equal errors is from the line through the points of a curve."""
    start, step = np.stack((x, y), 1)[:-1], np.stack((np.diff(x), np.diff(y)), 1)
    to = np.array([rate, 1 - rate]) - start
    along = np.clip((to * step).sum(1) / np.maximum((step**2).sum(1), 1e-300), 0, 1)
    return float(np.hypot(*(to - along[:, None] * step).T).min())


@pytest.mark.parametrize("seed", range(12))
def test_weights_are_repetitions(seed: int):
    """A video with weight 2 is the same as two such videos, and one of weight 0 is none."""
    rng = np.random.default_rng(seed)
    labels, scores = made(rng, seed % 3)
    weights = rng.integers(0, 4, (3, len(labels)))
    weights[:, :2] = 1  # both classes are there
    curves = ScoredVideos(labels, scores).curves(weights)
    for at, row in enumerate(weights):
        single = ScoredVideos(np.repeat(labels, row), np.repeat(scores, row)).curves()
        for number in (roc_auc, equal_error_rate, nearest_error_rate, average_precision):
            assert number(curves)[at] == pytest.approx(one(number(single)), abs=1e-12), number.__name__
        assert hit_rate_at(curves, 0.1)[at] == pytest.approx(one(hit_rate_at(single, 0.1)), abs=1e-12)


def test_one_class_has_no_number():
    videos = ScoredVideos([0, 0, 1], [0.1, 0.2, 0.3])
    curves = videos.curves([[1, 1, 0], [0, 0, 1], [1, 0, 1]])
    for number in (roc_auc, equal_error_rate, nearest_error_rate, average_precision):
        values = number(curves)
        assert np.isnan(values[:2]).all(), number.__name__
        assert np.isfinite(values[2]), number.__name__
    assert np.isnan(hit_rate_at(curves, 0.1)[:2]).all()


def test_equal_scores_tell_nothing():
    curves = ScoredVideos([0, 1, 1], [3.0, 3.0, 3.0]).curves()
    assert one(roc_auc(curves)) == 0.5
    assert one(equal_error_rate(curves)) == 0.5
    assert one(average_precision(curves)) == pytest.approx(2 / 3)
    assert one(hit_rate_at(curves, 0.01)) == 0.0


def test_the_worst_score_is_infinite():
    curves = ScoredVideos([0, 0, 1, 1], [0.2, np.inf, -np.inf, 0.9]).curves()
    assert one(roc_auc(curves)) == pytest.approx(0.25)  # of four pairs one is right


@pytest.mark.parametrize(
    ("labels", "scores"), [([0, 1], [0.1]), ([0, 2], [0.1, 0.2]), ([0, 1], [0.1, np.nan]), ([[0, 1]], [[1, 2]])]
)
def test_what_is_no_score_is_refused(labels: object, scores: object):
    with pytest.raises(InputError):
        ScoredVideos(labels, scores)  # type: ignore[arg-type]
