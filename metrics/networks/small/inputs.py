"""Prepares frames, crops and texts for the bundled networks; training and evaluation share it."""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.networks.small.models import (
    COLOUR_SIDE,
    DETECTOR_SIDE,
    FACE_SIDE,
    LANDMARK_SIDE,
    LIP_FRAMES,
    LIP_SIDE,
    SHAPE_SIDE,
    TEXT_CONTEXT,
    TEXT_VOCABULARY,
)
from evalkit.metrics.networks.tokenizer import Tokens

Picture = NDArray[np.uint8]
GREY = 110
MOUTH_ROWS, MOUTH_COLUMNS = slice(74, 162), slice(68, 156)  # of a crop of 224, as `sync_tracks.crop` makes them
LANDMARK_MARGIN = 1.3  # side of the crop by the longer side of the detector's box
_WORD = re.compile(r"[\w']+|[^\w\s]")


def shrunk(rgb: Picture, side: int) -> Picture:
    """Return (side, side, 3) uint8: area averages, linear where the image is smaller; the aspect ratio is not kept."""
    height, width = rgb.shape[:2]
    if (height, width) == (side, side):
        return rgb
    method = cv2.INTER_AREA if min(height, width) >= side else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(rgb, (side, side), interpolation=method), dtype=np.uint8)


def letterbox(rgb: Picture) -> tuple[Picture, float]:
    """Return (128, 128, 3) uint8 with the image in the upper left corner, grey beside it, and the scale."""
    height, width = rgb.shape[:2]
    scale = DETECTOR_SIDE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    canvas = np.full((DETECTOR_SIDE, DETECTOR_SIDE, 3), GREY, dtype=np.uint8)
    canvas[: size[1], : size[0]] = cv2.resize(rgb, size, interpolation=method)
    return canvas, scale


def mouth(crop: Picture) -> Picture:
    """Return (40, 40, 3) uint8 of a face crop (224, 224, 3) of `sync_tracks.crop`, channels as they are."""
    return shrunk(np.ascontiguousarray(crop[MOUTH_ROWS, MOUTH_COLUMNS]), LIP_SIDE)


def face_shape(crop: Picture) -> NDArray[np.float32]:
    """Return (256,) of a face crop of `sync_tracks.crop`: its grey values at 16 x 16, mean 0, mean square 1."""
    grey = shrunk(crop, SHAPE_SIDE).astype(np.float32).mean(axis=2) / np.float32(255)
    centred = grey - grey.mean()
    return np.asarray(centred / np.sqrt(np.square(centred).mean() + 1e-3), dtype=np.float32).ravel()


def face_colours(crop: Picture) -> NDArray[np.float32]:
    """Return (432,) of a face crop of `sync_tracks.crop`: its colours at 12 x 12, 0..1."""
    return (shrunk(crop, COLOUR_SIDE).astype(np.float32) / np.float32(255)).ravel()


def landmark_square(box: NDArray[np.floating[Any]]) -> tuple[int, int, int]:
    """Return the crop of a face's box x1, y1, x2, y2 as left, top and side in whole pixels; it may leave the image."""
    x1, y1, x2, y2 = (float(value) for value in box)
    side = max(1, round(LANDMARK_MARGIN * max(x2 - x1, y2 - y1)))
    return round((x1 + x2 - side) / 2), round((y1 + y2 - side) / 2), side


def landmark_crop(rgb: Picture, square: tuple[int, int, int]) -> Picture:
    """Return (64, 64, 3) uint8 of a square of the image; beyond the image its edge is repeated."""
    left, top, side = square
    rows = np.clip(np.arange(top, top + side), 0, rgb.shape[0] - 1)
    columns = np.clip(np.arange(left, left + side), 0, rgb.shape[1] - 1)
    return shrunk(np.ascontiguousarray(rgb[rows[:, None], columns]), LANDMARK_SIDE)


def runs_of_five(mouths: Picture) -> Picture:
    """Return (N - 4, 40, 40, 15) uint8 of (N, 40, 40, 3): every run of five images, stacked along the channels."""
    count = max(0, len(mouths) - LIP_FRAMES + 1)
    return np.concatenate([mouths[i : i + count] for i in range(LIP_FRAMES)], axis=3)


def face(crop: Picture) -> Picture:
    """Return (64, 64, 3) uint8 of an aligned crop of any size."""
    return shrunk(crop, FACE_SIDE)


class WordNumbers:
    """Turns texts into numbers of words: a digest of each, so that no vocabulary is needed.

    Attributes:
        size: of the vocabulary, 0 for "no word" included.
    """

    size = TEXT_VOCABULARY

    def encode(self, text: str) -> list[int]:
        """Return the numbers of the words and marks of a text."""
        plain = unicodedata.normalize("NFKC", text).casefold()
        return [1 + zlib.crc32(word.encode("utf-8")) % (self.size - 1) for word in _WORD.findall(plain)]

    def tokens(self, texts: Sequence[str]) -> Tokens:
        """Return texts as `networks.small.TextNets` takes them; a longer text loses its end."""
        numbers = np.zeros((len(texts), TEXT_CONTEXT), dtype=np.int64)
        counts = np.zeros(len(texts), dtype=np.int64)
        for row, text in enumerate(texts):
            found = self.encode(text)
            counts[row] = len(found)
            kept = found[:TEXT_CONTEXT] or [1]
            numbers[row, : len(kept)] = kept
        return Tokens(numbers, counts)
