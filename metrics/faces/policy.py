"""How faces are detected: a declared list of attempts instead of one call.

See docs/definitions/face-detection.md#attempts.

SCRFD finds no face in frames that a face fills: 9 of 40 real clips of DH-FaceVid-1K. A grey margin around the image
brings all of them back.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.features.face import Detector, Face, check_image

Attempt = Literal["as_is", "margin", "second", "second_margin"]
GREY = 128


@dataclass(frozen=True)
class Detection:
    """What the policy found in one image.

    Attributes:
        faces: in the pixels of the image itself, also where a margin was used; best score first.
        attempt: the attempt that found them; ``None`` when all failed and ``faces`` is empty.
        margin: columns and rows of grey on each side in the successful attempt, ``(0, 0)`` without one. ConsisID
            takes its ArcFace crop from the padded image: ``add_margin`` with the same fraction gives
            it, and ``face.shifted(*margin)`` the face in it.
    """

    faces: tuple[Face, ...]
    attempt: Attempt | None
    margin: tuple[int, int] = (0, 0)


class FacePolicy:
    """Try detectors and margins in a fixed order; stop at the first attempt that finds a face.

    The order is ``as_is`` (first detector), ``margin`` (first detector, image with a grey margin), ``second`` and
    ``second_margin`` (the same two with the second detector). Without a second detector it is the rule of ConsisID:
    as is, then with a margin.

    Args:
        primary: the first detector.
        secondary: the second detector, or ``None``.
        margin: margin on each side, as a fraction of height and width, 0 < margin.

    Raises:
        ValueError: the margin is not positive.
    """

    def __init__(self, primary: Detector, secondary: Detector | None = None, margin: float = 0.25) -> None:
        if not margin > 0:
            raise ValueError(f"margin must be positive, not {margin}")
        self.margin = float(margin)
        self._attempts: list[tuple[Attempt, Detector, bool]] = [
            ("as_is", primary, False),
            ("margin", primary, True),
        ]
        if secondary is not None:
            self._attempts += [("second", secondary, False), ("second_margin", secondary, True)]

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """Names of the attempts, in order."""
        return tuple(name for name, _, _ in self._attempts)

    def detect(self, rgb: NDArray[np.uint8]) -> Detection:
        """Find the faces of one image (uint8, H x W x 3).

        Raises:
            ValueError: not an image.
        """
        rgb = check_image(rgb)
        padded, offset = None, (0, 0)
        for name, detector, with_margin in self._attempts:
            if not with_margin:
                faces = detector.detect(rgb)
            else:
                if padded is None:
                    padded, offset = add_margin(rgb, self.margin)
                faces = [face.shifted(-offset[0], -offset[1]) for face in detector.detect(padded)]
            if faces:
                return Detection(tuple(faces), name, offset if with_margin else (0, 0))
        return Detection((), None)


def add_margin(rgb: NDArray[np.uint8], margin: float) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """Surround an image with grey (128).

    Args:
        rgb: uint8, H x W x 3.
        margin: fraction of the width added left and right, and of the height above and below; truncated to pixels.

    Returns:
        The larger image, and the columns and rows added on each side.
    """
    import cv2

    rows, columns = int(rgb.shape[0] * margin), int(rgb.shape[1] * margin)
    padded = cv2.copyMakeBorder(rgb, rows, rows, columns, columns, cv2.BORDER_CONSTANT, value=(GREY, GREY, GREY))
    return padded.astype(np.uint8, copy=False), (columns, rows)


def largest(faces: Iterator[Face] | tuple[Face, ...] | list[Face]) -> Face | None:
    """The face with the largest box; equal areas are decided by score, then by coordinates. ``None`` without faces."""
    return min(faces, key=Face.sort_key, default=None)
