"""Distances between two sets of feature vectors: Fréchet distance and kernel distance, in float64.

Fréchet distance: Heusel et al., NeurIPS 2017; for Gaussians, Dowson and Landau, Journal of Multivariate Analysis 12,
1982. Kernel distance: Binkowski, Sutherland, Arbel and Gretton, "Demystifying MMD GANs", ICLR 2018. Numerics:
docs/definitions/fid-kid.md#numerics. Moments merge by Chan, Golub and LeVeque, "Updating Formulae and a Pairwise
Algorithm for Computing Sample Variances", COMPSTAT 1982.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Features = NDArray[Any]

SUBSETS = 100
SUBSET_SIZE = 1000
SEED = 2020
_BLOCK = 4096  # rows turned into float64 at a time
_WHOLE = 4096  # rows up to which all kernel values are held: a matrix of 134 MB at a time


class Moments:
    """Mean and scatter of vectors that come in pieces; pieces counted apart can be merged.

    Args:
        dimension: length of a vector.

    Attributes:
        weight: number of vectors, or the sum of their weights.
        mean: (d,) float64.
        scatter: (d, d) float64, the sum of the outer products of the deviations from the mean.
    """

    def __init__(self, dimension: int) -> None:
        self.weight = 0.0
        self.mean: Vector = np.zeros(dimension)
        self.scatter: Matrix = np.zeros((dimension, dimension))

    def add(self, rows: Features, weights: Vector | None = None) -> None:
        """Take vectors.

        Args:
            rows: (N, d) real.
            weights: (N,) how often each counts, 0 or more; once when ``None``.

        Raises:
            ValueError: another dimension.
        """
        if rows.ndim != 2 or rows.shape[1] != len(self.mean):
            raise ValueError(f"rows are (N, {len(self.mean)}), not {rows.shape}")
        for start in range(0, len(rows), _BLOCK):
            part = np.asarray(rows[start : start + _BLOCK], dtype=np.float64)
            counts = np.ones(len(part)) if weights is None else weights[start : start + _BLOCK]
            if not counts.all():
                part, counts = part[counts > 0], counts[counts > 0]
            total = float(counts.sum())
            if total > 0:
                mean = counts @ part / total
                centred = (part - mean) * np.sqrt(counts)[:, None]
                self._join(total, mean, centred.T @ centred)

    def merge(self, other: Moments) -> None:
        """Take what ``other`` counted."""
        if other.weight > 0:
            self._join(other.weight, other.mean, other.scatter)

    def _join(self, weight: float, mean: Vector, scatter: Matrix) -> None:
        total = self.weight + weight
        step = mean - self.mean
        self.scatter += scatter
        if self.weight > 0:
            self.scatter += np.outer(step, step * (self.weight * weight / total))
        self.mean = self.mean + step * (weight / total)
        self.weight = total

    def covariance(self, ddof: int = 1) -> Matrix:
        """Return the (d, d) covariance: scatter over ``weight - ddof``; zero for a single vector.

        Raises:
            ValueError: nothing was counted.
        """
        if self.weight <= 0:
            raise ValueError("no vectors, so they have no covariance")
        return self.scatter / _divisor(self.weight, ddof)


def _divisor(weight: float, ddof: int) -> float:
    return weight - ddof if weight > ddof else 1.0  # one vector: its scatter is zero, whatever it is divided by


def frechet(mean_1: Vector, cov_1: Matrix, mean_2: Vector, cov_2: Matrix) -> float:
    """Return the squared Fréchet distance of two Gaussians.

    ``|m1 - m2|^2 + tr C1 + tr C2 - 2 tr (C1 C2)^(1/2)``, where the last trace is the sum of the square roots of the
    eigenvalues of the symmetric ``F' C2 F`` with ``F F' = C1``. F is the Cholesky factor, or, for a covariance without
    full rank, comes from the eigendecomposition with negative eigenvalues set to 0.

    Args:
        mean_1: (d,).
        cov_1: (d, d) symmetric, positive semi-definite but for rounding.
        mean_2: (d,).
        cov_2: (d, d).

    Returns:
        0 or more; exactly 0 for equal arguments.

    Raises:
        ValueError: shapes that don't belong together, or a number that is not finite.
    """
    size = len(mean_1)
    if not (mean_1.shape == mean_2.shape == (size,) and cov_1.shape == cov_2.shape == (size, size)):
        raise ValueError(
            f"two means (d,) and two covariances (d, d) are needed, not {mean_1.shape}, {cov_1.shape}, "
            f"{mean_2.shape}, {cov_2.shape}"
        )
    if not all(np.isfinite(part).all() for part in (mean_1, cov_1, mean_2, cov_2)):
        raise ValueError("a mean or a covariance is not finite")
    if np.array_equal(mean_1, mean_2) and np.array_equal(cov_1, cov_2):
        return 0.0
    factor = _factor(cov_1)
    cross = _sum_of_roots(factor.T @ cov_2 @ factor)
    return _assemble(mean_1 - mean_2, float(np.trace(cov_1) + np.trace(cov_2)), cross)


def _factor(cov: Matrix) -> Matrix:
    """Return F with F F' = cov."""
    try:
        return np.asarray(np.linalg.cholesky(cov))
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(cov)
        return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))


