"""Hard cuts between scenes as PySceneDetect's ContentDetector finds them by default, in two versions.

See docs/definitions/lip-sync.md#scenes.

The score of a frame is the mean over hue, saturation and value of the mean absolute difference to the frame before; 27
or more is a cut (30 in 0.5.x). What else differs:

- 0.6.1, which LatentSync asks for: frames are made smaller by a whole number to a width of 256 to 511 pixels, and a cut
  fewer than 15 frames after the last one is none.
- 0.6.7, the last one that syncnet-python 0.2.3 accepts: frames are scaled to 256 pixels on the longer side, and
  cuts that follow each other within 15 frames are merged into one at the end of the flicker. syncnet-python sets no
  scale itself; it is the library's default.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.features.base import FeatureOptions

Size = tuple[int, int]


@dataclass(frozen=True)
class SceneOptions(FeatureOptions):
    """How a video is cut into scenes.

    Args:
        rule: the release of PySceneDetect whose sizes and rule for close cuts are used.
        threshold: score from which a frame is a cut.
        shortest: frames that cuts are apart.
        width: pixels; see `size_by_width` and `size_by_longer_side`.
    """

    rule: Literal["PySceneDetect 0.6.1, content", "PySceneDetect 0.6.7, content"] = "PySceneDetect 0.6.1, content"
    threshold: float = 27.0
    shortest: int = 15
    width: int = 256

    @property
    def merges(self) -> bool:
        """Whether cuts that follow each other closely are merged, as from 0.6.7 on."""
        return self.rule == "PySceneDetect 0.6.7, content"

    def size(self, width: int, height: int) -> Size:
        """Return the size at which frames of a size are compared."""
        return (size_by_longer_side if self.merges else size_by_width)(width, height, self.width)

    def cuts(self, scores: Sequence[float]) -> list[int]:
        """Return the frames that begin a new scene, from the score of every frame."""
        return (find_merged_cuts if self.merges else find_cuts)(scores, self.threshold, self.shortest)


def size_by_width(width: int, height: int, smallest: int = 256) -> Size:
    """Return the size of PySceneDetect 0.6.1: divided by a whole number, the width at least ``smallest``."""
    factor = max(1, width // smallest)
    return round(width / factor), max(1, round(height / factor))


def size_by_longer_side(width: int, height: int, largest: int = 256) -> Size:
    """Return the size of PySceneDetect 0.6.7: ``largest`` pixels on the longer side, if that is smaller."""
    factor = max(1.0, max(width, height) / largest)
    return max(1, round(width / factor)), max(1, round(height / factor))


class ContentScore:
    """Measures how much each frame differs from the one before.

    Args:
        options: give the size at which frames are compared.
    """

    def __init__(self, options: SceneOptions | None = None) -> None:
        self._options = options or SceneOptions()
        self._before: NDArray[np.uint8] | None = None

    def __call__(self, rgb: NDArray[np.uint8]) -> float:
        """Return the score, 0..255, of the next frame (H, W, 3) uint8 RGB: 0 for the first, inf after another size."""
        import cv2

        size = self._options.size(rgb.shape[1], rgb.shape[0])
        if size != (rgb.shape[1], rgb.shape[0]):
            rgb = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_LINEAR), dtype=np.uint8)
        hsv = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2HSV), dtype=np.uint8)
        before, self._before = self._before, hsv
        if before is None:
            return 0.0
        if before.shape != hsv.shape:
            return float("inf")
        return float(cv2.norm(hsv, before, cv2.NORM_L1)) / hsv.size


def find_cuts(scores: Sequence[float], threshold: float = 27.0, shortest: int = 15) -> list[int]:
    """Return the frames that begin a new scene, from the score of every frame, as 0.6.1 does."""
    cuts: list[int] = []
    last = 0
    for frame, score in enumerate(scores):
        if score >= threshold and frame - last >= shortest:
            cuts.append(frame)
            last = frame
    return cuts


def find_merged_cuts(scores: Sequence[float], threshold: float = 27.0, shortest: int = 15) -> list[int]:
    """Return the frames that begin a new scene as 0.6.7 does.

    A score of ``threshold`` or more is a cut when none of the ``shortest`` frames before had one. After the first cut,
    one that comes earlier opens a flicker: it ends, with one cut at its last strong frame, when as many frames are
    quiet and it lasted for as many itself. A shorter flicker stays open and swallows the cuts that follow, until it is
    that long.
    """
    cuts: list[int] = []
    last = 0  # the last strong frame; the first frame counts as one
    flicker: int | None = None
    for frame, score in enumerate(scores):
        strong = score >= threshold
        quiet = frame - last >= shortest
        last = frame if strong else last
        if flicker is not None:
            if quiet and not strong and last - flicker >= shortest:
                cuts.append(last)
                flicker = None
        elif strong and quiet:
            cuts.append(frame)
        elif strong and cuts:
            flicker = frame
    return cuts


def scenes(cuts: Sequence[int], frames: int) -> list[tuple[int, int]]:
    """Return first frame and the one after the last of every scene of a video of ``frames`` frames."""
    borders = [0, *cuts, frames]
    return list(itertools.pairwise(borders))
