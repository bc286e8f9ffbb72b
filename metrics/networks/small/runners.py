"""The bundled networks behind the interfaces of the published ones, so that features don't know the difference."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from evalkit.metrics.features.face import Face, check_image
from evalkit.metrics.features.stopwatch import running
from evalkit.metrics.networks.checkpoints import filled, inference
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
    ACTION_SIDE,
    CLIP_SIDE,
    DETECTOR_SIDE,
    DETECTOR_STRIDE,
    FACE_DIMENSION,
    FRAME_DIMENSION,
    FRAME_SIDE,
    NETWORKS,
    SOUND_ROWS,
    SYNC_DIMENSION,
    TEXT_CONTEXT,
    TEXT_DIMENSION,
    TEXT_SIDE,
    TEXT_VOCABULARY,
    fused,
    last_channels,
)

BATCH = 16
_COLUMNS_PER_FRAME = 4


@lru_cache(maxsize=16)
def open_small(kind: str, path: Path, sha256: str, device: str) -> nn.Module:
    """Return the network ``kind`` of `small.NETWORKS` with the file's weights, built once per process.

    Raises:
        WeightsError: the file holds another network.
    """
    network = fused(NETWORKS[kind]())
    place = filled(network, path, device)
    last_channels(network)
    return network.eval().to(place)


class _Runner:
    """A network and where it runs."""

    kind = ""

    def __init__(self, path: Path, sha256: str, device: str = "cpu") -> None:
        self._device = torch.device(device)
        self._network = open_small(self.kind, path, sha256, device)

    def _planes(self, pictures: NDArray[Any]) -> Tensor:
        """Return (N, C, H, W) float32 of 0..1 of (N, H, W, C) in 0..255."""
        planes = torch.from_numpy(np.ascontiguousarray(pictures)).to(self._device).permute(0, 3, 1, 2)
        return planes.to(torch.float32).div_(255.0).contiguous(memory_format=torch.channels_last)


class SmallFrames(_Runner):
    """Frames to vectors, in place of Inception."""

    kind = "frames"
    dimension = FRAME_DIMENSION

    def prepare(self, rgb: NDArray[np.uint8]) -> Tensor:
        """Return a frame (H, W, 3) uint8 as the network takes it."""
        return torch.from_numpy(shrunk(np.ascontiguousarray(rgb), FRAME_SIDE))

    def embed(self, frames: Sequence[Tensor]) -> NDArray[np.float32]:
        """Return (N, 64) float32 of N prepared frames."""
        with running("inception"), inference(self._device):
            return np.asarray(self._network(self._planes(torch.stack(list(frames)).numpy())).cpu().numpy())


class SmallClips(_Runner):
    """Clips to vectors, in place of I3D."""

    kind = "clips"

    def prepare(self, rgb: NDArray[np.uint8]) -> Tensor:
        """Return a frame (H, W, 3) uint8 as the network takes it."""
        return torch.from_numpy(shrunk(np.ascontiguousarray(rgb), CLIP_SIDE))

    def embed(self, frames: Sequence[Tensor]) -> NDArray[np.float32]:
        """Return (64,) float32 of the prepared frames of one clip."""
        with running("i3d"), inference(self._device):
            clip = torch.stack(list(frames)).to(self._device).permute(3, 0, 1, 2)[None].to(torch.float32) / 255.0
            return np.asarray(self._network(clip.contiguous())[0].cpu().numpy())


class SmallFaces(_Runner):
    """Aligned faces to vectors, in place of ArcFace."""

    kind = "faces"
    dimension = FACE_DIMENSION

    def embed(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return (N, 128) float32 of (N, side, side, 3) uint8 RGB, aligned by five points."""
        parts = [np.empty((0, FACE_DIMENSION), dtype=np.float32)]
        for start in range(0, len(crops), BATCH):
            small = np.stack([face(crop) for crop in crops[start : start + BATCH]])
            with running("arcface"), inference(self._device):
                parts.append(self._network(self._planes(small)).cpu().numpy())
        return np.concatenate(parts)


