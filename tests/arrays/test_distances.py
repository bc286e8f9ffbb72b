"""Distances between two sets take all of both, however many there are."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import linalg

import evalkit
from evalkit import functional
from evalkit.arrays.checks import items_of
from evalkit.arrays.session import Measurer
from evalkit.errors import InputError
from evalkit.metrics.distances.resampling import kernel_interval
from evalkit.statistics.bootstrap import resample_counts

RNG = np.random.default_rng(5)


def videos(count: int, frames: int = 16, spread: int = 40) -> list[np.ndarray]:
    """Return small videos, each of a picture of its own with noise."""
    base = RNG.integers(0, 256, (count, 1, 24, 24, 3))
    noise = RNG.integers(-spread, spread + 1, (count, frames, 24, 24, 3))
    return list(np.clip(base + noise, 0, 255).astype(np.uint8))


OURS, THEIRS = videos(7), videos(5)


def vectors(some: list[np.ndarray], metric: str) -> np.ndarray:
    with Measurer("bundled") as measurer:
        plan = measurer.plan(metric)
        (name, _) = next(iter(plan.metrics.values())).record.features
        rows = []
        for item in items_of(some):
            arrays = measurer.features(plan, item)[name].arrays
            assert arrays is not None
            rows.append(arrays["activation"][arrays["row"]])
    return np.concatenate(rows).astype(np.float64)


def frechet(X: np.ndarray, Y: np.ndarray, ddof: int) -> float:
    """Return the distance by the textbook's formula."""
    a, b = (np.cov(side, rowvar=False, ddof=ddof) for side in (X, Y))
    root = linalg.sqrtm(a @ b)
    return float(np.square(X.mean(0) - Y.mean(0)).sum() + np.trace(a + b - 2 * np.real(root)))


