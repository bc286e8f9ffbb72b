"""Face tracks and mouth crops before SyncNet, as joonson/syncnet_python and LatentSync make them.

Every peculiarity of the reference is kept, because it decides which part of a video is scored; comments name them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.features.base import FeatureOptions

AfterMiss = Literal["go_on", "stop"]


@dataclass(frozen=True)
class TrackOptions(FeatureOptions):
    """Which faces make a track.

    Args:
        min_track: a track has more detections than this.
        iou: a face continues a track that it overlaps by more than this.
        gap: frames at 25/s that a track may be behind.
        smallest_face: the larger of mean width and mean height is above this many pixels of the video.
    """

    min_track: int = 50
    iou: float = 0.5
    gap: int = 25
    smallest_face: int = 100


@dataclass(frozen=True)
class CropOptions(FeatureOptions):
    """How the crop around a tracked face is made.

    Args:
        median: frames of the filter that smooths the track; odd.
        margin: share of half the face's side that is added.
        grey: value outside the frame.
        size: side of the crop in pixels, as SyncNet takes it.
    """

    median: int = 13
    margin: float = 0.4
    grey: int = 110
    size: int = 224


TRACKS = TrackOptions()
CROP = CropOptions()


@dataclass(frozen=True)
class FaceTrack:
    """A face followed through a scene.

    Args:
        first: number of the first frame.
        boxes: (N, 4) float64 x1, y1, x2, y2 in pixels, a row for every frame from the first to the last.
        detections: how many of the rows were found; the others lie on lines between them.
    """

    first: int
    boxes: NDArray[np.float64]
    detections: int

    @property
    def last(self) -> int:
        """Number of the last frame."""
        return self.first + len(self.boxes) - 1

    @property
    def side(self) -> float:
        """The larger of mean width and mean height."""
        return float(max(np.mean(self.boxes[:, 2:] - self.boxes[:, :2], axis=0)))

    def counts(self, options: TrackOptions) -> bool:
        """Return whether it has detections enough, and is large enough, to be a track."""
        return self.detections > options.min_track and self.side > options.smallest_face


def track_faces(
    boxes: Sequence[NDArray[Any]],
    first: int = 0,
    options: TrackOptions = TRACKS,
    after_miss: AfterMiss = "go_on",
) -> list[FaceTrack]:
    """Return the tracks of one scene, in the reference's order; arguments as of `follow_faces`."""
    return [face for face in follow_faces(boxes, first, options, after_miss) if face.counts(options)]


def follow_faces(
    boxes: Sequence[NDArray[Any]],
    first: int = 0,
    options: TrackOptions = TRACKS,
    after_miss: AfterMiss = "go_on",
) -> list[FaceTrack]:
    """Return every face that is followed through one scene, those that are too short or too small for a track too.

    A track starts at the first face left and takes, frame by frame, faces that overlap its last one by more than
    ``iou`` if that is at most ``gap`` frames back. Then the next track starts, until no face is left.

    Peculiarities of the reference: taking a face removes it from the list that is being iterated, so the next face is
    skipped; a frame may give a track two faces; the search in a frame ends at the first face that comes too late.

    Args:
        boxes: the faces of every frame, (n, >= 4): x1, y1, x2, y2, best score first.
        first: number of the scene's first frame.
        options: what makes a track.
        after_miss: what a face does that overlaps too little: ``go_on`` to the frame's next face (joonson, LatentSync),
            or ``stop`` looking at the frame (MoChaBench, syncnet-python).
    """
    left = [[(first + number, box[:4]) for box in found] for number, found in enumerate(boxes)]
    followed = []
    while taken := _follow(left, options, after_miss):
        followed.append(_joined(taken))
    return followed


def _follow(
    left: list[list[tuple[int, NDArray[Any]]]], options: TrackOptions, after_miss: AfterMiss
) -> list[tuple[int, NDArray[Any]]]:
    """Take the next track out of ``left``."""
    taken: list[tuple[int, NDArray[Any]]] = []
    for faces in left:
        place = 0
        while place < len(faces):
            frame, box = faces[place]
            if taken:
                if frame - taken[-1][0] > options.gap:
                    break
                if not intersection_over_union(box, taken[-1][1]) > options.iou:
                    if after_miss == "stop":
                        break
                    place += 1
                    continue
            taken.append(faces.pop(place))
            place += 1  # the list has become shorter: the next face is skipped, as in the reference
    return taken


