"""From S3FD's raw outputs to boxes: anchors, decoding, suppression. Numpy only.

Zhang et al., "S3FD: Single Shot Scale-invariant Face Detector", ICCV 2017; as run by joonson/syncnet_python.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.features.base import FeatureOptions


@dataclass(frozen=True)
class DetectorOptions(FeatureOptions):
    """How S3FD detects faces.

    Args:
        scale: by which the frame is reduced for the network.
        confidence: a face's score is above this.
        nms: overlaps above which the weaker box is removed: as shares of the image, then in its pixels.
        considered: best scores that enter the first removal.
        most: boxes that leave it.
    """

    scale: float = 0.25
    confidence: float = 0.9
    nms: tuple[float, float] = (0.3, 0.1)
    considered: int = 5000
    most: int = 750


DETECTION = DetectorOptions()
STEPS = (4, 8, 16, 32, 64, 128)
SIDES = (16, 32, 64, 128, 256, 512)
VARIANCES = (0.1, 0.2)


@lru_cache(maxsize=16)
def anchors(width: int, height: int, maps: tuple[tuple[int, int], ...]) -> NDArray[np.float32]:
    """Return the anchors of an image: (P, 4) float32 centre x, centre y, width, height as shares of the image.

    Args:
        width, height: of the network's input in pixels.
        maps: rows and columns of the six feature maps.
    """
    parts = []
    for (rows, columns), step, side in zip(maps, STEPS, SIDES, strict=True):
        y, x = np.mgrid[:rows, :columns].astype(np.float64)
        part = np.empty((rows, columns, 4))
        part[..., 0], part[..., 1] = (x + 0.5) / (width / step), (y + 0.5) / (height / step)
        part[..., 2], part[..., 3] = side / width, side / height
        parts.append(part.reshape(-1, 4))
    result = np.concatenate(parts).astype(np.float32)
    result.flags.writeable = False
    return result


def decode(offsets: NDArray[np.float32], priors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return boxes (P, 4) x1, y1, x2, y2 as shares of the image from the network's offsets (P, 4) to the anchors."""
    centre_share, size_share = np.float32(VARIANCES[0]), np.float32(VARIANCES[1])
    centre = priors[:, :2] + offsets[:, :2] * centre_share * priors[:, 2:]
    size = priors[:, 2:] * np.exp(offsets[:, 2:] * size_share)
    low = centre - size / 2
    return np.concatenate([low, low + size], axis=1)


def suppress(boxes: NDArray[Any], scores: NDArray[Any], overlap: float) -> list[int]:
    """Return the rows that remain, best score first, when each box removes those that overlap it by more.

    Args:
        boxes: (n, 4) x1, y1, x2, y2; computed in their own type.
        scores: (n,); of equal ones the last row comes first.
        overlap: largest intersection over union that both boxes survive. A quotient that is not a number removes.
    """
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    order = np.argsort(scores, kind="stable")[::-1]
    kept: list[int] = []
    while len(order):
        best, order = int(order[0]), order[1:]
        kept.append(best)
        low = np.maximum(boxes[best, :2], boxes[order, :2])
        high = np.minimum(boxes[best, 2:], boxes[order, 2:])
        shared = np.prod(np.maximum(high - low, 0), axis=1, dtype=boxes.dtype)
        with np.errstate(divide="ignore", invalid="ignore"):
            union = area[order] - shared + area[best]
            order = order[shared / union <= overlap]
    return kept


def faces(
    offsets: NDArray[np.float32],
    scores: NDArray[np.float32],
    maps: Sequence[tuple[int, int]],
    input_size: tuple[int, int],
    frame_size: tuple[int, int],
    *,
    options: DetectorOptions = DETECTION,
) -> NDArray[np.float64]:
    """Return the faces of one frame: (n, 5) float64 x1, y1, x2, y2 in its pixels and the score, best first.

    The reference suppresses everything above a score of 0.05 and drops what is not above ``confidence`` afterwards. A
    weaker box never removes a stronger one, so dropping first gives the same faces.

    Args:
        offsets, scores: (P, 4) and (P,) of the network.
        maps: rows and columns of its feature maps.
        input_size, frame_size: width and height of its input and of the frame.
    """
    width, height = input_size
    strong = np.flatnonzero(scores > np.float32(options.confidence))
    strong = strong[np.argsort(scores[strong], kind="stable")[-options.considered :]]
    boxes = decode(offsets[strong], anchors(width, height, tuple(maps))[strong])
    kept = suppress(boxes, scores[strong], options.nms[0])[: options.most]
    pixels = boxes[kept] * np.array([*frame_size, *frame_size], dtype=np.float32)
    found = np.column_stack([pixels, scores[strong][kept]]).astype(np.float64)
    return found[suppress(found[:, :4], found[:, 4], options.nms[1])]