def kernel(X: np.ndarray, Y: np.ndarray) -> float:
    """Return the unbiased squared discrepancy with the cubic kernel, pair by pair."""

    def k(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return (a @ b.T / X.shape[1] + 1) ** 3

    n, m = len(X), len(Y)
    own = (k(X, X).sum() - np.trace(k(X, X))) / (n * (n - 1)) + (k(Y, Y).sum() - np.trace(k(Y, Y))) / (m * (m - 1))
    return float(own - 2 * k(X, Y).mean())


def test_unequal_sets_use_every_clip_of_both() -> None:
    X, Y = vectors(OURS, "fvd"), vectors(THEIRS, "fvd")
    assert (len(X), len(Y)) == (7, 5)
    fvd = functional.fvd(OURS, THEIRS, backbones="bundled")
    assert fvd.value == pytest.approx(frechet(X, Y, 0), rel=1e-3)  # sqrtm of singular matrices has few digits
    assert (fvd.details["n"], fvd.details["n_reference"]) == (7, 5)
    assert "all_of_both_sides" in {note.kind for note in fvd.notes}
    assert fvd.metric == "fvd.styleganv.unpaired"
    kvd = functional.kvd(OURS, THEIRS, backbones="bundled")
    assert kvd.metric == "kvd.styleganv.unpaired"
    assert kvd.value == pytest.approx(kernel(X, Y), rel=1e-6)
    assert kvd.ci95 is not None
    assert kvd.ci95[0] < kvd.value < kvd.ci95[1]


def test_frames_of_videos_that_are_longer_than_their_reference_count_too() -> None:
    longer = [np.concatenate([video, video[::-1]]) for video in OURS[:5]]
    X, Y = vectors(longer, "fid"), vectors(THEIRS, "fid")
    assert (len(X), len(Y)) == (160, 80)
    found = functional.fid(longer, THEIRS, backbones="bundled")
    assert (found.details["n"], found.details["n_reference"]) == (160, 80)
    assert found.value == pytest.approx(frechet(X, Y, 1), rel=1e-4)


def test_pictures_are_a_set_too() -> None:
    ours, theirs = np.concatenate(OURS), np.concatenate(THEIRS)
    whole = functional.fid(ours, theirs, backbones="bundled")
    one_by_one = functional.fid(list(ours), list(theirs), backbones="bundled")
    assert whole.value == pytest.approx(functional.fid(OURS, THEIRS, backbones="bundled").value, rel=1e-9)
    assert one_by_one.value == pytest.approx(whole.value, rel=1e-6)  # batches of one give other last digits
    assert one_by_one.details["n"] == 7 * 16
    kid = functional.kid(np.concatenate([ours] * 9), np.concatenate([theirs] * 13), backbones="bundled")
    assert kid.value is not None
    assert kid.details["n_reference"] == 1040


def test_the_sides_may_be_exchanged() -> None:
    for one in (functional.fid, functional.kvd):
        there, back = one(OURS, THEIRS, backbones="bundled"), one(THEIRS, OURS, backbones="bundled")
        assert there.value == pytest.approx(back.value, rel=1e-6)


def test_equal_sets_need_no_note_and_are_apart_by_nothing() -> None:
    found = functional.kvd(OURS, OURS, backbones="bundled")
    assert found.metric == "kvd.styleganv"
    assert "all_of_both_sides" not in {note.kind for note in found.notes}
    assert functional.fid(OURS, OURS, backbones="bundled").value == pytest.approx(0, abs=1e-6)


def test_videos_without_a_clip_are_refused_when_none_has_one() -> None:
    with pytest.raises(InputError, match=r"No video is long enough for fvd.styleganv.*8 frames; a clip has 16"):
        functional.fvd([video[:8] for video in OURS], THEIRS, backbones="bundled")
    with pytest.raises(InputError, match="No reference is long enough"):
        functional.fvd(OURS, [video[:8] for video in THEIRS], backbones="bundled")
    some = functional.fvd([OURS[0][:8], *OURS[1:]], THEIRS, backbones="bundled")
    assert some.details["n"] == 6
    assert any("too_few_frames (1)" in note.detail for note in some.notes)
    assert not any("other_side_only" in note.detail for note in some.notes)


def test_one_rate_goes_for_unequal_sets() -> None:
    half = functional.fid(OURS, THEIRS, fps=50, backbones="bundled")
    assert (half.details["n"], half.details["n_reference"]) == (7 * 8, 5 * 8)
    with pytest.raises(evalkit.EvalkitError, match=r"references have no frame rate. Add reference_fps"):
        functional.fid(OURS, THEIRS, times=[list(range(16))] * 7, backbones="bundled")
    with pytest.raises(evalkit.EvalkitError, match="one rate goes for all"):
        functional.fid(OURS, THEIRS, fps=[50.0] * 7, backbones="bundled")


def test_an_interval_of_independent_sets_draws_each_side_on_its_own() -> None:
    """The same draws, pair by pair of vectors: two copies of a video are never compared with each other."""
    X, Y = RNG.normal(size=(12, 4)), RNG.normal(0.3, 1, size=(8, 4))
    of_x, of_y = np.repeat(np.arange(6), 2), np.repeat(np.arange(4), 2)

    def k(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return (a @ b.T / 4 + 1) ** 3

    def within(A: np.ndarray, of: np.ndarray, weight: np.ndarray) -> float:
        total = count = 0.0
        for i in range(len(A)):
            for j in range(len(A)):
                if i != j:
                    times = weight[of[i]] if of[i] == of[j] else weight[of[i]] * weight[of[j]]
                    total, count = total + times * k(A[i : i + 1], A[j : j + 1])[0, 0], count + times
        return total / count

    draws = 300
    streams = np.random.default_rng(1).spawn(2)
    found = []
    for x, y in zip(resample_counts(streams[0], 6, draws), resample_counts(streams[1], 4, draws), strict=True):
        across = (np.outer(x[of_x], y[of_y]) * k(X, Y)).sum() / (x[of_x].sum() * y[of_y].sum())
        found.append(within(X, of_x, x) + within(Y, of_y, y) - 2 * across)
    ends = np.percentile(np.array(found) - np.mean(found), [2.5, 97.5])
    ours = kernel_interval(1.0, X, Y, of_x, of_y, seed=1, draws=draws, independent=True)
    assert ours is not None
    assert ours == pytest.approx(tuple(1.0 + ends), rel=1e-6)
    assert kernel_interval(1.0, X, Y[:2], of_x, of_y[:2], seed=1, independent=True) is None