def _sum_of_roots(matrix: Matrix) -> float:
    """Return the sum of the square roots of the eigenvalues of a positive semi-definite matrix.

    Eigenvalues within rounding of 0 count as 0: the root of rounding noise is not negligible.
    """
    values = np.linalg.eigvalsh((matrix + matrix.T) / 2.0)
    noise = len(values) * np.finfo(np.float64).eps * float(np.abs(values).max(initial=0.0))
    return float(np.sqrt(values[values > noise]).sum())


def _assemble(step: Vector, traces: float, cross: float) -> float:
    return max(0.0, float(step @ step) + traces - 2.0 * cross)


def frechet_from_features(
    X: Features,
    Y: Features,
    ddof: int = 1,
    *,
    x_weights: Vector | None = None,
    y_weights: Vector | None = None,
) -> float:
    """Return the squared Fréchet distance of the Gaussians with the moments of two sets of vectors.

    With fewer vectors than dimensions on a side the trace term is the nuclear norm of the cross Gram matrix of the
    centred vectors, which needs no (d, d) matrix and is exact where the covariance has no full rank.

    Args:
        X: (n, d) real.
        Y: (m, d) real.
        ddof: 1 as in pytorch-fid, 0 as in StyleGAN-V's FVD. One vector has covariance 0.
        x_weights: (n,) how often each vector of X counts; once when ``None``.
        y_weights: (m,) of Y.

    Raises:
        ValueError: shapes that don't belong together, no vectors, or a number that is not finite.
    """
    if X.ndim != 2 or Y.ndim != 2 or X.shape[1] != Y.shape[1] or 0 in (*X.shape, *Y.shape):
        raise ValueError(f"two sets of vectors (n, d) and (m, d) are needed, not {X.shape} and {Y.shape}")
    counted = [
        len(rows) if weights is None else int(np.count_nonzero(weights))
        for rows, weights in ((X, x_weights), (Y, y_weights))
    ]
    if 0 in counted:
        raise ValueError("no vectors, so they have no covariance")
    if min(counted) >= X.shape[1]:  # block by block: many vectors lie in a file
        moments = []
        for rows, weights in ((X, x_weights), (Y, y_weights)):
            side = Moments(X.shape[1])
            side.add(rows, weights)
            moments.append(side)
        return frechet(moments[0].mean, moments[0].covariance(ddof), moments[1].mean, moments[1].covariance(ddof))
    if x_weights is not None and not x_weights.all():
        X, x_weights = X[x_weights > 0], x_weights[x_weights > 0]
    if y_weights is not None and not y_weights.all():
        Y, y_weights = Y[y_weights > 0], y_weights[y_weights > 0]
    mean_x, left = _centred(X, x_weights, ddof)
    mean_y, right = _centred(Y, y_weights, ddof)
    if not (np.isfinite(left).all() and np.isfinite(right).all()):
        raise ValueError("a feature is not finite")
    if left.shape == right.shape and np.array_equal(mean_x, mean_y) and np.array_equal(left, right):
        return 0.0
    short, long = (left, right) if len(left) <= len(right) else (right, left)
    gram = short @ long.T
    traces = float(np.square(left).sum() + np.square(right).sum())
    return _assemble(mean_x - mean_y, traces, _sum_of_roots(gram @ gram.T))


