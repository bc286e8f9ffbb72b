"""Fréchet and kernel distances: the published vectors, other formulas, arithmetic by hand.

The vectors are those of docs/definitions/fid-kid.md#check-values.
"""

import tracemalloc

import numpy as np
import pytest
import scipy.linalg
from numpy.testing import assert_allclose

from evalkit.metrics.distances import distributions, resampling
from evalkit.metrics.distances.distributions import (
    Moments,
    frechet,
    frechet_bias,
    frechet_from_features,
    kid,
    polynomial_kernel,
    unbiased_mmd,
)
from evalkit.metrics.distances.resampling import frechet_interval, kernel_interval
from evalkit.statistics.bootstrap import resample_counts


def published_vectors():
    r = np.random.RandomState(0)
    X = r.randn(256, 16)
    A = np.eye(16) + 0.1 * r.randn(16, 16)
    return X, r.randn(256, 16) @ A + 0.1


def sides(n, m, d, seed=0):
    """Return two sets of correlated vectors with different moments."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) / np.sqrt(d)
    Y = rng.normal(size=(m, d)) @ rng.normal(size=(d, d)) / np.sqrt(d) + 0.3
    return X, Y


def moments(rows):
    counted = Moments(rows.shape[1])
    counted.add(rows)
    return counted


def by_sqrtm(X, Y, ddof=1):
    """The formula of the papers, with scipy's square root of the product."""
    first, second = (np.cov(rows, rowvar=False, ddof=ddof) for rows in (X, Y))
    step = X.mean(axis=0) - Y.mean(axis=0)
    return step @ step + np.trace(first + second) - 2 * np.trace(scipy.linalg.sqrtm(first @ second)).real


@pytest.mark.parametrize(
    ("rows", "ddof", "expected"),
    [(256, 1, 1.8386227991), (256, 0, 1.8327427284), (8, 1, 22.3714812091), (1, 1, 41.635294324)],
)
def test_frechet_vectors(rows, ddof, expected):
    """At 8 rows the published number carries the roots of the null space's rounding noise (see the next test)."""
    X, Y = published_vectors()
    rel = 2e-8 if rows == 8 else 1e-9
    assert frechet_from_features(X[:rows], Y[:rows], ddof) == pytest.approx(expected, rel=rel)


def test_without_full_rank_the_value_is_that_of_singular_values():
    X, Y = (side[:8] for side in published_vectors())
    a, b = X - X.mean(axis=0), Y - Y.mean(axis=0)
    nuclear = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    step = X.mean(axis=0) - Y.mean(axis=0)
    expected = step @ step + ((a**2).sum() + (b**2).sum() - 2 * nuclear) / 7
    assert frechet_from_features(X, Y) == pytest.approx(expected, rel=1e-12)


def test_kid_vectors():
    X, Y = published_vectors()
    assert kid(X, Y, subset_size=256, subsets=1)[0] == pytest.approx(0.091522522674, rel=1e-9)
    assert kid(X, Y, subset_size=100) == pytest.approx((0.094198214511, 0.033834544622), rel=1e-9)


def test_one_dimension_by_hand():
    # N(0, 4) and N(3, 9): (0 - 3)^2 + (2 - 3)^2 = 10. Two dimensions, uncorrelated: 10 + (1 - 1)^2 + (5 - 2)^2 = 19.
    one = np.array([[1.0]])
    assert frechet(np.zeros(1), 4 * one, np.array([3.0]), 9 * one) == pytest.approx(10)
    first, second = np.diag([4.0, 25.0]), np.diag([9.0, 4.0])
    assert frechet(np.array([0.0, 1.0]), first, np.array([3.0, 1.0]), second) == pytest.approx(19)


@pytest.mark.parametrize(("n", "m", "d"), [(300, 200, 48), (129, 500, 128)])
def test_frechet_equals_scipys_square_root(n, m, d):
    X, Y = sides(n, m, d)
    assert frechet_from_features(X, Y) == pytest.approx(by_sqrtm(X, Y), rel=1e-6)
    assert frechet_from_features(X, Y, 0) == pytest.approx(by_sqrtm(X, Y, 0), rel=1e-6)


