"""Boxes of several faces in a wide picture from a detector that was made for one face in a square picture.

The bundled detector sees every frame at 128 x 128 pixels. Of a face that is a fifth of the frame's width it then sees
25 pixels, and its box is off by a tenth to a third of the face, which the bundled SyncNet takes for an unknown kind of
face. So every face is looked for again in its surroundings, where it is as large as in the picture of one person.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.faces.tracks import box_iou
from evalkit.metrics.sync.networks import BoxDetector

AROUND = 2.5  # side of the surroundings, in longer sides of the box
SAME = 0.4  # overlap from which two boxes are one face
BATCH = 8


class SecondLook:
    """Stands for a detector, and looks at each of its faces twice.

    Args:
        detector: the detector.
    """

    def __init__(self, detector: BoxDetector) -> None:
        self._detector = detector

    def small(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the frame: both looks need it."""
        return rgb.copy()

    def batch_size(self, small: NDArray[np.uint8]) -> int:
        """Return how many frames run at once."""
        return BATCH

    def detect(
        self, smalls: Sequence[NDArray[np.uint8]], frame_sizes: Sequence[tuple[int, int]]
    ) -> list[NDArray[np.float64]]:
        """Return the boxes (n, 5) of each frame: x1, y1, x2, y2 in pixels, score; best first."""
        first = self._detector.detect([self._detector.small(rgb) for rgb in smalls], frame_sizes)
        places = [(frame, _around(box, size)) for frame, size in enumerate(frame_sizes) for box in first[frame]]
        parts = [smalls[frame][y1:y2, x1:x2] for frame, (x1, y1, x2, y2) in places]
        found = self._detector.detect(
            [self._detector.small(np.ascontiguousarray(part)) for part in parts],
            [(part.shape[1], part.shape[0]) for part in parts],
        )
        boxes: list[list[NDArray[np.float64]]] = [[] for _ in smalls]
        coarse = [box for one in first for box in one]
        for (frame, corner), before, near in zip(places, coarse, found, strict=True):
            near[:, :4] += np.tile(corner[:2], 2)
            overlap = box_iou(near[:, :4], before[None, :4])[:, 0]
            box = np.append(near[overlap.argmax(), :4], before[4]) if len(near) and overlap.max() > 0 else before
            if not boxes[frame] or box_iou(box[None, :4], np.stack(boxes[frame])[:, :4]).max() < SAME:
                boxes[frame].append(box)
        return [np.array(one, dtype=np.float64).reshape(-1, 5) for one in boxes]


def _around(box: NDArray[np.float64], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return the square around a box, cut at the frame's edges: x1, y1, x2, y2."""
    half = AROUND / 2 * max(box[2] - box[0], box[3] - box[1])
    centre = (box[:2] + box[2:4]) / 2
    limits = np.array(size)
    low = np.clip(np.floor(centre - half), 0, limits - 2).astype(int)
    high = np.maximum(np.clip(np.ceil(centre + half), 0, limits).astype(int), low + 2)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])
