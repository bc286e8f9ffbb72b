"""The bundled networks behind the interfaces of the published ones, so that features don't know the difference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from evalkit.metrics.features.face import Face, check_image
from evalkit.metrics.features.placement import Inputs
from evalkit.metrics.features.stopwatch import running
from evalkit.metrics.networks.small.base import BATCH, SmallRunner, planes
from evalkit.metrics.networks.small.inputs import (
    face,
    face_colours,
    face_shape,
    landmark_crop,
    landmark_square,
    letterbox,
    mouth,
    runs_of_five,
    shrunk,
)
from evalkit.metrics.networks.small.models import (
    CLIP_SIDE,
    COLOUR_SIDE,
    DETECTOR_SIDE,
    DETECTOR_STRIDE,
    FACE_DIMENSION,
    FACE_SIDE,
    FRAME_DIMENSION,
    FRAME_SIDE,
    LANDMARK_SIDE,
    LIP_FRAMES,
    LIP_SIDE,
    SHAPE_SIDE,
    SOUND_COLUMNS,
    SOUND_ROWS,
    SYNC_DIMENSION,
)

SOUND_BATCH = 64
_COLUMNS_PER_FRAME = 4


class SmallFrames(SmallRunner):
    """Frames to vectors, in place of Inception."""

    kind = "frames"
    dimension = FRAME_DIMENSION
    inputs: Mapping[str, Inputs] = {"frames": Inputs("uint8", (FRAME_SIDE, FRAME_SIDE, 3), BATCH)}

    def prepare(self, rgb: NDArray[np.uint8]) -> Tensor:
        """Return a frame (H, W, 3) uint8 as the network takes it."""
        return torch.from_numpy(shrunk(np.ascontiguousarray(rgb), FRAME_SIDE))

    def embed(self, frames: Sequence[Tensor]) -> NDArray[np.float32]:
        """Return (N, 64) float32 of N prepared frames."""
        with running("inception"):
            return self._parts["frames"](torch.stack(list(frames)))[0]

    @staticmethod
    def frames(network: nn.Module, frames: Tensor) -> Tensor:
        """Return (N, 64) of frames (N, side, side, 3) uint8."""
        vectors: Tensor = network(planes(frames))
        return vectors


class SmallClips(SmallRunner):
    """Clips to vectors, in place of I3D."""

    kind = "clips"
    inputs: Mapping[str, Inputs] = {"clips": Inputs("uint8", (None, CLIP_SIDE, CLIP_SIDE, 3))}

    def prepare(self, rgb: NDArray[np.uint8]) -> Tensor:
        """Return a frame (H, W, 3) uint8 as the network takes it."""
        return torch.from_numpy(shrunk(np.ascontiguousarray(rgb), CLIP_SIDE))

    def embed(self, frames: Sequence[Tensor]) -> NDArray[np.float32]:
        """Return (64,) float32 of the prepared frames of one clip."""
        with running("i3d"):
            vector: NDArray[np.float32] = self._parts["clips"](torch.stack(list(frames))[None])[0][0]
        return vector

    @staticmethod
    def clips(network: nn.Module, clips: Tensor) -> Tensor:
        """Return (N, 64) of clips (N, T, side, side, 3) uint8."""
        vectors: Tensor = network((clips.permute(0, 4, 1, 2, 3).to(torch.float32) / 255.0).contiguous())
        return vectors


class SmallFaces(SmallRunner):
    """Aligned faces to vectors, in place of ArcFace."""

    kind = "faces"
    dimension = FACE_DIMENSION
    inputs: Mapping[str, Inputs] = {"faces": Inputs("uint8", (FACE_SIDE, FACE_SIDE, 3), BATCH)}

    def embed(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return (N, 128) float32 of (N, side, side, 3) uint8 RGB, aligned by five points."""
        parts = [np.empty((0, FACE_DIMENSION), dtype=np.float32)]
        for start in range(0, len(crops), BATCH):
            small = np.stack([face(crop) for crop in crops[start : start + BATCH]])
            with running("arcface"):
                parts += self._parts["faces"](small)
        return np.concatenate(parts)

    @staticmethod
    def faces(network: nn.Module, crops: Tensor) -> Tensor:
        """Return (N, 128) of crops (N, side, side, 3) uint8."""
        vectors: Tensor = network(planes(crops))
        return vectors