@pytest.mark.parametrize(("n", "m"), [(60, 60), (30, 200), (200, 30), (99, 101), (2, 2)])
def test_without_full_rank_both_ways_agree(n, m):
    X, Y = sides(n, m, 100)
    first, second = moments(X), moments(Y)
    by_moments = frechet(first.mean, first.covariance(), second.mean, second.covariance())
    assert frechet_from_features(X, Y) == pytest.approx(by_moments, rel=1e-6)
    assert frechet_from_features(Y, X) == pytest.approx(frechet_from_features(X, Y), rel=1e-9)


@pytest.mark.parametrize("rows", [40, 300])
def test_equal_sets_are_at_distance_zero(rows):
    X, _ = sides(rows, 2, 64)
    assert frechet_from_features(X, X.copy()) == 0
    mixed = X[np.random.default_rng(1).permutation(rows)]
    assert frechet_from_features(X, mixed) == pytest.approx(0, abs=1e-6)
    still = np.repeat(X[:5], 60, axis=0)  # five pictures shown sixty times: rank 4 at 300 rows
    assert frechet_from_features(still, still[::-1]) == pytest.approx(0, abs=1e-6)


def test_moving_and_turning_both_sets_changes_nothing():
    X, Y = sides(90, 120, 30)
    turn = np.linalg.qr(np.random.default_rng(3).normal(size=(30, 30)))[0]
    expected = frechet_from_features(X, Y)
    assert frechet_from_features(X @ turn + 7, Y @ turn + 7) == pytest.approx(expected, rel=1e-9)
    assert frechet_from_features(X + 2, X) == pytest.approx(30 * 4, rel=1e-9)


@pytest.mark.parametrize("pieces", [[50], [1, 49], [10, 20, 20], [1] * 50])
def test_moments_in_pieces_are_moments_at_once(pieces, monkeypatch):
    monkeypatch.setattr(distributions, "_BLOCK", 16)
    X, _ = sides(50, 2, 8)
    X += 1e4  # far from zero, where sums of squares lose digits
    streamed, merged = Moments(8), Moments(8)
    for part in np.split(X, np.cumsum(pieces)[:-1]):
        streamed.add(part)
        merged.merge(moments(part))
    merged.merge(Moments(8))
    for counted in (streamed, merged):
        assert counted.weight == 50
        assert_allclose(counted.mean, X.mean(axis=0), rtol=1e-13)
        for ddof in (0, 1):
            assert_allclose(counted.covariance(ddof), np.cov(X, rowvar=False, ddof=ddof), rtol=1e-9, atol=1e-9)


def test_a_weight_is_a_repetition():
    X, Y = sides(20, 25, 12)
    weights = np.random.default_rng(0).integers(0, 4, 20).astype(float)
    repeated = np.repeat(X, weights.astype(int), axis=0)
    assert frechet_from_features(X, Y, x_weights=weights) == pytest.approx(frechet_from_features(repeated, Y), rel=1e-9)
    few_dimensions = X[:, :3], Y[:, :3]
    got = frechet_from_features(*few_dimensions, x_weights=weights, y_weights=np.ones(25))
    assert got == pytest.approx(frechet_from_features(repeated[:, :3], Y[:, :3]), rel=1e-9)


def test_float32_and_files_are_welcome(tmp_path):
    X, Y = (side.astype(np.float32) for side in sides(300, 300, 16))
    X.tofile(tmp_path / "x")
    mapped = np.memmap(tmp_path / "x", dtype=np.float32, mode="r", shape=X.shape)
    assert frechet_from_features(mapped, Y) == frechet_from_features(X.astype(np.float64), Y)
    assert kid(mapped, Y, subset_size=100, subsets=5) == kid(X.astype(np.float64), Y, subset_size=100, subsets=5)


