"""Whether something is pasted over the video that does not move with it: a logo, a caption in a box, an image.

A pasted thing is an island: its points keep their grey level over the whole video and have edges, and the scene moves
all around it. Mean and spread of every point are accumulated while the frames are decoded.

Not detected: anything over a still background, anything that touches the border, transparent marks, thin letters
without a box, counters and captions that change, and a pasted face that moves as a face does. An island may be part of
the scene, for example a microphone in front of a moving chest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SIDE = 192  # points of the longer side at which the sums are kept
STEADY = 2.5  # grey levels of spread
MOVING = 9.0
EDGE = 18.0  # grey levels from one point to the next
MIN_FRAMES = 15
MIN_AREA = 0.0015  # of the frame
MIN_EDGES = 12  # points
RING = 3  # points around the island
MOVING_SHARE = 0.7  # of the ring must move


@dataclass(frozen=True)
class Island:
    """A steady area surrounded by motion; shares of the frame's width and height, from the top left."""

    left: float
    top: float
    width: float
    height: float


class OverlaySums:
    """Sums over the frames of one video, for the mean and the spread of every point."""

    def __init__(self) -> None:
        self._sum: NDArray[np.float32] | None = None
        self._squares: NDArray[np.float32] | None = None
        self._count = 0

    def add(self, grey: NDArray[np.uint8]) -> None:
        """Take a frame (H, W) in grey levels, its longer side at most `SIDE` points."""
        import cv2

        if self._sum is None or self._squares is None or self._sum.shape != grey.shape:
            self._sum, self._squares = np.zeros(grey.shape, np.float32), np.zeros(grey.shape, np.float32)
            self._count = 0
        cv2.accumulate(grey, self._sum)
        cv2.accumulateSquare(grey, self._squares)
        self._count += 1

    def islands(self) -> list[Island]:
        """Return the islands from top to bottom; none for fewer than `MIN_FRAMES` frames."""
        if self._sum is None or self._squares is None or self._count < MIN_FRAMES:
            return []
        mean = self._sum / self._count
        spread = np.sqrt(np.maximum(self._squares / self._count - np.square(mean), 0))
        return find_islands(mean, spread)


def small_grey(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return an RGB frame (H, W, 3) in grey levels, its longer side at most `SIDE` points, by the mean over areas."""
    import cv2

    height, width = rgb.shape[:2]
    scale = SIDE / max(height, width)
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        rgb = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.uint8)


def find_islands(mean: NDArray[np.floating], spread: NDArray[np.floating]) -> list[Island]:
    """Return the islands of a video by the mean and the spread of every point, (H, W) both, in grey levels."""
    import cv2

    height, width = mean.shape
    across, down = np.abs(np.diff(mean, axis=1, prepend=mean[:, :1])), np.abs(np.diff(mean, axis=0, prepend=mean[:1]))
    edges = (np.maximum(across, down) > EDGE) & (spread < STEADY)
    steady = (spread < STEADY).astype(np.uint8)
    moving = spread > MOVING
    count, labels, stats, _ = cv2.connectedComponentsWithStats(steady, connectivity=8)
    box = np.ones((2 * RING + 1, 2 * RING + 1), np.uint8)
    near = np.ones((3, 3), np.uint8)
    found = []
    for label in range(1, count):
        left, top, wide, high, area = (int(value) for value in stats[label])
        if area < MIN_AREA * height * width or left == 0 or top == 0 or left + wide == width or top + high == height:
            continue
        island = (labels == label).astype(np.uint8)
        if int(edges[island > 0].sum()) < MIN_EDGES:
            continue
        filled = cv2.morphologyEx(island, cv2.MORPH_CLOSE, box)
        # The points next to the island are a mixture of both, or blurred by the codec.
        ring = (cv2.dilate(filled, box) > 0) & (cv2.dilate(filled, near) == 0)
        if ring.any() and float(moving[ring].mean()) >= MOVING_SHARE:
            found.append(Island(left / width, top / height, wide / width, high / height))
    return sorted(found, key=lambda one: (one.top, one.left))