class _FaceMaps(SmallRunner):
    """Runs the detector and reads its maps.

    Args:
        threshold: smallest score that counts, 0..1.
        nms: largest IoU at which two boxes are still two faces.
    """

    kind = "detector"
    inputs: Mapping[str, Inputs] = {"maps": Inputs("uint8", (DETECTOR_SIDE, DETECTOR_SIDE, 3), BATCH)}

    def __init__(
        self, path: Path, sha256: str, device: str = "cpu", *, threshold: float = 0.5, nms: float = 0.4
    ) -> None:
        super().__init__(path, sha256, device)
        self._threshold, self._nms = float(threshold), float(nms)

    def _maps(self, smalls: NDArray[np.uint8], role: str) -> NDArray[np.float32]:
        with running(role):
            return self._parts["maps"](smalls)[0]

    @staticmethod
    def maps(network: nn.Module, smalls: Tensor) -> Tensor:
        """Return (N, 15, 16, 16) of frames (N, side, side, 3) uint8."""
        found: Tensor = network(planes(smalls))
        return found

    def _faces(self, found: NDArray[np.float32], scale: float) -> list[Face]:
        """Return the faces of one map (15, 16, 16), in pixels of the image."""
        score = 1.0 / (1.0 + np.exp(-found[0].astype(np.float64)))
        rows, columns = np.nonzero(score >= self._threshold)
        if not len(rows):
            return []
        cells = found[1:, rows, columns].T.astype(np.float64)
        centre = np.stack([columns, rows], axis=1) + 0.5
        middle, sides = centre + cells[:, :2], np.exp(np.clip(cells[:, 2:4], -3, 4))
        unit = DETECTOR_STRIDE / scale
        boxes = np.concatenate([middle - sides / 2, middle + sides / 2], axis=1) * unit
        points = (cells[:, 4:].reshape(-1, 5, 2) + centre[:, None]) * unit
        scores = score[rows, columns]
        xywh = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
        kept = cv2.dnn.NMSBoxes(xywh.tolist(), scores.tolist(), self._threshold, self._nms)
        order = sorted((int(i) for i in np.ravel(np.asarray(kept))), key=lambda i: (-scores[i], i))
        return [Face(boxes[i].astype(np.float32), float(scores[i]), points[i].astype(np.float32)) for i in order]


class SmallDetector(_FaceMaps):
    """Finds faces that fill at least a sixth of the frame's longer side, in place of SCRFD."""

    inputs: Mapping[str, Inputs] = {"maps": Inputs("uint8", (DETECTOR_SIDE, DETECTOR_SIDE, 3))}

    def detect(self, rgb: NDArray[np.uint8]) -> list[Face]:
        """Return the faces of (H, W, 3) uint8, best score first."""
        small, scale = letterbox(check_image(rgb))
        return self._faces(self._maps(small[None], "face_detector")[0], scale)


