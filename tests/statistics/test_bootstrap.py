"""The bootstrap: what is drawn, percentile intervals, and one published number for each of its users."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

from evalkit.leaderboard.bootstrap import Evidence, Ratings, draw_scores
from evalkit.leaderboard.scoring_rules import ScoringPlan
from evalkit.leaderboard.table import Column
from evalkit.metrics.distances.resampling import frechet_interval, kernel_interval
from evalkit.scoring.aggregate import bootstrap_interval
from evalkit.statistics import bootstrap
from evalkit.statistics.agreement import krippendorff_alpha
from evalkit.statistics.bootstrap import (
    RatingMeans,
    block_sizes,
    independent_streams,
    multinomial_counts,
    percentile_bootstrap,
    percentile_interval,
    resample_counts,
    resample_indices,
    two_way_interval,
)
from evalkit.statistics.correlation import correlate
from evalkit.statistics.opinion_table import from_matrix

# Eight videos, each rated by the same four raters.
VIDEO = np.repeat(np.arange(8), 4)
RATER = np.tile(np.arange(4), 8)
SCORE = 1.0 + (3 * VIDEO + RATER**2) % 5


def exactly(*numbers: float) -> object:
    """Return what equals the numbers but for the rounding of another machine's linear algebra."""
    return pytest.approx(numbers, rel=1e-13, abs=0)


def test_the_kinds_of_draws_are_the_seeds() -> None:
    rng = np.random.default_rng(3)
    (indices,) = resample_indices(rng, 5, 2, width=5)
    assert indices.tolist() == [[4, 0, 0, 1, 0], [4, 4, 2, 0, 0]]
    counts = list(resample_counts(np.random.default_rng(3), 5, 2))
    assert [row.tolist() for row in counts] == [[3, 1, 0, 0, 1], [2, 0, 1, 0, 2]], "the same draws, counted"
    both = multinomial_counts(np.random.default_rng(3), 5, 2)
    assert both.tolist() == [[0, 0, 3, 1, 1], [0, 1, 1, 1, 2]]
    assert both.sum(axis=1).tolist() == [5, 5]


def test_streams_are_independent_and_the_first_ones_stay_when_more_are_asked() -> None:
    two, three = independent_streams(4, 2), independent_streams(4, 3)
    assert [rng.integers(0, 1000) for rng in two] == [rng.integers(0, 1000) for rng in three[:2]]
    assert len({int(rng.integers(0, 2**60)) for rng in independent_streams(4, 3)}) == 3


def test_draws_do_not_depend_on_the_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = np.concatenate(list(resample_indices(np.random.default_rng(0), 7, 50, width=7)))
    interval = two_way_interval(VIDEO, RATER, SCORE, 3.0, draws=200, seed=11)
    monkeypatch.setattr(bootstrap, "BLOCK", 24)
    assert list(block_sizes(50, 7)) == [3] * 16 + [2]
    parts = np.concatenate(list(resample_indices(np.random.default_rng(0), 7, 50, width=7)))
    np.testing.assert_array_equal(whole, parts)
    assert two_way_interval(VIDEO, RATER, SCORE, 3.0, draws=200, seed=11) == interval


def test_a_block_holds_one_draw_at_least() -> None:
    assert list(block_sizes(2, 10**9)) == [1, 1]
    assert list(block_sizes(5, 0)) == [5]


def test_percentiles_and_lost_draws() -> None:
    values = np.arange(101.0)
    assert percentile_interval(values) == (2.5, 97.5)
    assert percentile_interval(values, tail=0.25) == (25.0, 75.0)
    half = np.where(np.arange(100) < 50, np.arange(100.0), np.nan)
    assert percentile_interval(half) is not None, "half of the draws are enough"
    assert percentile_interval(half, least=0.51) is None
    assert percentile_interval(np.arange(49.0), draws=100) is None
    assert percentile_interval([], draws=0) is None


@pytest.mark.parametrize("statistic", [np.mean, np.median])
def test_the_interval_of_a_mean_or_median_agrees_with_scipy(statistic: Any) -> None:
    from scipy.stats import bootstrap as scipy_bootstrap

    values = np.random.default_rng(0).normal(5, 2, 37)
    by_row = partial(statistic, axis=1)
    found = percentile_bootstrap(values, by_row, np.random.default_rng(9), draws=500, level=0.9)
    theirs = scipy_bootstrap(
        (values,), statistic, n_resamples=500, confidence_level=0.9, method="percentile", rng=np.random.default_rng(9)
    ).confidence_interval
    assert found == exactly(theirs.low, theirs.high)


def test_rating_means_shift_as_the_counts_say() -> None:
    """Two cells; the second loses its only video in the second draw."""
    cell, video, rater = np.array([0, 0, 0, 3]), np.array([0, 0, 1, 2]), np.array([5, 9, 5, 5])
    means = RatingMeans(cell, video, rater, np.array([1.0, 3.0, 5.0, 4.0]), videos=3)
    assert (means.cells.tolist(), means.rows, means.raters) == ([0, 3], 3, 2)
    shifts = means.shifts(np.array([[1.0, 1, 1], [2, 1, 0]]), np.array([[1.0, 1], [2, 0]]))
    assert shifts[0].tolist() == [0.0, 0.0]
    assert shifts[1, 0] == pytest.approx((2 * 1 + 5) / 3 - (2 + 5) / 2)
    assert np.isnan(shifts[1, 1])


