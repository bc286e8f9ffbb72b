"""One detected face, and the interface of a face detector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Face:
    """One detected face, in the pixel coordinates of the image it was found in.

    Coordinates may lie outside the image: detectors extrapolate faces that the border cuts.

    Attributes:
        box: float32 ``(4,)``, ``x1, y1, x2, y2`` in pixels, ``x2 > x1`` and ``y2 > y1`` for a valid detection.
        score: the detector's confidence in 0..1. Scores of two detectors are not comparable.
        keypoints: float32 ``(5, 2)``, ``x, y`` in pixels, in the order of the ArcFace template: the eye at the left of
            the image, the eye at the right, nose, mouth corner at the left, mouth corner at the right. "Left" is as
            seen in the image of an upright face, hence the subject's right.

    Raises:
        ValueError: box or keypoints have another shape.
    """

    box: NDArray[np.float32]
    score: float
    keypoints: NDArray[np.float32]

    def __post_init__(self) -> None:
        if self.box.shape != (4,) or self.keypoints.shape != (5, 2):
            raise ValueError(
                f"a face has a box (4,) and keypoints (5, 2), not {self.box.shape}, {self.keypoints.shape}"
            )

    @property
    def area(self) -> float:
        """Area of the box in square pixels; 0.0 for an inverted box."""
        x1, y1, x2, y2 = (float(value) for value in self.box)
        return max(0.0, x2 - x1) * max(0.0, y2 - y1)

    def shifted(self, dx: float, dy: float) -> Face:
        """The same face with box and keypoints moved by ``dx, dy`` pixels."""
        offset = np.array([dx, dy], dtype=np.float32)
        return Face(self.box + np.tile(offset, 2), self.score, self.keypoints + offset)

    def sort_key(self) -> tuple[float, ...]:
        """A total order (larger area, higher score, then coordinates) that breaks ties the same way everywhere."""
        return (-self.area, -self.score, *self.box.tolist(), *self.keypoints.ravel().tolist())


class Detector(Protocol):
    """Finds the faces of one image."""

    def detect(self, rgb: NDArray[np.uint8]) -> list[Face]:
        """Return the faces of ``rgb`` (uint8, H x W x 3), best score first; an empty list when there is none."""
        ...


def check_image(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return ``rgb`` as a C-contiguous array.

    Raises:
        ValueError: it is not uint8 of shape (H, W, 3) with at least one pixel.
    """
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.size == 0:
        raise ValueError(f"an image is uint8 of shape (H, W, 3), not {rgb.dtype} of shape {rgb.shape}")
    return np.ascontiguousarray(rgb)
