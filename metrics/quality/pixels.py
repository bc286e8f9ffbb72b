"""Paired pixel metrics on single frames: PSNR, SSIM, and the resize that may come before them.

Definitions: docs/definitions/psnr-ssim.md. SSIM is Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment: from
error visibility to structural similarity", IEEE TIP 13(4), 2004, with the constants and the valid region of the
authors' ``ssim_index.m``. Frames are uint8 RGB in (height, width, 3). Means over frames and clips are the caller's
business.
"""

from __future__ import annotations

import math
from typing import Final, cast

import numpy as np
from numpy.typing import NDArray

UInt8Image = NDArray[np.uint8]
FloatImage = NDArray[np.float64]

SSIM_WINDOW: Final = 11
SSIM_SIGMA: Final = 1.5
SSIM_C1: Final = (0.01 * 255.0) ** 2
SSIM_C2: Final = (0.03 * 255.0) ** 2

# The weights of MATLAB's rgb2gray at full precision. The familiar 0.299, 0.587, 0.114 are these, rounded, and give
# another grey value for some colours.
_GRAY_WEIGHTS: Final = (0.298936021293775, 0.587043074451121, 0.114020904255103)


def _gaussian(size: int, sigma: float) -> FloatImage:
    offsets = np.arange(size, dtype=np.float64) - (size - 1) / 2
    weights = np.exp(-(offsets**2) / (2.0 * sigma**2))
    return cast(FloatImage, weights / weights.sum())


SSIM_TAPS: Final = _gaussian(SSIM_WINDOW, SSIM_SIGMA)


def require_rgb(image: UInt8Image, name: str) -> None:
    """Check that an array is one 8-bit RGB frame.

    Args:
        image: what should be a uint8 array of shape (H, W, 3), H and W at least 1.
        name: the argument's name, for the message.

    Raises:
        ValueError: it is not; the message gives the shape and dtype found.
    """
    if not isinstance(image, np.ndarray):
        raise ValueError(f"{name} must be a numpy array of uint8 (H, W, 3). Found {type(image).__name__}.")  # noqa: TRY004
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ValueError(
            f"{name} must be a uint8 RGB frame of shape (H, W, 3). "
            f"Found {image.dtype} {image.shape}. Convert to 8-bit RGB first."
        )


def _require_pair(candidate: UInt8Image, reference: UInt8Image, smallest: int) -> None:
    require_rgb(candidate, "candidate")
    require_rgb(reference, "reference")
    if candidate.shape != reference.shape:
        raise ValueError(
            f"candidate and reference must have the same size. Found {candidate.shape} and {reference.shape}. "
            "Resize the candidate to the reference with resize_to()."
        )
    if min(candidate.shape[:2]) < smallest:
        raise ValueError(
            f"frames must be at least {smallest} pixels on both sides. Found {candidate.shape[0]}x{candidate.shape[1]}."
        )


def psnr(candidate: UInt8Image, reference: UInt8Image, data_range: float = 255.0) -> float:
    """Peak signal-to-noise ratio of one frame, ``10 log10(data_range^2 / MSE)``, MSE over all R, G and B values.

    The squared error is summed in integers, so the result does not depend on summation order and is the same when the
    arguments are exchanged. For a clip, average the values of the frames; that is not the PSNR of the
    averaged MSE.

    Args:
        candidate: uint8 RGB frame (H, W, 3).
        reference: uint8 RGB frame of the same shape.
        data_range: the peak value, above 0; 255 for 8-bit frames.

    Returns:
        Decibels, higher is better; ``math.inf`` for identical frames, which storage turns into a null and a count.

    Raises:
        ValueError: a shape or dtype is wrong, the sizes differ, or data_range is not a positive number.
    """
    _require_pair(candidate, reference, smallest=1)
    if not (math.isfinite(data_range) and data_range > 0):
        raise ValueError(f"data_range must be a positive number. Found {data_range}.")
    difference = candidate.astype(np.int32) - reference
    squared_error = int(np.sum(difference * difference, dtype=np.int64))
    if squared_error == 0:
        return math.inf
    return 10.0 * math.log10(data_range**2 * difference.size / squared_error)


def matlab_gray(rgb: UInt8Image) -> UInt8Image:
    """Grey values as MATLAB's ``rgb2gray`` gives them for uint8 input.

    ``round(0.298936021293775 R + 0.587043074451121 G + 0.114020904255103 B)``. No 8-bit colour comes within 1e-6 of a
    tie, so the rounding mode does not matter.

    Args:
        rgb: uint8 RGB frame (H, W, 3).

    Returns:
        uint8 array (H, W), 0..255. A grey colour (v, v, v) gives v.

    Raises:
        ValueError: the shape or dtype is wrong.
    """
    import cv2

    require_rgb(rgb, "rgb")
    grey = cv2.transform(rgb.astype(np.float64), np.array([_GRAY_WEIGHTS]))
    return cast(UInt8Image, np.rint(grey, out=grey).astype(np.uint8).reshape(rgb.shape[:2]))