@pytest.mark.parametrize(
    ("video", "rater", "draws"),
    [(np.zeros(4, dtype=int), np.arange(4), 200), (np.arange(4), np.zeros(4, dtype=int), 200), (VIDEO, RATER, 99)],
    ids=["one video", "one rater", "few draws"],
)
def test_no_two_way_interval(video: np.ndarray, rater: np.ndarray, draws: int) -> None:
    assert two_way_interval(video, rater, np.ones(len(video)), 1.0, draws=draws, seed=0) is None


# The numbers below were computed when each of these users still had a resampler of its own: they must not move.


def test_the_interval_of_a_metrics_mean_stays() -> None:
    assert bootstrap_interval(np.sin(np.arange(40.0)), "psnr") == exactly(-0.196101750017111, 0.2515450588779332)


@pytest.mark.parametrize(
    ("clusters", "srcc", "plcc", "krcc"),
    [
        (
            None,
            (0.37440287494534336, 0.8098383342769077),
            (0.46731803492660173, 0.8249129564775003),
            (0.2634861781483107, 0.640502841030461),
        ),
        (
            np.arange(24) // 3,
            (0.4816671992891439, 0.7577242888402627),
            (0.5582915485613819, 0.7421513187340093),
            (0.3406367041198502, 0.5456439393939394),
        ),
        (
            np.arange(24) % 5,
            (0.5384615384615384, 0.7135135135135136),
            (0.5686630001191747, 0.7048547671071042),
            (0.3881278538812786, 0.5571428571428572),
        ),
    ],
    ids=["single items", "equal clusters", "unequal clusters"],
)
def test_the_intervals_of_correlations_stay(
    clusters: np.ndarray | None, srcc: tuple[float, float], plcc: tuple[float, float], krcc: tuple[float, float]
) -> None:
    x = np.sin(np.arange(24.0))
    found = correlate(x, x + np.cos(3.0 * np.arange(24.0)), clusters=clusters, draws=200, seed=5)
    assert (found.srcc.ci, found.plcc.ci, found.krcc.ci) == (exactly(*srcc), exactly(*plcc), exactly(*krcc))


def test_the_interval_of_krippendorffs_alpha_stays() -> None:
    table = from_matrix([[1 + (3 * i + j * j) % 5 for j in range(4)] for i in range(12)])
    found = krippendorff_alpha(table, "ordinal", draws=100, rng=np.random.default_rng(7))
    assert (found.low, found.high) == exactly(-0.2460735521437634, 0.22329811933412966)


def test_the_interval_of_an_opinion_score_stays() -> None:
    assert two_way_interval(VIDEO, RATER, SCORE, 3.0, draws=200, seed=11) == (2.375, 3.6875)


def test_the_intervals_of_distances_between_sets_stay() -> None:
    X, Y = np.sin(np.arange(72.0)).reshape(24, 3), np.cos(1.3 * np.arange(72.0)).reshape(24, 3)
    of = np.repeat(np.arange(6), 4)
    # Eigenvalues and cubes of dot products: less than the last digit is the machine's.
    assert frechet_interval(2.0, X, Y, of, of, seed=3) == pytest.approx((1.8143970557498128, 2.185602944250187), 1e-10)
    assert kernel_interval(2.0, X, Y, of, of, seed=3) == pytest.approx((1.8444635038810209, 2.2066109384383132), 1e-10)


def test_the_scores_of_resampled_rankings_stay() -> None:
    columns = (
        Column("a", higher_is_better=True, group="objective", range=(0, 1)),
        Column("b", higher_is_better=False, group="objective", range=(0, 9)),
        Column("c", higher_is_better=True, group="subjective", range=(1, 5)),
    )
    ratings = Ratings(
        np.repeat([0, 1], 32),
        np.tile(VIDEO, 2),
        np.tile(RATER, 2),
        np.full(64, 2),
        np.concatenate([SCORE, 1.0 + (SCORE + RATER) % 5]),
    )
    evidence = Evidence(
        ("A", "B"),
        columns,
        np.array([[0.5, 3.0, 3.0], [0.6, 4.0, 2.5]]),
        videos={"a": (np.sin(np.arange(16.0)).reshape(2, 8) + 1) / 2},
        ratings=ratings,
        errors={"b": np.array([0.3, 0.4])},
    )
    found = draw_scores(evidence, ScoringPlan("weighted-sum", columns), draws=120, seed=2)
    assert found.scores[0].tolist() == [0.509153478345, 0.52272529571]
    assert found.scores[119].tolist() == [0.551291557293, 0.494749134197]
    assert found.scores.sum(axis=0) == exactly(66.95046377896298, 60.401805624512015)
    assert found.freedom[0] == exactly(7.0, 7.196795935689366)
    assert found.lost == 0
