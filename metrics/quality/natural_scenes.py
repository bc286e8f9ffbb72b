"""Statistics of natural scenes: those of BRISQUE, and what NIQE shares with them.

Mittal, Moorthy and Bovik, "No-reference image quality assessment in the spatial domain", IEEE TIP 21(12), 2012, as the
authors' release (utlive/BRISQUE) computes it: ``brisque_feature.m`` for the features, libsvm with the released
``allmodel`` and ``allrange`` for the score. MATLAB's built-in ``brisque`` and OpenCV's are other metrics: other models.
Definition: docs/definitions/brisque.md.

Two departures from the release, both on purpose:

- The release hands the features to libsvm as text, with 6 decimals (``%f``), and svm-scale writes 6 significant digits
  (``%g``). Here everything stays float64, which moves the score by about 1e-3 at most.
- An image without structure has no score here (:class:`FlatImageError`); the release prints what 0/0 or noise gives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import gamma as gamma_function

from evalkit.metrics.quality.brisque_model import FloatArray

GrayImage = NDArray[np.uint8] | FloatArray

SMALLEST_SIDE: Final = 14  # the half-size image must still hold the 7x7 window
FLAT_TOLERANCE: Final = 1e-9

_SHIFTS: Final = ((0, 1), (1, 0), (1, 1), (-1, 1))
_CHUNK: Final = 4096  # values at a time in the correlation: three such arrays stay in a core's nearest caches

# The kernel cubic(a=-0.5), stretched by two, at +-0.5, 1.5, 2.5 and 3.5 source pixels. The weights are dyadic, so half
# an image of 8-bit values is exact in float64, in any order of summation.
_HALF_TAPS: Final = (-3 / 256, -9 / 256, 29 / 256, 111 / 256, 111 / 256, 29 / 256, -9 / 256, -3 / 256)

_OFFSETS: Final = np.arange(-3.0, 4.0)
_GAUSSIAN: Final[FloatArray] = np.exp(-(_OFFSETS[:, np.newaxis] ** 2 + _OFFSETS**2) / (2.0 * (7 / 6) ** 2))
_WINDOW: Final[FloatArray] = _GAUSSIAN / _GAUSSIAN.sum()

# The grid of shape parameters on which both fits look up the nearest moment ratio, and what they need at each point.
_SHAPE: Final[FloatArray] = np.arange(200, 10_001) / 1000.0
_G1, _G2, _G3 = (np.asarray(gamma_function(numerator / _SHAPE), dtype=np.float64) for numerator in (1.0, 2.0, 3.0))
_GGD_RATIO: Final[FloatArray] = _G1 * _G3 / _G2**2
_AGGD_RATIO: Final[FloatArray] = _G2**2 / (_G1 * _G3)
_AGGD_SCALE: Final[FloatArray] = np.sqrt(_G1) / np.sqrt(_G3)
_AGGD_MEAN: Final[FloatArray] = _G2 / _G1


class FlatImageError(ValueError):
    """The image has no structure to fit: all pixels are equal, or a fit is 0/0. Its score is missing, not 0."""


def require_gray(image: GrayImage, name: str, smallest: int) -> FloatArray:
    """Return a grey image (H, W), uint8 or float64, as float64.

    Raises:
        ValueError: the shape or dtype is wrong, a side is below ``smallest`` pixels, or a value is not finite.
    """
    if not isinstance(image, np.ndarray) or image.dtype not in (np.uint8, np.float64) or image.ndim != 2:
        found = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise ValueError(f"{name} must be a uint8 or float64 grey image of shape (H, W). Found {found}.")
    if min(image.shape) < smallest:
        raise ValueError(f"{name} must be at least {smallest} pixels on both sides. Found {image.shape}.")
    if not np.isfinite(image).all():
        raise ValueError(f"{name} must be finite. Found NaN or infinity.")
    return image.astype(np.float64, copy=False)


def correlate_window(image: FloatArray, border: Literal["zero", "edge"]) -> FloatArray:
    """Correlate with the 7x7 window, same size; 49 taps in raster order, float64.

    Outside the image are zeros, or its outermost pixels repeated (``edge``).

    Where the image is flat, ``image - mu`` is only the rounding of this sum, and its sign enters the AGGD fit. So the
    order is fixed here, where no fused multiply-add and no library's choice of algorithm can change it.
    """
    rows, columns = image.shape
    stride = columns + 6
    # The padded image as one line: a tap is then an offset, and each step runs over contiguous memory. The 6 columns of
    # padding are computed along and cut off; the spare row at the end keeps their reads inside the array.
    padded = np.pad(image, ((3, 4), (3, 3)), mode="constant" if border == "zero" else "edge").ravel()
    length = rows * stride
    result, product = np.zeros(length), np.empty(_CHUNK)
    taps = [(i * stride + j, _WINDOW[i, j]) for i in range(7) for j in range(7)]
    for start in range(0, length, _CHUNK):
        stop = min(start + _CHUNK, length)
        target, scratch = result[start:stop], product[: stop - start]
        for offset, weight in taps:
            np.multiply(padded[start + offset : stop + offset], weight, out=scratch)
            np.add(target, scratch, out=target)
    return np.ascontiguousarray(result.reshape(rows, stride)[:, :columns])


def matlab_half(image: GrayImage) -> FloatArray:
    """Halve an image as MATLAB's ``imresize(image, 0.5)`` does on doubles.

    Bicubic with a = -0.5, kernel stretched for antialiasing, symmetric border (the edge pixel is repeated).

    Args:
        image: float64 or uint8 grey image (H, W), at least 1 pixel on both sides.

    Returns:
        float64 image (ceil(H/2), ceil(W/2)), neither rounded nor clipped: overshoot may leave the input's range.

    Raises:
        ValueError: the shape or dtype is wrong, or a value is not finite.
    """
    halved = require_gray(image, "image", smallest=1)
    for _ in range(2):  # halve the rows and transpose; then the columns, likewise
        count = (halved.shape[0] + 1) // 2
        padded = np.pad(halved, ((3, 4), (0, 0)), mode="symmetric")
        total = np.zeros((count, halved.shape[1]))
        for start, weight in enumerate(_HALF_TAPS):
            total += weight * padded[start : start + 2 * count : 2]
        halved = np.ascontiguousarray(total.T)
    return halved


def _ggd_features(mscn: FloatArray) -> list[float]:
    """Shape and variance of the generalised Gaussian fitted to the normalised values by moments."""
    mean_square = float(np.mean(mscn * mscn))
    squared_mean = float(np.mean(np.abs(mscn))) ** 2
    if squared_mean == 0.0:
        raise FlatImageError("the image is flat: its normalised values are all 0.")
    nearest = np.argmin(np.abs(mean_square / squared_mean - _GGD_RATIO))
    return [float(_SHAPE[nearest]), mean_square]


@dataclass(frozen=True, eq=False)
class AsymmetricFit:
    """Asymmetric generalised Gaussians fitted by moments, one to each row of values.

    Attributes: all float64 (N,). ``shape``, on the grid 0.2, 0.201, ... 10; ``left`` and ``right``, root mean squares
    of the negative and of the positive values, NaN without any, and then ``shape`` is the grid's first; ``scale``, what
    turns them into the distribution's scales; ``mean_factor``, what turns the difference of the scales into its mean.
    """

    shape: FloatArray
    left: FloatArray
    right: FloatArray
    scale: FloatArray
    mean_factor: FloatArray

    @classmethod
    def of(cls, values: FloatArray) -> Self:
        """Fit to each row of (N, n) finite numbers, n at least 1."""
        # Clipping instead of selecting: the zeros add nothing to the sums, and the counts exclude them.
        negative, positive = np.minimum(values, 0.0), np.maximum(values, 0.0)
        left_square, right_square = np.sum(negative * negative, axis=1), np.sum(positive * positive, axis=1)
        count = values.shape[1]
        mean_absolute = (np.sum(positive, axis=1) - np.sum(negative, axis=1)) / count
        with np.errstate(divide="ignore", invalid="ignore"):
            left = np.sqrt(left_square / np.count_nonzero(values < 0, axis=1))
            right = np.sqrt(right_square / np.count_nonzero(values > 0, axis=1))
            skew = left / right
            ratio = mean_absolute**2 / ((left_square + right_square) / count)
            corrected = ratio * (skew**3 + 1.0) * (skew + 1.0) / (skew**2 + 1.0) ** 2
        nearest = [int(np.argmin((_AGGD_RATIO - one) ** 2)) for one in corrected]
        return cls(_SHAPE[nearest], left, right, _AGGD_SCALE[nearest], _AGGD_MEAN[nearest])


def _aggd_features(pair: FloatArray) -> list[float]:
    """Shape, mean, left and right variance of the asymmetric generalised Gaussian fitted to products of neighbours."""
    fit = AsymmetricFit.of(pair.reshape(1, -1))
    left, right = float(fit.left[0]), float(fit.right[0])
    if not (left > 0.0 and right > 0.0):
        raise FlatImageError("the image has too little structure: all products of neighbours have the same sign.")
    mean = (right - left) * float(fit.mean_factor[0] * fit.scale[0])
    return [float(fit.shape[0]), mean, left**2, right**2]


def brisque_features(gray: GrayImage) -> FloatArray:
    """The 36 natural-scene statistics of a grey image, 18 at full and 18 at half size, in the release's order.

    Per size: shape and variance of the normalised values; then shape, mean, left and right variance of their products
    with themselves shifted circularly by (0,1), (1,0), (1,1), (-1,1).

    Args:
        gray: grey image (H, W), uint8 or float64 on the scale 0..255, at least 14 pixels on both sides.

    Returns:
        float64 array (36,), finite, without unit; shapes lie on the grid 0.2, 0.201, ... 10.

    Raises:
        FlatImageError: all pixels are equal at full or at half size, or a fit has no solution. Report it as unscored.
        ValueError: the shape or dtype is wrong, the image is too small, or a value is not within 0..255.
    """
    image = require_gray(gray, "gray", smallest=SMALLEST_SIDE)
    if image.min() < 0 or image.max() > 255:
        raise ValueError(f"gray must lie within 0..255. Found {image.min():g}..{image.max():g}.")
    features: list[float] = []
    for name, size in (("full", image), ("half", matlab_half(image))):
        # The zero border gives even a constant image some contrast, and rounding noise would then pass for structure.
        if size.min() == size.max():
            raise FlatImageError(f"the image is flat: at {name} size every pixel is {size.flat[0]:g}.")
        mean = correlate_window(size, "zero")
        deviation = np.sqrt(np.abs(correlate_window(size * size, "zero") - mean * mean))
        mscn = (size - mean) / (deviation + 1.0)
        features += _ggd_features(mscn)
        for shift in _SHIFTS:
            features += _aggd_features(mscn * np.roll(mscn, shift, axis=(0, 1)))
    return np.array(features, dtype=np.float64)


def flat_fraction(gray: GrayImage) -> float:
    """Share of pixels equal to the Gaussian mean of their 7x7 surroundings, ``|Y - mu| < 1e-9``, at full size.

    There the normalised values are rounding noise whose sign enters the features, so with more than 0.05 of them a
    score is not comparable across implementations (docs/definitions/brisque.md#flat-areas).

    Args:
        gray: grey image (H, W), uint8 or float64 on the scale 0..255, at least 14 pixels on both sides.

    Returns:
        0..1. Below 1 even for a constant image, unless it is black: the zero padding shows in the outer 3 pixels.

    Raises:
        ValueError: the shape or dtype is wrong, the image is too small, or a value is not finite.
    """
    image = require_gray(gray, "gray", smallest=SMALLEST_SIDE)
    return float(np.mean(np.abs(image - correlate_window(image, "zero")) < FLAT_TOLERANCE))