def _joined(taken: Sequence[tuple[int, NDArray[Any]]]) -> FaceTrack:
    """Return the track with straight lines between the detections."""
    numbers = np.array([frame for frame, _ in taken], dtype=np.float64)
    sides = np.array([box for _, box in taken], dtype=np.float64)
    frames = np.arange(numbers[0], numbers[-1] + 1)
    boxes = np.stack([np.interp(frames, numbers, side) for side in sides.T], axis=1)
    return FaceTrack(int(numbers[0]), boxes, len(taken))


def intersection_over_union(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Return the overlap of two boxes, 0..1; 0 for two boxes without area."""
    width = max(0.0, float(min(a[2], b[2])) - float(max(a[0], b[0])))
    height = max(0.0, float(min(a[3], b[3])) - float(max(a[1], b[1])))
    shared = width * height
    union = float(a[2] - a[0]) * float(a[3] - a[1]) + float(b[2] - b[0]) * float(b[3] - b[1]) - shared
    return shared / union if union else 0.0


def smooth(boxes: NDArray[np.float64], median: int = CROP.median) -> NDArray[np.float64]:
    """Return centre x, centre y and half the longer side of every box after a median filter: (N, 3).

    Args:
        boxes: (N, 4) float64 x1, y1, x2, y2.
        median: frames of the filter.


    Beyond the ends the median takes zeros, so the first and last values are the smallest of half the window, as in the
    reference.
    """
    half = np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]) / 2
    columns = ((boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2, half)
    return np.stack([_median(column, median) for column in columns], axis=1)


def _median(values: NDArray[np.float64], length: int) -> NDArray[np.float64]:
    """Return the median of the ``length`` (odd) values around each of (N,) values."""
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(values, length // 2), length)
    return np.asarray(np.median(windows, axis=1))


def crop(picture: NDArray[np.uint8], x: float, y: float, half: float, options: CropOptions = CROP) -> NDArray[np.uint8]:
    """Return the crop of a face that SyncNet takes: (size, size, 3) uint8, channels as in ``picture``.

    From ``half`` above the centre to 1.8 times that below it, 1.4 times to either side, grey (110) outside the picture.
    A face so far outside that the reference's indices turn negative makes it fail; here the region is cut at the border
    of the padded picture, and is all grey when nothing is left.

    Args:
        picture: (H, W, 3) uint8.
        x, y, half: a row of `smooth`.
    """
    import cv2

    margin, grey, size = options.margin, options.grey, options.size
    pad = int(half * (1 + 2 * margin))
    rows = int(y + pad - half), int(y + pad + half * (1 + 2 * margin))
    columns = int(x + pad - half * (1 + margin)), int(x + pad + half * (1 + margin))
    height, width = picture.shape[:2]
    top, bottom = max(0, rows[0]), min(height + 2 * pad, rows[1])
    start, stop = max(0, columns[0]), min(width + 2 * pad, columns[1])
    if top >= bottom or start >= stop:
        return np.full((size, size, 3), grey, dtype=np.uint8)
    region = np.full((bottom - top, stop - start, 3), grey, dtype=np.uint8)
    inside_rows = slice(max(top, pad), min(bottom, pad + height))
    inside_columns = slice(max(start, pad), min(stop, pad + width))
    if inside_rows.start < inside_rows.stop and inside_columns.start < inside_columns.stop:
        region[
            inside_rows.start - top : inside_rows.stop - top, inside_columns.start - start : inside_columns.stop - start
        ] = picture[
            inside_rows.start - pad : inside_rows.stop - pad, inside_columns.start - pad : inside_columns.stop - pad
        ]
    return np.asarray(cv2.resize(region, (size, size)), dtype=np.uint8)
