"""The bootstrap over people: a known series of draws, and what clusters change."""

from __future__ import annotations

import numpy as np
import pytest

from evalkit.errors import InputError
from evalkit.statistics.bootstrap import multinomial_counts
from evalkit.statistics.cluster_bootstrap import cluster_interval, interval_of_draws, intervals_of_means
from evalkit.statistics.detection import ScoredVideos, roc_auc

LABELS = np.array([0, 0, 0, 0, 0, 1, 1, 1, 1, 1])
SCORES = np.array([0.05, 0.10, 0.20, 0.40, 0.70, 0.30, 0.40, 0.80, 0.90, 0.95])
PEOPLE = np.array([0, 0, 1, 1, 2, 0, 1, 2, 2, 3])
VIDEOS = ScoredVideos(LABELS, SCORES)


def auc(weights: np.ndarray) -> np.ndarray:
    return roc_auc(VIDEOS.curves(weights))


def test_a_known_series_of_draws():
    drawn = np.random.RandomState(0)
    counts = np.array([np.bincount(drawn.choice([0, 1, 2, 3], 4), minlength=4) for _ in range(2000)], dtype=float)
    found = interval_of_draws(auc, PEOPLE, counts)
    assert found.ends == (pytest.approx(0.785714, abs=1e-6), 1.0)
    assert found.lost == 7
    assert found.deviation == pytest.approx(0.058356, abs=1e-6)
    assert (found.clusters, found.descriptive) == (4, True)


def test_rows_by_themselves_give_another_interval():
    drawn = np.random.RandomState(0)
    counts = np.array([np.bincount(drawn.randint(0, 10, 10), minlength=10) for _ in range(2000)], dtype=float)
    found = interval_of_draws(auc, np.arange(10), counts)
    assert found.ends is not None
    assert found.ends[0] == pytest.approx(0.5417, abs=1e-4)
    assert found.ends[1] == 1.0


def test_the_wider_of_two_groupings_is_taken():
    rng = np.random.default_rng(0)
    labels, scores = np.tile([0, 1], 100), rng.normal(size=200)
    videos = ScoredVideos(labels, scores + labels)

    def number(weights: np.ndarray) -> np.ndarray:
        return roc_auc(videos.curves(weights))

    alone, few = np.arange(200), np.repeat(np.arange(5), 40)
    both = cluster_interval(number, alone, few, seed=1, draws=500)
    single = cluster_interval(number, alone, seed=1, draws=500)
    assert both.width >= single.width
    assert single.clusters == 200
    assert not single.descriptive
    assert cluster_interval(number, alone, seed=1, draws=500) == single


def test_one_cluster_has_no_interval():
    found = cluster_interval(auc, np.zeros(10), seed=0, draws=100)
    assert found.ends is None
    assert found.clusters == 1


def test_a_video_without_a_cluster_is_refused():
    with pytest.raises(InputError):
        interval_of_draws(auc, PEOPLE, np.ones((5, 3)))
    with pytest.raises(InputError):
        cluster_interval(auc, seed=0)


def test_intervals_of_many_means_are_those_of_each():
    rng = np.random.default_rng(3)
    member = np.repeat(np.arange(30), rng.integers(1, 4, 30))
    values = rng.normal(size=(len(member), 5))
    counts = multinomial_counts(np.random.default_rng(1), 30, 400)
    sums = np.column_stack([np.bincount(member, weights=column) for column in values.T])
    videos = np.column_stack([np.bincount(member).astype(float)] * 5)
    for column, found in zip(values.T, intervals_of_means(sums, videos, counts), strict=True):
        one = interval_of_draws(lambda weights, of=column: weights @ of / weights.sum(axis=1), member, counts)
        assert found.ends == pytest.approx(one.ends, rel=1e-12)
        assert found.deviation == pytest.approx(one.deviation, rel=1e-12)
        assert (found.clusters, found.lost) == (one.clusters, one.lost) == (30, 0)
    (alone,) = intervals_of_means(np.array([[2.0]]), np.array([[1.0]]), np.ones((400, 1)))
    assert alone.ends is None
    assert alone.descriptive
