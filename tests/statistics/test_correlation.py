"""Correlations of metrics with people: hand arithmetic, scipy, and intervals that hold."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kendalltau, pearsonr, spearmanr

from evalkit.errors import InputError
from evalkit.statistics.correlation import correlate


def test_five_items_by_hand():
    """x 1 2 3 4 5, y 2 1 4 3 5: ranks differ by 1 1 1 1 0.

    Spearman 1 - 6 * 4 / (5 * 24) = 0.8; Pearson the same, for both are ranks; Kendall: of ten pairs two are turned,
    (8 - 2) / 10 = 0.6.
    """
    made = correlate(np.arange(1, 6), np.array([2, 1, 4, 3, 5]))
    assert (made.n, made.clusters) == (5, 5)
    assert made.srcc.value == pytest.approx(0.8)
    assert made.plcc.value == pytest.approx(0.8)
    assert made.krcc.value == pytest.approx(0.6)


def test_against_scipy_with_gaps_and_ties():
    random = np.random.default_rng(0)
    x, y = random.integers(0, 9, 60).astype(float), random.integers(1, 6, 60).astype(float)
    y += x
    x[[3, 7]], y[[7, 20]] = np.nan, np.nan
    kept = np.isfinite(x) & np.isfinite(y)
    made = correlate(x, y, draws=200)
    assert made.n == 57
    assert made.srcc.value == pytest.approx(spearmanr(x[kept], y[kept]).statistic, abs=1e-12)
    assert made.plcc.value == pytest.approx(pearsonr(x[kept], y[kept]).statistic, abs=1e-12)
    assert made.krcc.value == pytest.approx(kendalltau(x[kept], y[kept]).statistic, abs=1e-12)
    for one in (made.srcc, made.plcc, made.krcc):
        assert one.ci is not None
        assert one.ci[0] < one.value < one.ci[1]


def test_a_metric_whose_lower_side_is_better_is_turned():
    x, y = np.array([1.0, 2, 3, 4, 7, 8]), np.array([5.0, 4, 4.5, 2, 1, 0])
    up, down = correlate(-x, y, draws=100), correlate(x, y, higher_is_better=False, draws=100)
    assert up == down
    assert down.plcc.value == pytest.approx(-pearsonr(x, y).statistic)


@pytest.mark.parametrize(
    ("x", "y", "reason"),
    [
        ([1, 2], [1, 2], "fewer_than_3"),
        ([1, 2, np.nan, np.nan], [1, 2, 3, 4], "fewer_than_3"),
        ([], [], "fewer_than_3"),
        ([2, 2, 2, 2], [1, 2, 3, 4], "metric_constant"),
        ([0.1 + 0.2, 0.3, 0.3], [1, 2, 3], "metric_constant"),
        ([0, 0, 0], [1, 2, 3], "metric_constant"),
        ([1, 2, 3, 4], [5, 5, 5, 5], "human_constant"),
    ],
)
def test_reasons_instead_of_numbers(x, y, reason):
    made = correlate(np.array(x, dtype=float), np.array(y, dtype=float))
    assert [(c.value, c.ci, c.reason) for c in (made.srcc, made.plcc, made.krcc)] == [(None, None, reason)] * 3


def test_too_few_for_an_interval():
    made = correlate(np.arange(4.0), np.array([1.0, 3, 2, 5]))
    assert made.srcc.value == pytest.approx(0.8)
    assert made.srcc.ci is None


def test_every_coefficient_has_its_own_interval():
    """Where people follow the metric in order but not in a line, rank correlations are 1 in every resample."""
    x = np.linspace(0, 3, 30)
    made = correlate(x, np.exp(3 * x), draws=100)
    assert made.srcc.ci == pytest.approx((1, 1))
    assert made.krcc.ci == pytest.approx((1, 1))
    assert 0.4 < made.plcc.ci[0] < made.plcc.value < made.plcc.ci[1] < 0.95


def test_clusters_are_resampled_whole():
    """Ten videos, each answered by 20 teams with one and the same pair of values: there are ten things, not 200."""
    random = np.random.default_rng(6)
    x = random.normal(size=10)
    y = x + random.normal(size=10)
    video = np.repeat(np.arange(10), 20)
    far = random.normal(scale=1e-6, size=200)
    naive = correlate(x[video] + far, y[video], draws=200)
    honest = correlate(x[video] + far, y[video], clusters=video, draws=200)
    small = correlate(x, y, draws=200)
    width = {name: one.plcc.ci[1] - one.plcc.ci[0] for name, one in (("n", naive), ("h", honest), ("s", small))}
    assert (naive.clusters, honest.clusters, honest.n) == (200, 10, 200)
    assert width["h"] == pytest.approx(width["s"], rel=0.25)
    assert width["n"] < 0.5 * width["h"]
    ragged = correlate(x[video][7:], y[video][7:], clusters=video[7:], draws=50)
    assert ragged.clusters == 10


def test_intervals_hold_the_truth():
    """Pearson's coefficient of a normal pair with correlation 0.6, 60 items: at least 52 of 60."""
    random = np.random.default_rng(7)
    held = 0
    for seed in range(60):
        x = random.normal(size=60)
        y = 0.6 * x + 0.8 * random.normal(size=60)
        low, high = correlate(x, y, draws=50, seed=seed).plcc.ci
        held += low <= 0.6 <= high
    assert 52 <= held < 60


@pytest.mark.parametrize(("x", "y"), [([1, 2], [1]), ([1, 2, np.inf], [1, 2, 3]), ([[1, 2]], [[1, 2]])])
def test_faulty_lists(x, y):
    with pytest.raises(InputError, match="A correlation needs"):
        correlate(np.array(x, dtype=float), np.array(y, dtype=float))
