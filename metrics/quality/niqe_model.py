"""NIQE: statistics of a frame's blocks, and their distance from those of undistorted photos.

Mittal, Soundararajan and Bovik, "Making a 'completely blind' image quality analyzer", IEEE Signal Processing Letters
20(3), 2013, as the authors' release (utlive/niqe) computes it: ``computequality.m`` with blocks of 96 x 96 pixels, no
overlap, and its ``modelparameters.mat``. MATLAB's built-in ``niqe`` and ports on another grey are other metrics.
Definition: docs/definitions/niqe.md.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import WeightsError
from evalkit.metrics.quality.brisque_model import FloatArray
from evalkit.metrics.quality.natural_scenes import (
    FLAT_TOLERANCE,
    AsymmetricFit,
    GrayImage,
    correlate_window,
    matlab_half,
    require_gray,
)
from evalkit.text import ended

BLOCK: Final = 96
FEATURE_COUNT: Final = 36
FEWEST_BLOCKS: Final = 2  # a covariance takes two

_SHIFTS: Final = ((0, 1), (1, 0), (1, 1), (1, -1))
_FIX: Final = "Take the file 'modelparameters.mat' of the LIVE release of NIQE, unchanged."


@dataclass(frozen=True, eq=False)
class BlockStatistics:
    """What NIQE looks at in one frame.

    Attributes: ``features``, float64 (B, 36), the blocks column by column; NaN where a fit has no values on one side.
    ``flat_fraction``, 0..1, share of pixels equal to the Gaussian mean of their surroundings, ``|Y - mu| < 1e-9``.
    """

    features: FloatArray
    flat_fraction: float


def block_statistics(gray: GrayImage) -> BlockStatistics:
    """Return the 36 statistics of each whole block of 96 x 96 pixels, 18 at full and 18 at half size.

    Per size: shape and mean scale of the normalised values; then shape, mean, left and right scale of their products
    with themselves shifted circularly within the block by (0,1), (1,0), (1,1), (1,-1).

    Args:
        gray: grey image (H, W), uint8 or float64 on the scale 0..255, at least 96 pixels on both sides. What is left
            over at the right and at the bottom is cut off before anything else.

    Raises:
        ValueError: the shape or dtype is wrong, the image is too small, or a value is not finite.
    """
    image = require_gray(gray, "gray", smallest=BLOCK)
    rows, columns = image.shape[0] // BLOCK, image.shape[1] // BLOCK
    size = np.ascontiguousarray(image[: rows * BLOCK, : columns * BLOCK])
    parts, flat = [], 0.0
    for scale in (1, 2):
        mean = correlate_window(size, "edge")
        deviation = np.sqrt(np.abs(correlate_window(size * size, "edge") - mean * mean))
        difference = size - mean
        if scale == 1:
            flat = float(np.mean(np.abs(difference) < FLAT_TOLERANCE))
        side = BLOCK // scale
        grid = (difference / (deviation + 1.0)).reshape(rows, side, columns, side)
        parts.append(_features_of(np.ascontiguousarray(grid.transpose(2, 0, 1, 3)).reshape(-1, side, side)))
        size = matlab_half(size)
    return BlockStatistics(np.hstack(parts), flat)


def _features_of(blocks: FloatArray) -> FloatArray:
    """Return (B, 18) of the normalised values (B, side, side)."""
    own = AsymmetricFit.of(blocks.reshape(len(blocks), -1))
    columns = [own.shape, (own.left + own.right) / 2.0 * own.scale]
    for shift in _SHIFTS:
        fit = AsymmetricFit.of((blocks * np.roll(blocks, shift, axis=(1, 2))).reshape(len(blocks), -1))
        left, right = fit.left * fit.scale, fit.right * fit.scale
        columns += [fit.shape, (right - left) * fit.mean_factor, left, right]
    return np.stack(columns, axis=1)


@dataclass(frozen=True, eq=False)
class NiqeModel:
    """The distribution of the statistics over blocks of undistorted photos.

    Attributes: ``mean``, float64 (36,), and ``covariance``, float64 (36, 36).
    """

    mean: FloatArray
    covariance: FloatArray

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read the release's MATLAB file. Its digest is the caller's business.

        Raises:
            WeightsError: the file can't be read, or has other variables, shapes or values than the release's.
        """
        from scipy.io import loadmat

        names = ("mu_prisparam", "cov_prisparam")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                content = loadmat(path, variable_names=names, appendmat=False)
        except Exception as error:  # a damaged file fails in as many ways as there are bytes
            raise WeightsError(ended(f"'{path}' can't be read as a MATLAB file: {error}"), fix=_FIX) from error
        mean, covariance = (
            _matrix(content.get(name), name, shape, path)
            for name, shape in zip(names, ((1, FEATURE_COUNT), (FEATURE_COUNT, FEATURE_COUNT)), strict=True)
        )
        if not np.allclose(covariance, covariance.T) or (np.diag(covariance) <= 0).any():
            raise _malformed(path, names[1], "another matrix", "a symmetric one, positive on its diagonal")
        return cls(mean[0], covariance)

    def distance(self, features: FloatArray) -> float:
        """Return the NIQE of a frame: how far its blocks are from those of the photos; 0 or more, lower is better.

        ``sqrt((m - m')^T pinv((C + C') / 2) (m - m'))``, with mean m' and covariance C' (N - 1) of the frame's blocks;
        m' leaves out what is NaN, C' the blocks that have a NaN.

        Args:
            features: float64 (B, 36) from :func:`block_statistics`.

        Returns:
            NaN when fewer than two blocks have all statistics.
        """
        whole = features[np.isfinite(features).all(axis=1)]
        if len(whole) < FEWEST_BLOCKS:
            return float("nan")
        difference = self.mean - np.nanmean(features, axis=0)
        middle = (self.covariance + np.cov(whole, rowvar=False)) / 2.0
        return float(np.sqrt(max(difference @ _inverse(middle) @ difference, 0.0)))

    def furthest(self, features: FloatArray) -> float:
        """Return how far the furthest of the 36 mean statistics is from the photos', in deviations of their blocks.

        Args:
            features: float64 (B, 36) from :func:`block_statistics`.

        Returns:
            0 or more; NaN when fewer than two blocks have all statistics.
        """
        if np.isfinite(features).all(axis=1).sum() < FEWEST_BLOCKS:
            return float("nan")
        deviations = np.abs(np.nanmean(features, axis=0) - self.mean) / np.sqrt(np.diag(self.covariance))
        return float(deviations.max())


def _inverse(symmetric: FloatArray) -> FloatArray:
    """Return the pseudo-inverse with MATLAB's tolerance: singular values up to ``36 eps(largest)`` count as 0."""
    left, values, right = np.linalg.svd(symmetric)
    kept = values > len(symmetric) * np.spacing(values[0])
    result: FloatArray = right[kept].T @ (left[:, kept] / values[kept]).T
    return result


def _matrix(found: Any, name: str, shape: tuple[int, int], path: Path) -> NDArray[np.float64]:
    if not isinstance(found, np.ndarray) or found.dtype != np.float64 or found.shape != shape:
        told = f"{found.dtype} {found.shape}" if isinstance(found, np.ndarray) else "nothing"
        raise _malformed(path, name, told, f"float64 {shape}")
    if not np.isfinite(found).all():
        raise _malformed(path, name, "a value that is not finite", "finite numbers")
    return found.astype(np.float64)


def _malformed(path: Path, name: str, found: str, expected: str) -> WeightsError:
    return WeightsError(f"'{path.name}' is malformed at {name}.", found=found, expected=expected, fix=_FIX)
