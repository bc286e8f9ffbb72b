"""The binding score's numbers from a matrix of confidences: pure functions over arrays (metrics/binding/binding.md).

``matrix`` is S (P, P): how well the lips of person i (row) fit the voice of person k (column), higher is better; a row
without a number is NaN throughout. ``asked`` (P,) says which persons speak: only their diagonal elements are judged,
while the others stay in the comparison.
"""

from __future__ import annotations

from itertools import permutations

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
Mask = NDArray[np.bool_]
TIED = 1e-9


def present(matrix: Matrix) -> Mask:
    """Return which rows have numbers: (P,)."""
    return np.asarray(np.isfinite(matrix).all(axis=1))


def judged(matrix: Matrix, asked: Mask) -> NDArray[np.int64]:
    """Return the persons who speak and whose row has numbers."""
    return np.flatnonzero(present(matrix) & asked)


def right_persons(matrix: Matrix, asked: Mask) -> list[float]:
    """Return for each judged person whether their own voice fits their lips best: 0, 1, or 1/(number tied)."""
    return [_credit(matrix[i], i) for i in judged(matrix, asked)]


def right_streams(matrix: Matrix, asked: Mask) -> list[float]:
    """Return for each judged person whether no other lips fit their voice better; empty with a single row."""
    rows = np.flatnonzero(present(matrix))
    if len(rows) < 2:
        return []
    return [_credit(matrix[rows, k], int(np.flatnonzero(rows == k)[0])) for k in judged(matrix, asked)]


def right_pairs(matrix: Matrix, asked: Mask) -> list[float]:
    """Return for each judged person whether the best assignment of voices to persons gives them their own.

    The best assignment has the largest sum, each voice given once. Where several have it, the share of them that is
    right. Empty with a single row.
    """
    rows = np.flatnonzero(present(matrix))
    if len(rows) < 2:
        return []
    choices = np.array(list(permutations(range(matrix.shape[1]), len(rows))))
    sums = matrix[rows, choices].sum(axis=1)
    best = choices[sums >= sums.max() - TIED]
    return [float(np.mean(best[:, int(np.flatnonzero(rows == i)[0])] == i)) for i in judged(matrix, asked)]


def margins(matrix: Matrix, asked: Mask) -> list[float]:
    """Return for each judged person how much better their own voice fits than the best other one."""
    return [float(matrix[i, i] - np.delete(matrix[i], i).max()) for i in judged(matrix, asked)]


def own_confidences(matrix: Matrix, asked: Mask) -> list[float]:
    """Return the diagonal of the judged persons."""
    return [float(matrix[i, i]) for i in judged(matrix, asked)]


def above_chance(accuracy: float, persons: int) -> float:
    """Return an accuracy on a scale on which guessing among ``persons`` voices is 0 and no error is 1."""
    chance = 1 / persons
    return (accuracy - chance) / (1 - chance)


def _credit(values: NDArray[np.float64], own: int) -> float:
    tied = values >= values.max() - TIED
    return 1 / int(tied.sum()) if tied[own] else 0.0
