"""The spread of resampled Fréchet distances, of which few are computed in full, against computing all of them."""

import numpy as np
import pytest

from evalkit.metrics.distances import frechet_draws
from evalkit.metrics.distances.distributions import frechet_from_features
from evalkit.metrics.distances.frechet_draws import deviation_of_draws, leading_directions, project
from evalkit.metrics.distances.resampling import FRECHET_DRAWS, frechet_interval
from evalkit.statistics.bootstrap import resample_counts

D = 112


def sides(kind, videos, frames, seed):
    """Return the vectors of two sides, those of a video alike, and the video of each."""
    rng = np.random.default_rng(seed)
    falling = np.arange(1.0, D + 1) ** -(0.2 if kind == "even" else 0.8)
    video = np.repeat(np.arange(videos), frames)

    def others():
        return (rng.normal(size=(videos, D)) * falling)[video] + 0.3 * rng.normal(size=(len(video), D)) * falling

    X = others()
    if kind == "encoded":  # the same videos with a little noise
        return X, X + 0.05 * rng.normal(size=X.shape) * falling, video
    if kind == "resembling":
        return X, 0.9 * X + 0.4 * others(), video
    if kind == "far":
        return X, others() @ np.linalg.qr(rng.normal(size=(D, D)))[0] + 0.3 * falling, video
    return X, others(), video  # two samples of one distribution: "alike" and "even"


def all_draws(X, Y, video, seed, ddof=1):
    """Return the deviation of the distances of all draws, each computed in full."""
    counts = resample_counts(np.random.default_rng(seed), int(video.max()) + 1, FRECHET_DRAWS)
    found = [
        frechet_from_features(X, Y, ddof, x_weights=weights[video], y_weights=weights[video]) for weights in counts
    ]
    return np.std(found, ddof=1)


def interval_deviation(X, Y, video, seed):
    low, high = frechet_interval(1e6, X, Y, video, video, seed=seed)
    return (high - low) / 2 / 1.959963984540054


@pytest.mark.parametrize(("videos", "frames"), [(90, 1), (12, 8), (200, 1)])
@pytest.mark.parametrize("kind", ["encoded", "resembling", "far", "alike"])
def test_the_interval_is_that_of_all_draws(kind, videos, frames):
    """Thirty draws know their deviation to 13 %; against the very same draws the difference is less."""
    ratios = []
    for seed in range(2):
        X, Y, video = sides(kind, videos, frames, seed)
        ratios.append(interval_deviation(X, Y, video, seed) / all_draws(X, Y, video, seed))
    assert all(0.85 < ratio < 1.18 for ratio in ratios), ratios
    assert np.mean(ratios) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(("videos", "frames"), [(90, 1), (12, 8)])
def test_without_leading_directions_more_draws_are_computed(videos, frames):
    """All directions spread alike, and a share of them says little about the rest."""
    ratios = []
    for seed in range(4):
        X, Y, video = sides("even", videos, frames, seed)
        ratios.append(interval_deviation(X, Y, video, seed) / all_draws(X, Y, video, seed))
    assert all(0.7 < ratio < 1.4 for ratio in ratios), ratios
    assert np.mean(ratios) == pytest.approx(1, abs=0.13)


@pytest.mark.parametrize(("kind", "expected"), [("resembling", 2), ("even", 8)])
def test_few_draws_are_computed_in_full(kind, expected, monkeypatch):
    full = []

    def counting(X, Y, ddof, **weights):
        full.append(X.shape[1] == D)
        return frechet_from_features(X, Y, ddof, **weights)

    monkeypatch.setattr(frechet_draws, "frechet_from_features", counting)
    X, Y, video = sides(kind, 100, 1, 0)
    interval_deviation(X, Y, video, 0)
    assert sum(full) == expected
    assert len(full) == expected + 2 * FRECHET_DRAWS


@pytest.mark.parametrize("ddof", [0, 1])
def test_few_vectors_are_resampled_as_they_are(ddof):
    X, Y, video = sides("resembling", 20, 3, 0)
    draws = [
        (weights[video], weights[video]) for weights in resample_counts(np.random.default_rng(5), 20, FRECHET_DRAWS)
    ]
    assert deviation_of_draws(X, Y, draws, ddof) == pytest.approx(all_draws(X, Y, video, 5, ddof), rel=1e-12)
    assert deviation_of_draws(X, Y, draws[:1], ddof) is None


def test_still_sets_have_an_interval_of_no_width():
    X = np.tile(np.random.default_rng(0).normal(size=D), (200, 1))
    assert deviation_of_draws(X, X + 1.0, [(np.ones(200), np.ones(200))] * 5, 1) == pytest.approx(0, abs=1e-6)


def test_the_line_by_hand():
    """Points 0, 1, 3, 4 with values 0, 2, 6, 9: slope 22/10, and off the line by 0.15, -0.05, -0.45, 0.35."""
    near = np.array([0.0, 1.0, 2.0, 3.0, 4.0])
    chosen = np.array([0, 1, 3, 4])
    exact = np.array([0.0, 2.0, 6.0, 9.0])
    expected = np.sqrt(2.2**2 * 2.5 + (0.15**2 + 0.05**2 + 0.45**2 + 0.35**2) / 2)
    assert frechet_draws._deviation(near, chosen, exact) == pytest.approx(expected, rel=1e-12)
    ends = frechet_draws._deviation(near, np.array([0, 4]), np.array([0.0, 9.0]))
    assert ends == pytest.approx(2.25 * np.sqrt(2.5), rel=1e-12)


def test_leading_directions_are_those_of_the_covariance():
    """They hold as much of the spread as the eigenvectors of the largest eigenvalues, nearly."""
    X, Y, _ = sides("alike", 100, 2, 0)
    basis = leading_directions(X.astype(np.float32), Y.astype(np.float32), 20)
    assert basis.T @ basis == pytest.approx(np.eye(20), abs=1e-10)
    both = np.cov(X, rowvar=False, ddof=0) + np.cov(Y, rowvar=False, ddof=0)
    held = np.diag(basis.T @ both @ basis)
    assert held.sum() == pytest.approx(np.linalg.eigvalsh(both)[-20:].sum(), rel=0.02)
    assert (np.diff(held) <= 1e-5 * held[0]).all(), "widest first"
    assert project(X, basis) == pytest.approx(X @ basis)


def test_coordinates_in_a_file_are_those_in_memory(monkeypatch):
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(9000, 12)).astype(np.float32)
    basis = np.linalg.qr(rng.normal(size=(12, 5)))[0]
    expected = project(rows, basis)
    monkeypatch.setattr(frechet_draws, "_IN_MEMORY", 1000)
    found = project(rows, basis)
    assert isinstance(found, np.memmap)
    np.testing.assert_array_equal(found, expected)
