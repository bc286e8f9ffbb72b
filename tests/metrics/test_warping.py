"""Dynamic time warping: against a plain table, whatever the lengths, and what it does to the distortion of speech."""

from __future__ import annotations

import numpy as np
import pytest

from evalkit.metrics.base import metric_registry
from evalkit.metrics.speech import cepstra
from evalkit.metrics.speech.warping import warped_mean


def euclid(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    return np.sqrt(np.square(ours - theirs).sum(axis=1))


def by_table(ours: np.ndarray, theirs: np.ndarray, band: int) -> tuple[float, int]:
    """The whole table, then the way back: another way to the same number."""
    rows, columns = len(ours), len(theirs)
    band = max(band, abs(rows - columns))
    cost = np.sqrt(np.square(ours[:, None] - theirs[None]).sum(axis=2))
    table = np.full((rows + 1, columns + 1), np.inf)
    table[0, 0] = 0
    for i in range(rows):
        for j in range(columns):
            if abs(i - j) <= band:
                table[i + 1, j + 1] = cost[i, j] + min(table[i, j], table[i + 1, j], table[i, j + 1])
    i, j, path = rows, columns, []
    while i and j:
        path.append(cost[i - 1, j - 1])
        before = [(table[i - 1, j - 1], i - 1, j - 1), (table[i, j - 1], i, j - 1), (table[i - 1, j], i - 1, j)]
        _, i, j = min(before, key=lambda one: one[0])
    return float(np.mean(path)), len(path)


@pytest.mark.parametrize("band", [0, 1, 3, 100])
def test_the_mean_is_that_along_the_best_path(band: int) -> None:
    rng = np.random.default_rng(band)
    for _ in range(40):
        ours, theirs = (rng.normal(size=(rng.integers(1, 25), 3)) for _ in range(2))
        found, pairs = warped_mean(ours, theirs, euclid, band)
        expected, length = by_table(ours, theirs, band)
        assert found == pytest.approx(expected, rel=1e-12)
        assert pairs == length


def test_by_hand() -> None:
    # 0 1 2 against 0 0 1 3: pairs 00 01 12 23 with distances 0 0 0 1.
    ours, theirs = np.array([[0.0], [1], [2]]), np.array([[0.0], [0], [1], [3]])
    assert warped_mean(ours, theirs, euclid, 5) == (0.25, 4)
    assert warped_mean(ours, ours, euclid, 0) == (0.0, 3)


def test_a_drift_costs_less_after_warping() -> None:
    rng = np.random.default_rng(0)
    cepstrum = np.cumsum(rng.normal(size=(400, 25)), axis=0)
    late = cepstrum[np.clip(np.arange(400) - 20, 0, None)]
    plain = float(cepstra.distortion(late, cepstrum).mean())
    warped, pairs = warped_mean(late, cepstrum, cepstra.distortion, 200)
    assert warped < plain / 5
    assert pairs > 400
    assert warped <= warped_mean(late, cepstrum, cepstra.distortion, 5)[0]


def test_what_can_not_be_compared_is_refused() -> None:
    for shapes in (((0, 3), (2, 3)), ((2, 3), (2, 4))):
        with pytest.raises(ValueError, match="at least one row"):
            warped_mean(*(np.zeros(shape) for shape in shapes), euclid, 1)


def test_the_metric_is_found() -> None:
    assert metric_registry()["speech.mcd.dtw"].record.features[-1] == "speech_cepstra_warped"
