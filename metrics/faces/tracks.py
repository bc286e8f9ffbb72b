"""Faces of single frames, linked over time, and the rule that chooses the subject among them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.features.face import Face


@dataclass(frozen=True)
class Track:
    """One person's faces over the sampled frames.

    Attributes:
        positions: positions in the list of sampled frames, ascending; holes where the face was not found.
        indices: frame numbers in the video, one per position.
        faces: the face at each position.
    """

    positions: tuple[int, ...]
    indices: tuple[int, ...]
    faces: tuple[Face, ...]

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def mean_area(self) -> float:
        """Mean area of the boxes in square pixels."""
        return math.fsum(face.area for face in self.faces) / len(self.faces)

    @property
    def mean_centre(self) -> tuple[float, float]:
        """Mean centre of the boxes, x and y in pixels."""
        boxes = np.array([face.box for face in self.faces], dtype=np.float64)
        x1, y1, x2, y2 = boxes.mean(axis=0)
        return float((x1 + x2) / 2), float((y1 + y2) / 2)


def build_tracks(
    frames: Sequence[Sequence[Face]], indices: Sequence[int], iou: float = 0.3, max_gap: int = 25
) -> list[Track]:
    """Link detections by the overlap of boxes.

    In every sampled frame, the faces are assigned to the open tracks so that the sum of IoUs with each track's last
    box is largest (Hungarian method); a pair below ``iou`` is never linked. A face without a track opens one. The
    order of faces within a frame has no influence.

    Args:
        frames: the faces of each sampled frame.
        indices: the frame number of each, strictly ascending.
        iou: smallest IoU that links, 0 < iou <= 1.
        max_gap: sampled frames in a row that a track may miss before it is closed. 25, the value of SyncNet's
            pipeline, is a second at 25 fps, and bridges nearly everything where frames are sampled
            sparsely.

    Returns:
        Tracks in the order of their first frame, then larger face first; empty when no frame has a face.

    Raises:
        ValueError: lengths differ, indices don't ascend, or an option is out of range.
    """
    if len(frames) != len(indices):
        raise ValueError(f"{len(frames)} frames and {len(indices)} frame numbers")
    if any(later <= earlier for earlier, later in itertools.pairwise(indices)):
        raise ValueError("frame numbers must ascend")
    if not 0 < iou <= 1 or max_gap < 0:
        raise ValueError(f"iou must be in 0..1 and max_gap not negative: {iou}, {max_gap}")
    tracks: list[list[tuple[int, Face]]] = []
    for position, unordered in enumerate(frames):
        faces = sorted(unordered, key=Face.sort_key)
        alive = [track for track in tracks if position - track[-1][0] <= max_gap + 1]
        linked = _link([track[-1][1] for track in alive], faces, iou)
        for row, column in linked:
            alive[row].append((position, faces[column]))
        taken = {column for _, column in linked}
        tracks.extend([(position, face)] for column, face in enumerate(faces) if column not in taken)
    return [
        Track(
            positions=tuple(position for position, _ in track),
            indices=tuple(int(indices[position]) for position, _ in track),
            faces=tuple(face for _, face in track),
        )
        for track in tracks
    ]


def subject_track(tracks: Sequence[Track], frame_size: tuple[int, int]) -> Track | None:
    """The track that a video is about.

    The rule: most frames; then the largest mean area; then the mean centre nearest to the frame's centre; then the
    earliest first frame; then coordinates.

    Args:
        tracks: as from :func:`build_tracks`, in any order.
        frame_size: width and height in pixels.

    Returns:
        The track, or ``None`` when there is none.
    """
    middle = (frame_size[0] / 2, frame_size[1] / 2)

    def rank(track: Track) -> tuple[object, ...]:
        return (
            -len(track),
            -track.mean_area,
            math.dist(track.mean_centre, middle),
            track.positions,
            tuple(face.sort_key() for face in track.faces),
        )

    return min(tracks, key=rank, default=None)


def box_iou(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.float64]:
    """Intersection over union of every box of ``a`` with every box of ``b``.

    Args:
        a: (M, 4), ``x1, y1, x2, y2``.
        b: (N, 4).

    Returns:
        float64 (M, N) in 0..1; 0 for boxes without area.
    """
    a, b = np.asarray(a, np.float64).reshape(-1, 4), np.asarray(b, np.float64).reshape(-1, 4)
    sides = np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2])
    shared = np.clip(sides, 0, None).prod(axis=2)
    area_a = np.clip(a[:, 2:] - a[:, :2], 0, None).prod(axis=1)
    area_b = np.clip(b[:, 2:] - b[:, :2], 0, None).prod(axis=1)
    union = area_a[:, None] + area_b[None, :] - shared
    return np.asarray(np.divide(shared, union, out=np.zeros_like(shared), where=union > 0))


def _link(last: Sequence[Face], faces: Sequence[Face], limit: float) -> list[tuple[int, int]]:
    """Pairs (track, face) of the best assignment."""
    from scipy.optimize import linear_sum_assignment

    if not last or not faces:
        return []
    overlap = box_iou(np.array([face.box for face in last]), np.array([face.box for face in faces]))
    weight = np.where(overlap >= limit, overlap, 0.0)
    rows, columns = linear_sum_assignment(weight, maximize=True)
    return [(int(row), int(column)) for row, column in zip(rows, columns, strict=True) if overlap[row, column] >= limit]