def _ssim_plane(x: UInt8Image, y: UInt8Image) -> float:
    """Mean SSIM of two planes (H, W) over the valid region."""
    import cv2

    # Only windows that lie wholly inside the frame count, so OpenCV's border mode never shows.
    inside = (slice(SSIM_WINDOW // 2, -(SSIM_WINDOW // 2)),) * 2

    def blurred(plane: FloatImage) -> FloatImage:
        return cast(FloatImage, cv2.sepFilter2D(plane, cv2.CV_64F, SSIM_TAPS, SSIM_TAPS))[inside]

    # In place wherever a plane is not needed again: fresh memory costs more than the arithmetic.
    a, b = x.astype(np.float64), y.astype(np.float64)
    mean_a, mean_b, covariance = blurred(a), blurred(b), blurred(a * b)
    a *= a
    b *= b
    a += b
    variances = blurred(a)  # the two occur only as their sum: one blur instead of two
    mean_product = mean_a * mean_b
    mean_a *= mean_a
    mean_b *= mean_b
    mean_a += mean_b
    covariance -= mean_product
    variances -= mean_a
    mean_product *= 2.0
    mean_product += SSIM_C1
    covariance *= 2.0
    covariance += SSIM_C2
    covariance *= mean_product
    mean_a += SSIM_C1
    variances += SSIM_C2
    variances *= mean_a
    covariance /= variances
    return float(np.mean(covariance))


def ssim_gray(candidate: UInt8Image, reference: UInt8Image) -> float:
    """Structural similarity of one frame on MATLAB grey (``ssim.gray``).

    Gaussian window 11x11 with sigma 1.5, population covariance, C1 = (0.01*255)^2, C2 = (0.03*255)^2, mean over the
    valid region ((H-10) x (W-10) windows), float64. Chroma distortions do not show here; see :func:`ssim_rgb`.

    Args:
        candidate: uint8 RGB frame (H, W, 3), H and W at least 11.
        reference: uint8 RGB frame of the same shape.

    Returns:
        -1..1, higher is better; exactly 1.0 for identical frames.

    Raises:
        ValueError: a shape or dtype is wrong, the sizes differ, or a side is below 11 pixels.
    """
    _require_pair(candidate, reference, smallest=SSIM_WINDOW)
    return _ssim_plane(matlab_gray(candidate), matlab_gray(reference))


def ssim_rgb(candidate: UInt8Image, reference: UInt8Image) -> float:
    """Structural similarity of one frame, mean over the R, G and B channels (``ssim.rgb``).

    The same window, constants and valid region as :func:`ssim_gray`, on each channel alone.

    Args:
        candidate: uint8 RGB frame (H, W, 3), H and W at least 11.
        reference: uint8 RGB frame of the same shape.

    Returns:
        -1..1, higher is better; exactly 1.0 for identical frames.

    Raises:
        ValueError: a shape or dtype is wrong, the sizes differ, or a side is below 11 pixels.
    """
    _require_pair(candidate, reference, smallest=SSIM_WINDOW)
    return sum(_ssim_plane(candidate[..., channel], reference[..., channel]) for channel in range(3)) / 3.0


def resize_to(candidate: UInt8Image, height: int, width: int) -> UInt8Image:
    """Bring a frame to the size of its reference (docs/definitions/psnr-ssim.md#sizes).

    The rule: no side grows - OpenCV ``INTER_AREA`` (``cv_area``); at least one side grows - Pillow bicubic on uint8
    (``pil_bicubic_u8``) for both sides, also when the other one shrinks. INTER_AREA silently becomes bilinear as soon
    as one side grows, while Pillow widens its kernel on a shrinking side and so stays free of aliasing. A frame that
    already has the size is returned as it is, not copied.

    Args:
        candidate: uint8 RGB frame (H, W, 3).
        height: rows wanted, at least 1.
        width: columns wanted, at least 1.

    Returns:
        uint8 RGB frame (height, width, 3).

    Raises:
        ValueError: the frame's shape or dtype is wrong, or a target side is below 1.
    """
    import cv2
    from PIL import Image

    require_rgb(candidate, "candidate")
    if height < 1 or width < 1:
        raise ValueError(f"height and width must be at least 1. Found height={height}, width={width}.")
    rows, columns = candidate.shape[:2]
    if (rows, columns) == (height, width):
        return candidate
    if height <= rows and width <= columns:
        return cast(UInt8Image, cv2.resize(candidate, (width, height), interpolation=cv2.INTER_AREA))
    enlarged = Image.fromarray(candidate).resize((width, height), Image.Resampling.BICUBIC)
    return np.array(enlarged, dtype=np.uint8)