@pytest.mark.parametrize(
    ("X", "Y"),
    [
        (np.ones((3, 2)), np.ones((3, 4))),
        (np.ones(3), np.ones(3)),
        (np.ones((0, 2)), np.ones((3, 2))),
        (np.full((3, 2), np.nan), np.ones((3, 2))),
        (np.ones((3, 8)), np.full((3, 8), np.inf)),
    ],
)
def test_what_has_no_distance_is_refused(X, Y):
    with np.errstate(invalid="ignore"), pytest.raises(ValueError, match=r"not|no vectors"):
        frechet_from_features(X, Y)


def test_shapes_are_checked():
    with pytest.raises(ValueError, match="two means"):
        frechet(np.zeros(2), np.eye(2), np.zeros(3), np.eye(3))
    with pytest.raises(ValueError, match="rows are"):
        Moments(3).add(np.ones((2, 4)))
    with pytest.raises(ValueError, match="no vectors"):
        Moments(3).covariance()
    with pytest.raises(ValueError, match="two sets"):
        kid(np.ones((3, 2)), np.ones((3, 3)), subset_size=2)


def test_unbiased_mmd_by_hand():
    # x = 1, 2; y = 0, 1; d = 1. k(1,2) = 3^3 = 27; k(0,1) = 1; cross: k(1,0) = 1, k(1,1) = 8, k(2,0) = 1, k(2,1) = 27.
    # 27 + 1 - 2 * 37/4 = 9.5
    x, y = np.array([[1.0], [2.0]]), np.array([[0.0], [1.0]])
    assert polynomial_kernel(x, y).tolist() == [[1, 8], [1, 27]]
    assert unbiased_mmd(polynomial_kernel(x, x), polynomial_kernel(x, y), polynomial_kernel(y, y)) == 9.5
    with pytest.raises(ValueError, match="two vectors"):
        unbiased_mmd(np.ones((1, 1)), np.ones((1, 2)), np.ones((2, 2)))


def test_kid_without_all_kernel_values_in_memory(monkeypatch):
    X, Y = sides(300, 260, 16)
    whole = kid(X, Y, subset_size=120, subsets=20)
    monkeypatch.setattr(distributions, "_WHOLE", 100)
    assert kid(X, Y, subset_size=120, subsets=20) == pytest.approx(whole, rel=1e-12)


@pytest.mark.parametrize("block", [3, 7, 4096])
def test_the_whole_kernel_distance_is_one_subset_of_everything(block, monkeypatch):
    monkeypatch.setattr(distributions, "_BLOCK", block)
    r = np.random.RandomState(4)
    X, Y = r.randn(20, 5), r.randn(31, 5) + 0.3
    k = distributions.polynomial_kernel
    assert distributions.whole_kernel_distance(X, Y) == pytest.approx(
        distributions.unbiased_mmd(k(X, X), k(X, Y), k(Y, Y)), rel=1e-11
    )
    for short in (X[:1], X[:, :4]):
        with pytest.raises(ValueError, match="two vectors"):
            distributions.whole_kernel_distance(short, Y)


def test_kid_of_too_few_says_so():
    X, Y = sides(999, 1000, 4)
    with pytest.raises(ValueError, match="a subset takes 1000 vectors of each side, found 999 and 1000"):
        kid(X, Y)


@pytest.mark.parametrize(("n", "m"), [(400, 300), (90, 90)])
def test_the_expected_bias_is_what_is_seen(n, m):
    rng = np.random.default_rng(0)
    scale = np.repeat([0.5, 1.0, 2.0], 5)
    seen = [
        frechet_from_features(rng.normal(size=(n, 15)) * scale, rng.normal(size=(m, 15)) * scale) for _ in range(150)
    ]
    assert frechet_bias(np.diag(scale**2), n, m) == pytest.approx(np.mean(seen), rel=0.03)


