"""Confidence, distance and offset from embeddings: published vectors, cuts, edges.

The vectors are those of docs/definitions/lip-sync.md#check-values.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from evalkit.metrics.sync.arithmetic import Sync, cut_to, summarise, sync_core
from evalkit.metrics.sync.distances import shift_distances, silent_distances, window_count

TABLE = ((0, 0, 1.599068, 9.574638), (3, -3, 1.752399, 9.443763), (-2, 2, 1.707777, 9.463310))


def planted(shift: int, random: np.random.RandomState) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """docs/definitions/lip-sync.md#check-values; call with shift 0, 3, -2 in this order and the same state."""
    base = np.random.RandomState(0).randn(160, 1024).astype(np.float32) * np.float32(0.25)
    sound = base[20 - shift : 140 - shift] + 0.05 * random.randn(120, 1024)
    return base[20:140], sound.astype(np.float32)


def states() -> np.random.RandomState:
    random = np.random.RandomState(0)
    random.randn(160, 1024)
    return random


def test_published_vectors() -> None:
    """The table was made in float32 (next test); in float64 its values move by up to 5e-7 of themselves."""
    random = states()
    for shift, offset, distance, confidence in TABLE:
        sync = sync_core(*planted(shift, random))
        assert isinstance(sync, Sync)
        assert sync.offset == offset
        assert sync.distance == pytest.approx(distance, rel=2e-6)
        assert sync.confidence == pytest.approx(confidence, rel=2e-6)
        assert sync.windows == 120


def test_published_vectors_to_the_last_digit_in_float32() -> None:
    random = states()
    for shift, offset, distance, confidence in TABLE:
        curve = shift_distances(*planted(shift, random)).mean(axis=0)
        assert curve.dtype == np.float32
        assert 15 - int(np.argmin(curve)) == offset
        assert float(curve.min()) == pytest.approx(distance, abs=2e-6)
        assert float(np.median(curve) - curve.min()) == pytest.approx(confidence, abs=2e-6)


def test_same_as_pytorch() -> None:
    import torch

    torch.set_num_threads(1)
    lips, sound = planted(3, states())
    padded = torch.nn.functional.pad(torch.from_numpy(sound), (0, 0, 15, 15))
    theirs = [
        torch.nn.functional.pairwise_distance(torch.from_numpy(lips[[i]]).repeat(31, 1), padded[i : i + 31])
        for i in range(120)
    ]
    np.testing.assert_allclose(shift_distances(lips, sound), torch.stack(theirs), rtol=1e-6)
    curve = torch.stack(theirs, 1).mean(1)
    sync = sync_core(lips, sound)
    assert sync != "too_short"
    assert sync.confidence == pytest.approx(float(curve.median() - curve.min()), rel=1e-6)
    assert sync.distance == pytest.approx(float(curve.min()), rel=1e-6)


@pytest.mark.parametrize(("windows", "confidence"), [(20, 8.44), (45, 9.20), (120, 9.58), (250, 9.72)])
def test_confidence_grows_with_length(windows: int, confidence: float) -> None:
    lips = (np.random.RandomState(1).randn(windows, 1024) * 0.25).astype(np.float32)
    sound = (lips + 0.05 * np.random.RandomState(2).randn(windows, 1024)).astype(np.float32)
    sync = sync_core(lips, sound)
    assert isinstance(sync, Sync)
    assert sync.confidence == pytest.approx(confidence, abs=0.005)
    assert sync.offset == 0


def test_by_hand() -> None:
    """Two windows of one number, one shift: padded sound 0, 4, 1, 0.

    D[0] = |3 - 0|, |3 - 4|, |3 - 1|; D[1] = |5 - 4|, |5 - 1|, |5 - 0|; means 2, 2.5, 3.5: best 2 at k = 0, offset 1.
    """
    lips, sound = np.array([[3.0], [5.0]]), np.array([[4.0], [1.0]])
    np.testing.assert_allclose(shift_distances(lips, sound, 1), [[3, 1, 2], [1, 4, 5]], atol=2e-6)
    sync = sync_core(lips, sound, 1)
    assert isinstance(sync, Sync)
    assert (sync.offset, sync.windows) == (1, 2)
    assert sync.distance == pytest.approx(2, abs=2e-6)
    assert sync.confidence == pytest.approx(0.5, abs=4e-6)


def test_epsilon_is_added_to_every_component() -> None:
    """Equal vectors of 1024 numbers are sqrt(1024) * 1e-6 = 3.2e-5 apart."""
    same = np.zeros((1, 1024), dtype=np.float32)
    assert shift_distances(same, same)[0, 15] == pytest.approx(3.2e-5, rel=1e-5)
    assert silent_distances(same)[0] == pytest.approx(3.2e-5, rel=1e-5)


@pytest.mark.parametrize("shift", [-15, *range(-10, 11), 15])
def test_late_sound_moves_the_offset_down(shift: int) -> None:
    base = np.random.RandomState(5).randn(160, 64)
    sync = sync_core(base[20:120], base[20 - shift : 120 - shift])
    assert isinstance(sync, Sync)
    assert sync.offset == -shift
    assert sync.confidence > 5


def test_nothing_is_too_short() -> None:
    assert sync_core(np.empty((0, 1024)), np.empty((0, 1024))) == "too_short"
    assert summarise(np.empty((0, 31))) == "too_short"


def test_first_of_equal_minima_counts() -> None:
    curve = np.full((1, 31), 5.0)
    curve[0, [4, 20]] = 1.0
    assert summarise(curve) == Sync(4.0, 1.0, 11, 1)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_not_finite_is_refused(value: float) -> None:
    curve = np.ones((3, 31))
    curve[1, 7] = value
    with pytest.raises(ValueError, match="not finite"):
        summarise(curve)


@pytest.mark.parametrize("shape", [(31,), (4, 30), (0, 0), (2, 3, 31)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="shape"):
        summarise(np.ones(shape))


def test_unequal_embeddings_are_refused() -> None:
    with pytest.raises(ValueError, match="one shape"):
        shift_distances(np.ones((3, 4)), np.ones((2, 4)))


@pytest.mark.parametrize(
    ("frames", "samples", "windows"),
    [
        (100, 64000, 95),
        (100, 63999, 94),  # 99.998 frames of sound
        (50, 64000, 45),
        (6, 64000, 1),
        (5, 64000, 0),
        (100, 6 * 640 - 1, 0),
        (0, 0, 0),
        (3, 0, 0),
    ],
)
def test_number_of_windows(frames: int, samples: int, windows: int) -> None:
    assert window_count(frames, samples) == windows


@settings(max_examples=40)
@given(st.integers(1, 60), st.integers(0, 70), st.integers(0, 5))
def test_cutting_distances_is_cutting_embeddings(count: int, windows: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    lips, sound = random.normal(size=(count, 16)), random.normal(size=(count, 16))
    ours = cut_to(shift_distances(lips, sound), silent_distances(lips), windows)
    np.testing.assert_allclose(ours, shift_distances(lips[:windows], sound[:windows]), rtol=1e-6)
