"""The numbers of two speakers' motion: check values, SciPy and scikit-learn beside them, and what has no number.

The check values are those of docs/definitions/dual-motion.md#check-values.
"""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
from numpy.testing import assert_allclose
from sklearn.cluster import KMeans

from evalkit.metrics.dual import arithmetic, clusters
from evalkit.metrics.dual.sequences import Sequences, beside

RELATIVE = 1e-9


@pytest.fixture(scope="module")
def vector():
    """The sequences of the check values: prediction, truth, partner (250, 6)."""
    r = np.random.RandomState(0)
    truth = np.cumsum(r.randn(250, 6), 0) * 0.1
    partner = 0.5 * truth + 0.3 * r.randn(250, 6)
    prediction = 0.8 * truth + 0.2 * r.randn(250, 6) + 0.05
    return Sequences.cut(prediction, truth, partner)


def random_sequences(seed, frames, numbers):
    rng = np.random.default_rng(seed)
    truth = np.cumsum(rng.normal(size=(frames, numbers)), 0) * 0.05
    partner = truth @ rng.normal(size=(numbers, numbers)) * 0.1 + rng.normal(size=(frames, numbers))
    return Sequences.cut(truth + 0.3 * rng.normal(size=truth.shape), truth, partner)


def with_square_root(x, y):
    """The Fréchet distance by SciPy's matrix square root, as the authors' script computes it."""
    step = x.mean(0) - y.mean(0)
    a, b = np.atleast_2d(np.cov(x, rowvar=False)), np.atleast_2d(np.cov(y, rowvar=False))
    return float(step @ step + np.trace(a) + np.trace(b) - 2 * np.trace(scipy.linalg.sqrtm(a @ b)).real)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (arithmetic.frechet_distance, 0.278303662380),
        (arithmetic.paired_frechet_distance, 0.285443678513),
        (arithmetic.mean_squared_error, 0.090647574701),
        (arithmetic.difference_of_correlations, 0.032576647261),
        (arithmetic.step_difference, 35.573454259),
    ],
)
def test_check_values(vector, function, expected):
    assert_allclose(function(vector), expected, rtol=RELATIVE)


def test_check_values_of_clusters(vector):
    def spread(of, by):
        return arithmetic.spread_over_clusters(arithmetic.nearest(of, by[::50]), 5)

    assert_allclose(spread(vector.prediction, vector.truth), 2.204654218404, rtol=RELATIVE)
    assert_allclose(spread(vector.truth, vector.truth), 2.192144524474, rtol=RELATIVE)
    assert_allclose(spread(vector.truth, vector.prediction), 2.207967449757, rtol=RELATIVE)
    assert_allclose(arithmetic.spread_over_clusters(np.zeros(9, np.int64), 5), -1.44e-6, rtol=2e-3)


def test_the_mean_of_the_correlations_of_single_numbers_is_another_number(vector):
    one_by_one = [
        abs(np.corrcoef(g, a)[0, 1] - np.corrcoef(p, a)[0, 1])
        for g, p, a in zip(vector.truth.T, vector.prediction.T, vector.partner.T, strict=True)
    ]
    assert_allclose(np.mean(one_by_one), 0.0779, atol=5e-5)


@pytest.mark.parametrize(("frames", "numbers"), [(250, 6), (750, 50), (130, 3), (101, 50), (2, 1)])
def test_distances_agree_with_the_matrix_square_root(frames, numbers):
    parts = random_sequences(frames, frames, numbers)
    assert_allclose(arithmetic.frechet_distance(parts), with_square_root(parts.prediction, parts.truth), atol=1e-6)
    ours, theirs = beside(parts.partner, parts.prediction), beside(parts.partner, parts.truth)
    assert_allclose(arithmetic.paired_frechet_distance(parts), with_square_root(ours, theirs), atol=2e-5)


@pytest.mark.parametrize("frames", [1, 2, 30])
def test_steps_and_squares_by_hand(frames):
    parts = random_sequences(4, frames, 3)
    total = squared = 0.0
    for number in range(3):
        for frame in range(frames):
            squared += (parts.prediction[frame, number] - parts.truth[frame, number]) ** 2
            if frame:
                step = parts.prediction[frame, number] - parts.prediction[frame - 1, number]
                total += (step - (parts.truth[frame, number] - parts.truth[frame - 1, number])) ** 2 / 0.1
    assert_allclose(arithmetic.mean_squared_error(parts), squared / (3 * frames), rtol=RELATIVE)
    if frames > 1:
        assert_allclose(arithmetic.step_difference(parts), np.sqrt(total), rtol=RELATIVE)