def videos(count, frames, d, seed=0, shift=0.0):
    """Return vectors of ``count`` videos, those of a video alike, and the video of each."""
    rng = np.random.default_rng(seed)
    middle = np.repeat(rng.normal(size=(count, d)), frames, axis=0)
    return middle + 0.3 * rng.normal(size=(count * frames, d)) + shift, np.repeat(np.arange(count), frames)


@pytest.mark.parametrize("interval", [frechet_interval, kernel_interval])
def test_intervals_are_seeded_and_shrink_with_the_number_of_videos(interval):
    widths = []
    for count in (10, 160):
        X, x_video = videos(count, 4, 6)
        Y, y_video = videos(count, 4, 6, seed=1, shift=0.5)
        low, high = interval(1.0, X, Y, x_video, y_video, seed=3)
        assert low < 1.0 < high
        assert interval(1.0, X, Y, x_video, y_video, seed=3) == (low, high)
        assert interval(1.0, X, Y, x_video, y_video, seed=4) != (low, high)
        widths.append(high - low)
    assert widths[1] < widths[0] / 2
    alone = np.zeros(4, dtype=np.int64)
    assert interval(1.0, X[:4], Y[:4], alone, alone) is None


def test_a_frechet_interval_does_not_go_below_zero():
    X, video = videos(6, 3, 4)
    Y, _ = videos(6, 3, 4, seed=1)
    low, high = frechet_interval(0.01, X, Y, video, video)
    assert low == 0.0
    assert high > 0.02, "half the interval is more than the value"


def test_the_kernel_intervals_width_is_that_of_repeated_experiments():
    """Other videos from the same source spread as the interval says, within a third."""
    values, widths = [], []
    for seed in range(60):
        X, x_video = videos(40, 3, 4, seed=seed)
        Y, y_video = videos(40, 3, 4, seed=1000 + seed, shift=0.6)
        value = unbiased_mmd(polynomial_kernel(X, X), polynomial_kernel(X, Y), polynomial_kernel(Y, Y))
        low, high = kernel_interval(value, X, Y, x_video, y_video, draws=300)
        values.append(value)
        widths.append(high - low)
    assert np.median(widths) == pytest.approx(2 * 1.96 * np.std(values), rel=0.34)


def test_the_kernel_intervals_width_of_independent_sides_is_that_of_repeated_experiments():
    """30 videos of one side against 45 that have nothing to do with them: each side is drawn on its own."""
    values, widths = [], []
    for seed in range(60):
        X, x_video = videos(30, 3, 4, seed=seed)
        Y, y_video = videos(45, 2, 4, seed=1000 + seed, shift=0.6)
        value = unbiased_mmd(polynomial_kernel(X, X), polynomial_kernel(X, Y), polynomial_kernel(Y, Y))
        low, high = kernel_interval(value, X, Y, x_video, y_video, draws=300, independent=True)
        values.append(value)
        widths.append(high - low)
    assert np.median(widths) == pytest.approx(2 * 1.96 * np.std(values), rel=0.34)


def test_an_interval_of_independent_sides_needs_two_videos_of_either():
    X, x_video = videos(1, 4, 6)
    Y, y_video = videos(9, 4, 6, seed=1)
    for interval in (kernel_interval, frechet_interval):
        assert interval(1.0, X, Y, x_video, y_video, independent=True) is None
        assert interval(1.0, Y, X, y_video, x_video, independent=True) is None
        assert interval(1.0, Y, X, y_video, x_video) is not None


