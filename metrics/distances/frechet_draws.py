"""How far Fréchet distances of resamples of the same two sets spread, most of them without a (d, d) matrix.

See design/016-frechet-interval.md.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evalkit.files import storage_error
from evalkit.metrics.distances.distributions import Features, Matrix, Vector, frechet_from_features

Weights = tuple[Vector, Vector]  # how often each vector of either side counts
SMALL = 64  # up to this rank every draw is computed as it is
SHARE = 8  # above it, one of so many leading directions
ALIKE = 0.95  # correlation of the distances in all and in half of the leading directions
FULL_DRAWS = 8  # computed in full where it is less
_BASIS_ROWS = 4096  # vectors a side that the leading directions are found from
_BLOCK = 4096
_IN_MEMORY = 64 << 20  # bytes of coordinates that are kept in memory


def deviation_of_draws(X: Features, Y: Features, draws: Sequence[Weights], ddof: int) -> float | None:
    """Return the standard deviation of the distance over resamples, most of them by their leading directions alone.

    Up to rank 64 each draw is computed. Above, the distance of each draw is computed in the subspace of the leading
    directions of both sides, and in full for the draws with the four least and the four greatest of these numbers. A
    straight line through these points relates the numbers to the distance; what the points are off the line adds to the
    variance. Where half of the directions give nearly the same numbers, the least and the greatest are enough.

    Args:
        X: (n, d).
        Y: (m, d).
        draws: of each, the weights (n,) and (m,).
        ddof: of the covariance.

    Returns:
        ``None`` with fewer than two draws.
    """
    if len(draws) < 2:
        return None
    rank = min(len(X), len(Y), X.shape[1])
    if rank <= SMALL:
        return float(np.std(_distances(X, Y, draws, ddof), ddof=1))
    basis = leading_directions(X, Y, max(SMALL, rank // SHARE))
    x, y = project(X, basis), project(Y, basis)
    near = _distances(x, y, draws, ddof)
    half = x.shape[1] // 2
    alike = _correlation(near, _distances(x[:, :half], y[:, :half], draws, ddof))
    each = min(1 if alike >= ALIKE else FULL_DRAWS // 2, len(draws) // 2)
    order = np.argsort(near, kind="stable")
    chosen = np.concatenate([order[:each], order[-each:]])
    return _deviation(near, chosen, _distances(X, Y, [draws[at] for at in chosen], ddof))


def _distances(x: Matrix, y: Matrix, draws: Sequence[Weights], ddof: int) -> Vector:
    return np.array([frechet_from_features(x, y, ddof, x_weights=of_x, y_weights=of_y) for of_x, of_y in draws])


def _correlation(first: Vector, second: Vector) -> float:
    """Return Pearson's correlation, 0 where one doesn't vary."""
    a, b = first - first.mean(), second - second.mean()
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / scale if scale > 0 else 0.0


def _deviation(near: Vector, chosen: NDArray[np.int64], exact: Vector) -> float:
    """Return the deviation of a number known for the ``chosen`` draws, given a related one for all.

    Args:
        near: (k,) the related number.
        chosen: (c,) at least 2 draws.
        exact: (c,) the number itself.
    """
    known = near[chosen]
    step = known - known.mean()
    scatter = float(step @ step)
    slope = float(step @ exact) / scatter if scatter > 0 else 0.0
    left = exact - exact.mean() - slope * step
    free = len(chosen) - 2
    off_line = float(left @ left) / free if free > 0 else 0.0
    return float(np.sqrt(slope * slope * float(np.var(near, ddof=1)) + off_line))


def leading_directions(X: Features, Y: Features, count: int) -> Matrix:
    """Return ``count`` orthonormal directions (d, count) in which the two sets spread most, nearly; widest first.

    Two steps of the subspace iteration with a seeded start (Halko, Martinsson and Tropp, SIAM Review 53, 2011), on
    evenly spread vectors of each side.
    """
    sides = []
    for rows in (X, Y):
        some = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), _BASIS_ROWS)).round().astype(np.int64))
        part = np.asarray(rows[some], dtype=np.float32)
        sides.append((part - part.mean(axis=0)) / np.float32(np.sqrt(len(part))))
    basis = np.random.default_rng(0).normal(size=(X.shape[1], count))
    for _ in range(2):
        narrow = basis.astype(np.float32)
        basis = np.linalg.qr(np.sum([side.T @ (side @ narrow) for side in sides], axis=0, dtype=np.float64))[0]
    narrow = basis.astype(np.float32)
    spread = np.sum([(part := side @ narrow).T @ part for side in sides], axis=0, dtype=np.float64)
    return np.asarray(basis @ np.linalg.eigh(spread)[1][:, ::-1])


def project(rows: Features, basis: Matrix) -> Matrix:
    """Return the coordinates (n, k) float64 of rows (n, d) along a basis (d, k).

    Many of them lie in a temporary file without a name, which goes with the array.

    Raises:
        StorageError: the disk is full.
    """
    shape = (len(rows), basis.shape[1])
    found: Matrix
    try:
        if 8 * shape[0] * shape[1] > _IN_MEMORY:
            with tempfile.TemporaryFile(prefix="evalkit-") as file:
                size = 8 * shape[0] * shape[1]
                file.truncate(size)
                if hasattr(os, "posix_fallocate"):  # a full disk shows here, and not as a signal
                    os.posix_fallocate(file.fileno(), 0, size)
                found = np.memmap(file, np.float64, "r+", shape=shape)
        else:
            found = np.empty(shape)
    except OSError as error:
        raise storage_error(Path(tempfile.gettempdir()), error) from None
    for at in range(0, len(rows), _BLOCK):
        found[at : at + _BLOCK] = np.asarray(rows[at : at + _BLOCK], dtype=np.float64) @ basis
    return found