class _FaceMaps(_Runner):
    """Runs the detector and reads its maps.

    Args:
        threshold: smallest score that counts, 0..1.
        nms: largest IoU at which two boxes are still two faces.
    """

    kind = "detector"

    def __init__(
        self, path: Path, sha256: str, device: str = "cpu", *, threshold: float = 0.5, nms: float = 0.4
    ) -> None:
        super().__init__(path, sha256, device)
        self._threshold, self._nms = float(threshold), float(nms)

    def _maps(self, smalls: NDArray[np.uint8], role: str) -> NDArray[np.float32]:
        with running(role), inference(self._device):
            return np.asarray(self._network(self._planes(smalls)).cpu().numpy())

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


class SmallLandmarks(_Runner):
    """Finds 68 points of a face, in place of a published predictor."""

    kind = "landmarks"

    def points(self, rgb: NDArray[np.uint8], box: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (68, 2) float32 x, y in pixels.

        Args:
            rgb: (H, W, 3) uint8.
            box: (4,) x1, y1, x2, y2 of the face, as the bundled detector draws it.
        """
        left, top, side = square = landmark_square(box)
        with running("landmarks68"), inference(self._device):
            found = self._network(self._planes(landmark_crop(rgb, square)[None]))[0].cpu().numpy()
        # Pixel (0, 0) of an image is the one whose middle has these coordinates.
        return np.asarray(found * side + np.array([left, top]) - 0.5, dtype=np.float32)


class SmallSync(_Runner):
    """Lips and audio to vectors, in place of SyncNet."""

    kind = "sync"
    dimension = SYNC_DIMENSION

    def lips(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return (N - 4, 65) float32 of (N, 224, 224, 3) uint8 **BGR** crops."""
        runs = (
            runs_of_five(np.stack([mouth(crop) for crop in crops])) if len(crops) else np.empty((0, 0, 0, 0), np.uint8)
        )
        if not len(runs):
            return np.empty((0, SYNC_DIMENSION), dtype=np.float32)
        with running("syncnet"), inference(self._device):
            return np.asarray(self._network.embed_lips(self._planes(runs)).cpu().numpy())  # type: ignore[operator]

    def ood_score(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return (N,) of (N, 224, 224, 3) uint8 BGR crops: how unlike the faces of the training, above 1 outside."""
        if not len(crops):
            return np.empty(0, dtype=np.float32)
        with inference(self._device):
            views = [
                torch.from_numpy(np.stack([view(crop) for crop in crops])).to(self._device)
                for view in (face_shape, face_colours)
            ]
            return np.asarray(self._network.known_faces(*views).cpu().numpy())  # type: ignore[operator]

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
        with running("syncnet"), inference(self._device):
            sound = torch.from_numpy(stacked).to(self._device)
            return np.asarray(self._network.embed_sound(sound).cpu().numpy())  # type: ignore[operator]


class SmallText(_Runner):
    """Images and captions to vectors, in place of CLIP."""

    kind = "text"
    sizes = SimpleNamespace(side=TEXT_SIDE, vocabulary=TEXT_VOCABULARY, context=TEXT_CONTEXT, dimension=TEXT_DIMENSION)

    @property
    def logit_scale(self) -> float:
        """What cosines were multiplied with in the training."""
        return float(self._network.get_parameter("logit_scale").detach().exp())

    def embed_images(self, squares: Sequence[NDArray[np.uint8] | NDArray[np.float32]]) -> NDArray[np.float32]:
        """Return (N, 64) float32, not normalised, of squares (side, side, 3) RGB in 0..255."""
        parts = [np.empty((0, TEXT_DIMENSION), dtype=np.float32)]
        for start in range(0, len(squares), BATCH):
            with inference(self._device):
                planes = self._planes(np.stack(list(squares[start : start + BATCH])))
                parts.append(self._network.embed_pictures(planes).cpu().numpy())  # type: ignore[operator]
        return np.concatenate(parts)

    def embed_texts(self, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return (N, 64) float32, not normalised, of numbers of words (N, 77)."""
        if not len(tokens):
            return np.empty((0, TEXT_DIMENSION), dtype=np.float32)
        with inference(self._device):
            return np.asarray(self._network.embed_texts(torch.from_numpy(tokens).to(self._device)).cpu().numpy())  # type: ignore[operator]


class SmallActions(SmallText):
    """Frames and sentences of what somebody does, in place of CLIP where it looks for events."""

    kind = "actions"
    sizes = SimpleNamespace(
        side=ACTION_SIDE, vocabulary=TEXT_VOCABULARY, context=TEXT_CONTEXT, dimension=TEXT_DIMENSION
    )
