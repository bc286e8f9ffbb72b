"""Landmarks as face_alignment finds them: S3FD's best face, its crop, 2D-FAN's heatmaps, points in whole pixels.

Bulat and Tzimiropoulos, ICCV 2017, as run by the package face_alignment 1.5.0 with ``flip_input=False``. Its rounding
is kept: corners of the crop and points are cut to whole pixels, the former in float32.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from evalkit.metrics.features.base import Picture, WeightFile
from evalkit.metrics.features.networks import opened_once
from evalkit.metrics.landmarks.fan_options import FanOptions
from evalkit.metrics.networks.checkpoints import precision_of
from evalkit.metrics.networks.fan import HEATMAP, POINTS, SIDE, Fan
from evalkit.metrics.networks.sfd import STRIDES, Level, Sfd

VARIANCES = (0.1, 0.2)  # of S3FD's offsets: of the centre, of the size
_UNIT = 200.0  # pixels of a face of scale 1
_SMALLEST, _LARGEST = 2.0, 8  # side of a crop: at least so many pixels, at most so often the image's longer side


@opened_once
def open_fan(file: WeightFile, device: str) -> Fan:
    """Return 2D-FAN with the file's weights, in the precision that its options ask for."""
    return Fan(file.path, file.pin, device, precision_of(file.options))


@opened_once
def open_sfd(file: WeightFile, device: str) -> Sfd:
    """Return S3FD with the file's weights, in the precision that its options ask for."""
    return Sfd(file.path, device, precision_of(file.options))


def faces(levels: Sequence[Level], options: FanOptions) -> NDArray[np.float64]:
    """Return the faces (n, 5) float64 x1, y1, x2, y2 in pixels and the score, best first.

    face_alignment removes overlapping boxes above a score of 0.05 and drops what is not above the threshold
    afterwards. A weaker box never removes a stronger one, so dropping first gives the same faces.

    Args:
        levels: probabilities (h, w) and offsets (4, h, w) of the six maps.
    """
    boxes = [np.empty((0, 5))]
    for (scores, offsets), stride in zip(levels, STRIDES, strict=False):
        rows, columns = np.nonzero(scores > options.threshold)
        away = offsets[:, rows, columns].T
        side = 4.0 * stride
        place = np.column_stack([stride / 2 + columns * stride, stride / 2 + rows * stride])
        centre = place + away[:, :2] * np.float32(VARIANCES[0]) * side
        size = side * np.exp(away[:, 2:] * np.float32(VARIANCES[1]))
        low = centre - size / 2
        boxes.append(np.column_stack([low, size + low, scores[rows, columns]]))
    found = np.concatenate(boxes)
    return found[_suppress(found, options.nms)]


def _suppress(found: NDArray[np.float64], overlap: float) -> list[int]:
    """Return the rows that remain, best score first; a box is a pixel longer than the difference of its corners."""
    area = (found[:, 2] - found[:, 0] + 1) * (found[:, 3] - found[:, 1] + 1)
    order = np.argsort(found[:, 4], kind="stable")[::-1]
    kept: list[int] = []
    while len(order):
        best, order = int(order[0]), order[1:]
        kept.append(best)
        low = np.maximum(found[best, :2], found[order, :2])
        high = np.minimum(found[best, 2:4], found[order, 2:4])
        shared = np.prod(np.maximum(0.0, high - low + 1), axis=1)
        order = order[shared / (area[best] + area[order] - shared) <= overlap]
    return kept


def centre_and_scale(box: NDArray[np.float64], options: FanOptions) -> tuple[NDArray[np.float64], float]:
    """Return centre (2,) x, y in pixels and scale of the crop around a box x1, y1, x2, y2."""
    x1, y1, x2, y2 = (float(value) for value in box[:4])
    centre = np.array([x2 - (x2 - x1) / 2, y2 - (y2 - y1) / 2 - (y2 - y1) * options.upward])
    return centre, (x2 - x1 + y2 - y1) / options.reference_scale