def _centred(rows: Features, weights: Vector | None, ddof: int) -> tuple[Vector, Matrix]:
    """Return the mean and the deviations, scaled so that their scatter is the covariance."""
    part = np.asarray(rows, dtype=np.float64)
    counts = np.ones(len(part)) if weights is None else weights
    total = float(counts.sum())
    mean = counts @ part / total
    return mean, (part - mean) * np.sqrt(counts / _divisor(total, ddof))[:, None]


def frechet_bias(cov: Matrix, n: int, m: int) -> float:
    """Return the Fréchet distance to be expected between two samples of one and the same Gaussian, to first order.

    ``(1/n + 1/m) (tr C + 1/2 sum_ij (1 + [i = j]) l_i l_j / (l_i + l_j))`` with the eigenvalues l of C: the mean's
    noise, and the noise of the sample covariance in the metric of the distance. Valid for n and m well above d; below
    d the truth is smaller, at most twice the trace of C, and the distance is mostly bias
    (docs/definitions/fid-kid.md#small-samples).

    Args:
        cov: (d, d) covariance.
        n: vectors of the first sample.
        m: of the second.
    """
    values = np.maximum(np.linalg.eigvalsh(cov), 0.0)
    values = values[values > len(values) * np.finfo(np.float64).eps * values.max(initial=0.0)]
    pairs = float((np.outer(values, values) / np.add.outer(values, values)).sum() + values.sum() / 2.0)
    return (1.0 / n + 1.0 / m) * (float(values.sum()) + pairs / 2.0)


def polynomial_kernel(X: Features, Y: Features) -> Matrix:
    """Return ``(x.y / d + 1)^3`` for every x of (n, d) and y of (m, d): (n, m) float64."""
    product: Matrix = np.asarray(X, dtype=np.float64) @ np.asarray(Y, dtype=np.float64).T
    product /= X.shape[1]  # in place: such matrices are large
    product += 1.0
    product **= 3
    return product


def unbiased_mmd(kernel_xx: Matrix, kernel_xy: Matrix, kernel_yy: Matrix) -> float:
    """Return the unbiased estimate of the squared maximum mean discrepancy; slightly negative for equal sets.

    Args:
        kernel_xx: (n, n), n >= 2; its diagonal doesn't count.
        kernel_xy: (n, m).
        kernel_yy: (m, m), m >= 2.

    Raises:
        ValueError: a side with fewer than two vectors.
    """
    n, m = kernel_xy.shape
    if min(n, m) < 2:
        raise ValueError(f"two vectors a side are needed, found {n} and {m}")
    return float(_mean_of_pairs(kernel_xx) + _mean_of_pairs(kernel_yy) - 2.0 * kernel_xy.mean())


def _mean_of_pairs(kernel: Matrix) -> float:
    """Return the mean kernel value (n, n) of two different vectors of one set."""
    return float((kernel.sum() - np.trace(kernel)) / (len(kernel) * (len(kernel) - 1)))