def test_copies_of_a_video_are_not_compared():
    """A draw that has a video twice, against the sum over all pairs of frames written out."""
    X, x_video = videos(3, 2, 4)
    Y, y_video = videos(3, 2, 4, seed=1)
    weights = next(iter(resample_counts(np.random.default_rng(0), 3, 1)))
    assert sorted(weights) != [1, 1, 1], "the draw repeats a video"

    def within(rows, video):
        copies = [(copy, at) for at in range(len(rows)) for copy in range(int(weights[video[at]]))]
        kept = [
            (polynomial_kernel(rows[i : i + 1], rows[j : j + 1])[0, 0])
            for a, i in copies
            for b, j in copies
            if i != j and (video[i] != video[j] or a == b)
        ]
        return np.mean(kept)

    repeat_x, repeat_y = (np.repeat(s, weights[v].astype(int), axis=0) for s, v in ((X, x_video), (Y, y_video)))
    expected = within(X, x_video) + within(Y, y_video) - 2 * polynomial_kernel(repeat_x, repeat_y).mean()
    # With draws=2 the interval about 0 is +-95 % of half the difference of the two draws.
    second = list(resample_counts(np.random.default_rng(0), 3, 2))[1]
    assert second.tolist() != weights.tolist()
    low, high = kernel_interval(0.0, X, Y, x_video, y_video, draws=2)
    weights = second
    repeat_x, repeat_y = (np.repeat(s, weights[v].astype(int), axis=0) for s, v in ((X, x_video), (Y, y_video)))
    other = within(X, x_video) + within(Y, y_video) - 2 * polynomial_kernel(repeat_x, repeat_y).mean()
    assert high == pytest.approx(-low)
    assert high - low == pytest.approx(0.95 * abs(expected - other), rel=1e-9)


def test_a_kernel_interval_of_more_videos_than_kept_vectors_is_that_of_the_kept_ones(monkeypatch):
    """Videos without a kept vector count as drawn and give nothing: against sums over all of them."""
    monkeypatch.setattr(resampling, "KERNEL_ROWS", 12)
    X, video = videos(40, 1, 4)
    Y, _ = videos(40, 1, 4, seed=1, shift=0.5)
    kept = np.unique(np.linspace(0, 39, 12).round().astype(int))
    assert len(kept) == 12
    found = []
    for weights in resample_counts(np.random.default_rng(7), 40, 200):
        counts = weights[kept]
        pairs = np.outer(counts, counts)
        np.fill_diagonal(pairs, counts * (counts - 1))
        x, y = X[kept], Y[kept]
        # A vector a video: two copies of it are two copies of its video, so they are not compared.
        np.fill_diagonal(pairs, 0.0)
        within = sum((pairs * polynomial_kernel(side, side)).sum() / pairs.sum() for side in (x, y))
        across = (np.outer(counts, counts) * polynomial_kernel(x, y)).sum() / counts.sum() ** 2
        found.append(within - 2 * across)
    centred = np.array(found) - np.mean(found)
    expected = 1.0 + np.quantile(centred, [0.025, 0.975])
    assert kernel_interval(1.0, X, Y, video, video, seed=7, draws=200) == pytest.approx(tuple(expected), rel=1e-9)


def test_intervals_need_no_memory_for_each_pair_of_videos_and_each_vector_of_each_draw():
    rng = np.random.default_rng(0)
    X, Y = (rng.normal(size=(24_000, 80)).astype(np.float32) for _ in range(2))
    video = np.repeat(np.arange(6000), 4)
    for interval, most in ((kernel_interval, 330), (frechet_interval, 40)):
        tracemalloc.start()
        try:
            assert interval(1.0, X, Y, video, video) is not None
            peak = tracemalloc.get_traced_memory()[1] / 2**20
        finally:
            tracemalloc.stop()
        assert peak < most, interval  # the pairs alone are 275 MiB a side, the vectors of 30 draws 11


def test_weights_that_are_zero_leave_vectors_out():
    rng = np.random.default_rng(5)
    X, Y = rng.normal(size=(60, 4)), rng.normal(size=(50, 4)) + 0.3
    weights = rng.integers(0, 3, 60).astype(float)
    repeated = np.repeat(X, weights.astype(int), axis=0)
    expected = frechet_from_features(repeated, Y)
    assert frechet_from_features(X, Y, x_weights=weights) == pytest.approx(expected, rel=1e-10)
    with pytest.raises(ValueError, match="no vectors"):
        frechet_from_features(X, Y, x_weights=np.zeros(60))