def corners(centre: NDArray[np.float64], scale: float) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of the crop, in whole pixels; the last two are not part of it.

    In float32, as the pixels (1, 1) and (256, 256) of the crop are taken back to the image there.
    """
    height = _UNIT * scale
    matrix = torch.eye(3)
    matrix[0, 0] = matrix[1, 1] = SIDE / height
    matrix[0, 2] = SIDE * (-float(centre[0]) / height + 0.5)
    matrix[1, 2] = SIDE * (-float(centre[1]) / height + 0.5)
    back = torch.inverse(matrix)
    first, last = (torch.matmul(back, torch.tensor([at, at, 1.0]))[:2].int().tolist() for at in (1.0, float(SIDE)))
    return first[0], first[1], last[0], last[1]


def crop(rgb: Picture, centre: NDArray[np.float64], scale: float) -> Picture:
    """Return the crop (256, 256, 3) uint8; black where it is outside the image.

    Raises:
        ValueError: the crop is below two pixels, or more than eight times as large as the image.
    """
    height, width = rgb.shape[:2]
    if not (_SMALLEST <= _UNIT * scale <= _LARGEST * max(height, width) and np.isfinite(centre).all()):
        raise ValueError(f"no crop: scale {scale} around {centre} of {width} x {height}")
    left, top, right, bottom = corners(centre, scale)
    whole = np.zeros((bottom - top, right - left, 3), np.uint8)
    x1, y1, x2, y2 = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
    if x1 < x2 and y1 < y2:
        whole[y1 - top : y2 - top, x1 - left : x2 - left] = rgb[y1:y2, x1:x2]
    return np.asarray(cv2.resize(whole, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


def points(heatmaps: NDArray[np.float32], centre: NDArray[np.float64], scale: float) -> NDArray[np.float32]:
    """Return the points (68, 2) float32 x, y in whole pixels of the image.

    1. The first largest number of each heatmap, columns and rows counted from 1.
    2. A quarter of a cell towards the larger neighbour in each direction, except at the border, and half a cell back.
    3. Back to the image by the crop's inverse, cut to whole pixels.
    """
    best = heatmaps.reshape(len(heatmaps), -1).argmax(axis=1)
    cells = np.column_stack([best % HEATMAP, best // HEATMAP])
    places = cells.astype(np.float32) + np.float32(0.5)
    for number, (x, y) in enumerate(cells):
        if 0 < x < HEATMAP - 1 and 0 < y < HEATMAP - 1:
            one = heatmaps[number]
            steps = np.array([one[y, x + 1] - one[y, x - 1], one[y + 1, x] - one[y - 1, x]])
            places[number] += np.sign(steps) * np.float32(0.25)
    height = _UNIT * scale
    matrix = np.eye(3)
    matrix[0, 0] = matrix[1, 1] = HEATMAP / height
    matrix[:2, 2] = HEATMAP * (-centre / height + 0.5)
    back = np.linalg.pinv(matrix)
    # One product per point: a product of matrices may round otherwise, and the cut to whole pixels would show it.
    found = [np.dot(back, np.array([x, y, 1.0]))[:2].astype(np.int32) for x, y in places]
    return np.array(found, dtype=np.float32)


class FanLandmarks:
    """S3FD and 2D-FAN, as face_alignment chains them.

    Args:
        detector: the file of S3FD.
        network: the file of 2D-FAN.
        options: thresholds and the rule of the crop.
        device: ``cpu`` or ``cuda``.
        last: take the face with the lowest score, in place of the best.

    Raises:
        WeightsError: a file holds another network.
    """

    def __init__(
        self,
        detector: WeightFile,
        network: WeightFile,
        options: FanOptions,
        device: str = "cpu",
        *,
        last: bool = False,
    ) -> None:
        self._options, self._chosen = options, -1 if last else 0
        self._detector, self._network = open_sfd(detector, device), open_fan(network, device)

    def find(self, rgb: Picture) -> tuple[NDArray[np.float32], int]:
        """Return (68, 2) float32 x, y in whole pixels, NaN without a face, and the number of faces."""
        nothing = np.full((POINTS, 2), np.nan, np.float32)
        found = faces(self._detector.raw(rgb), self._options)
        if not len(found):
            return nothing, 0
        centre, scale = centre_and_scale(found[self._chosen], self._options)
        try:
            picture = crop(rgb, centre, scale)
        except ValueError:  # a box of no size, or out of all proportion
            return nothing, len(found)
        return points(self._network.heatmaps(picture), centre, scale), len(found)