def kid(
    X: Features,
    Y: Features,
    *,
    subset_size: int = SUBSET_SIZE,
    subsets: int = SUBSETS,
    seed: int = SEED,
) -> tuple[float, float]:
    """Return the kernel distance as torch-fidelity estimates it: mean and population deviation over random subsets.

    Args:
        X: (n, d) real, n at least ``subset_size``; rows may lie in a file (`numpy.memmap`).
        Y: (m, d), m at least ``subset_size``.
        subset_size: vectors a side in a subset, without replacement.
        subsets: how many.
        seed: of `numpy.random.RandomState`, on whose stream the published numbers depend; X's subset is drawn first.

    Raises:
        ValueError: fewer vectors than a subset needs, or shapes that don't belong together.
    """
    if X.ndim != 2 or Y.ndim != 2 or X.shape[1] != Y.shape[1]:
        raise ValueError(f"two sets of vectors (n, d) and (m, d) are needed, not {X.shape} and {Y.shape}")
    if min(len(X), len(Y)) < subset_size:
        raise ValueError(
            f"a subset takes {subset_size} vectors of each side, found {len(X)} and {len(Y)}; "
            "with a smaller subset_size it is another estimate, which must be stated with the number"
        )
    estimates = np.array(list(_subset_estimates(X, Y, subset_size, subsets, seed)))
    return float(estimates.mean()), float(estimates.std())


def whole_kernel_distance(X: Features, Y: Features) -> float:
    """Return the unbiased kernel distance of all vectors, without subsets: KVD, where a set has too few for them.

    Kernel values are summed in blocks, so memory doesn't grow with the square of the set.

    Args:
        X: (n, d) real, n >= 2.
        Y: (m, d) real, m >= 2.

    Raises:
        ValueError: a side with fewer than two vectors, or shapes that don't belong together.
    """
    if X.ndim != 2 or Y.ndim != 2 or X.shape[1] != Y.shape[1] or min(len(X), len(Y)) < 2:
        raise ValueError(f"two sets of at least two vectors (n, d) and (m, d) are needed, not {X.shape} and {Y.shape}")
    within = [(_kernel_sum(rows, rows) - _kernel_diagonal(rows)) / (len(rows) * (len(rows) - 1)) for rows in (X, Y)]
    return float(sum(within) - 2.0 * _kernel_sum(X, Y) / (len(X) * len(Y)))


def _kernel_sum(X: Features, Y: Features) -> float:
    blocks = [(x, y) for x in range(0, len(X), _BLOCK) for y in range(0, len(Y), _BLOCK)]
    return float(sum(polynomial_kernel(X[x : x + _BLOCK], Y[y : y + _BLOCK]).sum() for x, y in blocks))


def _kernel_diagonal(X: Features) -> float:
    squares = np.square(np.asarray(X, dtype=np.float64)).sum(axis=1)
    return float(((squares / X.shape[1] + 1.0) ** 3).sum())


def _subset_estimates(X: Features, Y: Features, size: int, subsets: int, seed: int) -> Iterator[float]:
    random = np.random.RandomState(seed)
    picks = (
        (random.choice(len(X), size, replace=False), random.choice(len(Y), size, replace=False)) for _ in range(subsets)
    )
    if max(len(X), len(Y)) > _WHOLE:
        for left, right in picks:
            x, y = np.asarray(X[left], dtype=np.float64), np.asarray(Y[right], dtype=np.float64)
            yield unbiased_mmd(polynomial_kernel(x, x), polynomial_kernel(x, y), polynomial_kernel(y, y))
        return
    chosen = list(picks)
    kernel = polynomial_kernel(X, X)  # one at a time
    within_x = [_mean_of_pairs(kernel[np.ix_(left, left)]) for left, _ in chosen]
    kernel = polynomial_kernel(Y, Y)
    within_y = [_mean_of_pairs(kernel[np.ix_(right, right)]) for _, right in chosen]
    kernel = polynomial_kernel(X, Y)
    across = [kernel[np.ix_(left, right)].mean() for left, right in chosen]
    yield from (float(x + y - 2.0 * both) for x, y, both in zip(within_x, within_y, across, strict=True))