class SmallBoxes(_FaceMaps):
    """The same for many frames at once, in place of S3FD."""

    def small(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return a frame as `detect` takes it: (128, 128, 3)."""
        return letterbox(rgb)[0]

    def batch_size(self, small: NDArray[np.uint8]) -> int:
        """Return how many frames run at once."""
        return BATCH

    def detect(
        self, smalls: Sequence[NDArray[np.uint8]], frame_sizes: Sequence[tuple[int, int]]
    ) -> list[NDArray[np.float64]]:
        """Return per frame the boxes (n, 5): x1, y1, x2, y2 in pixels and the score, best first.

        Args:
            smalls: what `small` gave.
            frame_sizes: width and height of each frame.
        """
        if not len(smalls):
            return []
        maps = self._maps(np.stack(list(smalls)), "sync_detector")
        result = []
        for found, size in zip(maps, frame_sizes, strict=True):
            faces = self._faces(found, DETECTOR_SIDE / max(size))
            rows = [[*map(float, one.box), one.score] for one in faces]
            result.append(np.array(rows, dtype=np.float64).reshape(-1, 5))
        return result


class SmallLandmarks(SmallRunner):
    """Finds 68 points of a face, in place of a published predictor."""

    kind = "landmarks"
    inputs: Mapping[str, Inputs] = {"points68": Inputs("uint8", (LANDMARK_SIDE, LANDMARK_SIDE, 3))}

    def points(self, rgb: NDArray[np.uint8], box: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (68, 2) float32 x, y in pixels.

        Args:
            rgb: (H, W, 3) uint8.
            box: (4,) x1, y1, x2, y2 of the face, as the bundled detector draws it.
        """
        left, top, side = square = landmark_square(box)
        with running("landmarks68"):
            found = self._parts["points68"](landmark_crop(rgb, square)[None])[0][0]
        # Pixel (0, 0) of an image is the one whose middle has these coordinates.
        return np.asarray(found * side + np.array([left, top]) - 0.5, dtype=np.float32)

    @staticmethod
    def points68(network: nn.Module, crops: Tensor) -> Tensor:
        """Return (N, 68, 2) in 0..1 of crops (N, side, side, 3) uint8."""
        found: Tensor = network(planes(crops))
        return found


class SmallSync(SmallRunner):
    """Lips and audio to vectors, in place of SyncNet."""

    kind = "sync"
    dimension = SYNC_DIMENSION
    inputs: Mapping[str, Inputs] = {
        "embed_lips": Inputs("uint8", (LIP_SIDE, LIP_SIDE, 3 * LIP_FRAMES), BATCH),
        "embed_sound": Inputs("float32", (SOUND_ROWS, SOUND_COLUMNS), SOUND_BATCH),
        "known_faces": Inputs("float32", (SHAPE_SIDE**2 + 3 * COLOUR_SIDE**2,), BATCH),
    }

    def lips(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return (N - 4, 65) float32 of (N, 224, 224, 3) uint8 **BGR** crops."""
        runs = (
            runs_of_five(np.stack([mouth(crop) for crop in crops])) if len(crops) else np.empty((0, 0, 0, 0), np.uint8)
        )
        if not len(runs):
            return np.empty((0, SYNC_DIMENSION), dtype=np.float32)
        with running("syncnet"):
            return self._parts["embed_lips"](runs)[0]

    @staticmethod
    def embed_lips(network: Any, runs: Tensor) -> Tensor:
        """Return (N, 65) of runs of five mouths (N, side, side, 15) uint8."""
        vectors: Tensor = network.embed_lips(planes(runs))
        return vectors

    def ood_score(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return (N,) of (N, 224, 224, 3) uint8 BGR crops: how unlike the faces of the training, above 1 outside."""
        if not len(crops):
            return np.empty(0, dtype=np.float32)
        views = [np.concatenate([face_shape(crop), face_colours(crop)]) for crop in crops]
        return self._parts["known_faces"](np.stack(views))[0]

    @staticmethod
    def known_faces(network: Any, views: Tensor) -> Tensor:
        """Return (N,) of what `face_shape` and `face_colours` say of a face, one after the other (N, 688)."""
        scores: Tensor = network.known_faces(views[:, : SHAPE_SIDE**2], views[:, SHAPE_SIDE**2 :])
        return scores

    def audio(self, coefficients: NDArray[np.float64], windows: int) -> NDArray[np.float32]:
        """Return (windows, 65) float32 of the 20 rows from row 4 i on of (T, 13).

        Raises:
            ValueError: when there are too few rows.
        """
        if windows > 0 and len(coefficients) < _COLUMNS_PER_FRAME * (windows - 1) + SOUND_ROWS:
            raise ValueError(f"{len(coefficients)} rows are too few for {windows} windows")
        if windows <= 0:
            return np.empty((0, SYNC_DIMENSION), dtype=np.float32)
        rows = coefficients.astype(np.float32)
        stacked = np.stack([rows[_COLUMNS_PER_FRAME * i :][:SOUND_ROWS] for i in range(windows)])
        with running("syncnet"):
            return self._parts["embed_sound"](stacked)[0]

    @staticmethod
    def embed_sound(network: Any, windows: Tensor) -> Tensor:
        """Return (N, 65) of rows of coefficients (N, 20, 13)."""
        vectors: Tensor = network.embed_sound(windows)
        return vectors