@pytest.mark.parametrize(("frames", "numbers", "k"), [(750, 50, 40), (750, 3, 10), (101, 50, 40), (40, 50, 40)])
def test_clusters_and_their_spread_are_those_of_scikit_learn(frames, numbers, k):
    parts = random_sequences(frames + numbers, frames, numbers)
    theirs = KMeans(n_clusters=k, random_state=0, n_init="auto").fit(parts.truth)
    labels = theirs.predict(parts.prediction)
    assert_allclose(clusters.cluster_centres(parts.truth, k), theirs.cluster_centers_, atol=1e-12)
    assert (arithmetic.nearest(parts.prediction, theirs.cluster_centers_) == labels).all()
    shares = np.array([(labels == one).mean() for one in range(k)])
    expected = -sum(share * np.log2(share + 1e-6) for share in shares)
    assert_allclose(clusters.cluster_spread(parts.prediction, parts.truth, k), expected, rtol=RELATIVE)


def test_clusters_of_a_constant_sequence_are_one(recwarn):
    still = np.ones((60, 3))
    assert_allclose(clusters.cluster_spread(still, still, 10), -1.44e-6, rtol=2e-3)
    assert not recwarn.list


def test_nothing_is_lost_to_its_own_truth():
    parts = random_sequences(1, 120, 6)
    same = Sequences.cut(parts.truth, parts.truth, parts.partner)
    for function in (
        arithmetic.frechet_distance,
        arithmetic.paired_frechet_distance,
        arithmetic.mean_squared_error,
        arithmetic.difference_of_correlations,
        arithmetic.step_difference,
    ):
        assert function(same) == 0.0
        assert function(parts) > 0.0


def test_the_shortest_decides():
    parts = random_sequences(2, 40, 6)
    cut = Sequences.cut(parts.prediction, parts.truth[:30], parts.partner[:35])
    assert cut.frames == 30
    assert (cut.prediction == parts.prediction[:30]).all()
    assert (cut.partner == parts.partner[:30]).all()


def test_what_does_not_belong_together_is_refused():
    ones = np.ones((9, 3))
    broken = ones.copy()
    broken[4, 1] = np.nan
    with pytest.raises(ValueError, match="equally many"):
        Sequences.cut(ones, ones, np.ones((9, 4)))
    with pytest.raises(ValueError, match="equally many"):
        Sequences.cut(ones, np.ones(9), ones)
    with pytest.raises(ValueError, match="not finite"):
        Sequences.cut(broken, ones, ones)
    assert Sequences.cut(broken[:4], ones, ones).frames == 4


@pytest.mark.parametrize(
    ("function", "frames", "message"),
    [
        (arithmetic.frechet_distance, 1, "2 frames"),
        (arithmetic.paired_frechet_distance, 1, "2 frames"),
        (arithmetic.step_difference, 1, "2 frames"),
        (arithmetic.mean_squared_error, 0, "1 frames"),
        (arithmetic.difference_of_correlations, 0, "constant"),
    ],
)
def test_too_few_frames_have_no_number(function, frames, message):
    with pytest.raises(ValueError, match=message):
        function(random_sequences(3, frames, 3))


def test_a_constant_sequence_correlates_with_nothing():
    parts = random_sequences(5, 20, 3)
    with pytest.raises(ValueError, match="constant"):
        arithmetic.difference_of_correlations(Sequences.cut(np.ones((20, 3)), parts.truth, parts.partner))


def test_fewer_frames_than_clusters_have_no_centres():
    with pytest.raises(ValueError, match="10 clusters"):
        clusters.cluster_centres(np.ones((9, 3)), 10)


@pytest.mark.parametrize("frames", [40, 300])
def test_the_distance_of_smooth_motion_has_all_its_digits(frames: int) -> None:
    rng = np.random.RandomState(0)
    few = np.cumsum(rng.randn(frames, 5), axis=0)
    truth = few @ rng.randn(5, 50) + 1e-7 * rng.randn(frames, 50)  # 50 numbers that move as 5
    mean, trace = truth.mean(axis=0), truth.var(axis=0, ddof=1).sum()
    exact = np.square(0.1 * mean).sum() + 0.01 * trace  # of 1.1 times the truth: 1 + 1.21 - 2 * 1.1
    parts = Sequences(1.1 * truth, truth, truth)
    assert arithmetic.frechet_distance(parts) == pytest.approx(exact, rel=1e-12)
