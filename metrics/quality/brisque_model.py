"""The trained regression of the LIVE release of BRISQUE, read from its two libsvm text files.

The features that it scores are in `natural_scenes`, the metric is in `brisque`.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import WeightsError
from evalkit.text import ended

FloatArray = NDArray[np.float64]

FEATURE_COUNT: Final = 36

_FIX: Final = "Take the file 'allmodel' or 'allrange' of the LIVE release of BRISQUE, unchanged."
_HEADER: Final = re.compile(
    r"svm_type epsilon_svr\nkernel_type rbf\ngamma (\S+)\nnr_class 2\ntotal_sv (\d+)\nrho (\S+)\n(?:probA \S+\n)?SV\n"
)


def _malformed(path: Path, where: str, found: str, expected: str) -> WeightsError:
    return WeightsError(f"'{path.name}' is malformed at {where}.", found=f"'{found[:80]}'", expected=expected, fix=_FIX)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise WeightsError(ended(f"'{path}' can't be read as a text file: {error}"), fix=_FIX) from error


def _number(text: str, path: Path, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise _malformed(path, where, text, "a finite number")
    return value


def _read_range(path: Path) -> FloatArray:
    """Minimum and maximum of each feature, (36, 2), from a file of svm-scale."""
    lines = _read(path).splitlines()
    if lines[:2] != ["x", "-1 1"] or len(lines) != FEATURE_COUNT + 2:
        expected = f"'x', '-1 1', then {FEATURE_COUNT} lines 'index minimum maximum'"
        raise _malformed(path, "its outline", f"{len(lines)} lines: {' | '.join(lines[:2])}", expected)
    bounds = np.empty((FEATURE_COUNT, 2))
    for feature, line in enumerate(lines[2:], start=1):
        where, words = f"line {feature + 2}", line.split()
        if len(words) != 3 or words[0] != str(feature):
            raise _malformed(path, where, line, f"'{feature} minimum maximum'")
        low, high = (_number(word, path, where) for word in words[1:])
        if low >= high:
            raise _malformed(path, where, line, "a minimum below the maximum")
        bounds[feature - 1] = low, high
    return bounds


def _read_vectors(lines: list[str], first_row: int, path: Path) -> tuple[FloatArray, FloatArray]:
    """Coefficients (n,) and vectors (n, 36) from lines ``coefficient index:value ...``; left-out values are 0."""
    coefficients, vectors = np.empty(len(lines)), np.zeros((len(lines), FEATURE_COUNT))
    for n, line in enumerate(lines):
        where = f"line {first_row + n}"
        coefficient, *entries = line.split() or [""]
        coefficients[n] = _number(coefficient, path, where)
        last = 0
        for entry in entries:
            index, _, value = entry.partition(":")
            if not (index.isdecimal() and last < int(index) <= FEATURE_COUNT):
                raise _malformed(path, where, entry, f"'index:value', indices ascending within 1..{FEATURE_COUNT}")
            last = int(index)
            vectors[n, last - 1] = _number(value, path, where)
    return coefficients, vectors


@dataclass(frozen=True, eq=False)
class BrisqueModel:
    """The trained regression: scaling of the 36 features, then an epsilon-SVR with an RBF kernel.

    Attributes: ``minimum`` and ``maximum``, float64 (36,), the feature values that are scaled to -1 and 1;
    ``coefficients`` (n,) and ``vectors`` (n, 36), float64, the support vectors in scaled units; ``gamma``, the kernel's
    width, above 0; ``rho``, the offset that is subtracted.
    """

    minimum: FloatArray
    maximum: FloatArray
    coefficients: FloatArray
    vectors: FloatArray
    gamma: float
    rho: float

    @classmethod
    def from_files(cls, allmodel_path: Path, allrange_path: Path) -> Self:
        """Read the release's two libsvm text files. Their digests are the caller's business.

        Args:
            allmodel_path: ``allmodel``, as svm-train writes it (epsilon_svr, rbf).
            allrange_path: ``allrange``, as svm-scale writes it, for the target range -1..1 and 36 features.

        Raises:
            WeightsError: a file can't be read or departs from the format in any way.
        """
        bounds = _read_range(allrange_path)
        text = _read(allmodel_path)
        header = _HEADER.match(text)
        if header is None:
            expected = (
                "svm_type epsilon_svr, kernel_type rbf, gamma, nr_class 2, total_sv, rho, (probA,) SV, one per line"
            )
            raise _malformed(allmodel_path, "its header", text[:80].replace("\n", " | "), expected)
        gamma, rho = (_number(header[group], allmodel_path, "its header") for group in (1, 3))
        if gamma <= 0:
            raise _malformed(allmodel_path, "its header", f"gamma {gamma:g}", "a gamma above 0")
        lines = text[header.end() :].splitlines()
        if len(lines) != int(header[2]) or not lines:
            expected = f"{header[2]}, as total_sv says, and at least 1"
            raise _malformed(allmodel_path, "its end", f"{len(lines)} support vectors", expected)
        coefficients, vectors = _read_vectors(lines, text.count("\n", 0, header.end()) + 1, allmodel_path)
        return cls(bounds[:, 0].copy(), bounds[:, 1].copy(), coefficients, vectors, gamma, rho)

    def score(self, features: FloatArray) -> float:
        """Predict the score, ``sum_j c_j exp(-gamma |f - sv_j|^2) - rho`` with ``f`` the scaled features, unclipped.

        Args:
            features: float64 array (36,) from :func:`evalkit.metrics.quality.natural_scenes.brisque_features`.

        Returns:
            Lower is better; nominally 0..100, often outside.

        Raises:
            ValueError: the shape is wrong or a value is not finite.
        """
        distances = np.sum((self.vectors - self._scaled(features)) ** 2, axis=1)
        return float(np.sum(self.coefficients * np.exp(-self.gamma * distances)) - self.rho)

    def reach(self, features: FloatArray) -> float:
        """Return the largest absolute value of the scaled features: above 1 they leave the range of the training.

        Raises:
            ValueError: the shape is wrong or a value is not finite.
        """
        return float(np.abs(self._scaled(features)).max())

    def _scaled(self, features: FloatArray) -> FloatArray:
        values = np.asarray(features, dtype=np.float64)
        if values.shape != (FEATURE_COUNT,) or not np.isfinite(values).all():
            raise ValueError(f"features must be {FEATURE_COUNT} finite numbers. Found shape {values.shape}: {values}.")
        scaled: FloatArray = 2.0 * (values - self.minimum) / (self.maximum - self.minimum) - 1.0
        return scaled
