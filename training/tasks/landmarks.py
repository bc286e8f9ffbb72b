"""Training task of the landmark network: 68 points of a face crop."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from evalkit.metrics.networks.small.inputs import LANDMARK_MARGIN
from evalkit.metrics.networks.small.models import (
    LANDMARK_CELLS,
    LANDMARK_SIDE,
    LandmarkNet,
    last_channels,
    mean_places,
)
from training.dataset import load_arrays
from training.degrade import ImageFaults, degrade
from training.loop import fit, image_batch, jitter_colours, start_training, to_tensor
from training.tasks.base import Figures, TrainingOptions

BATCH = 40
SPREAD = 1.0  # cells: standard deviation of the place that a map should show
# What each point is called in a mirrored image.
MIRRORED = np.array(
    [*range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, *range(35, 30, -1), 45, 44, 43, 42, 47, 46, 39, 38, 37, 36,
     41, 40, *range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), 67, 66, 65]
)  # fmt: skip
_WEIGHT = np.repeat([1.0, 1.5, 2.0], [36, 12, 20])  # the eyes count more, the mouth most


def train_landmarks(options: TrainingOptions) -> tuple[nn.Module, Figures]:
    """Find the points in crops that are moved, turned, mirrored, degraded and recoloured."""
    rng = start_training(options.seed * 10 + 7)
    wholes, boxes, points = load_arrays(options.dataset, "images", "whole", "box", "points68")
    network = LandmarkNet()
    last_channels(network)
    weight = to_tensor(_WEIGHT.astype(np.float32) / _WEIGHT.mean())

    def compute_loss(rng: np.random.Generator) -> Tensor:
        rows = rng.integers(0, len(wholes), BATCH)
        drawn = [_degraded_crop(wholes[row], boxes[row], points[row], rng) for row in rows]
        x = jitter_colours(image_batch(np.stack([image for image, _ in drawn])), rng, 0.3)
        wanted = to_tensor(np.stack([places for _, places in drawn]).astype(np.float32))
        maps = network.maps(x)
        # In hundredths of the crop's side; the eyes are about 32 of them apart.
        apart = functional.smooth_l1_loss(100 * mean_places(maps), 100 * wanted, beta=0.5, reduction="none")
        shape = -(target_maps(wanted) * maps).sum(dim=2)
        return (apart.mean(dim=2) * weight).mean() + 0.3 * (shape * weight).mean()

    loss = fit([network], compute_loss, rng, steps=options.steps(2400))
    return network, {"loss": loss}


def target_maps(places: Tensor) -> Tensor:
    """Return the probabilities (N, P, C * C) that maps should show for places (N, P, 2) in 0..1: a Gaussian."""
    centres = torch.arange(LANDMARK_CELLS, dtype=places.dtype) + 0.5
    apart = (places[..., None] * LANDMARK_CELLS - centres) / SPREAD  # (N, P, 2, C)
    columns, rows = (-0.5 * apart.square()).softmax(dim=3).unbind(dim=2)
    return (rows[..., :, None] * columns[..., None, :]).flatten(2)


def crop_face(
    whole: NDArray[np.uint8], box: NDArray[np.float64], points: NDArray[np.float64], rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Return a crop (64, 64, 3), and where the points are in it (68, 2), in 0..1 of its side.

    Args:
        whole: (H, W, 3) uint8 RGB.
        box: (4,) x1, y1, x2, y2 of the face in pixels; the crop has the error of a detector's.
        points: (68, 2) x, y in pixels whose middles have whole numbers.
        rng: draws place, size, rotation, mirroring and resolution.
    """
    side = LANDMARK_SIDE
    longer = float(max(box[2] - box[0], box[3] - box[1]))
    middle = (box[:2] + box[2:]) / 2 + 0.035 * longer * rng.standard_normal(2)
    scale = side / (LANDMARK_MARGIN * longer * float(np.exp(0.07 * rng.standard_normal())))
    angle = np.deg2rad(8.0 * rng.standard_normal())
    mirror = -1.0 if rng.random() < 0.5 else 1.0
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = scale * turn @ np.diag([mirror, 1.0])
    matrix = np.column_stack([linear, (side - 1) / 2 - linear @ middle])
    if rng.random() < 0.2:  # a video with few pixels
        small = max(24, round(whole.shape[0] * rng.uniform(0.35, 1.0)))
        coarse = cv2.resize(whole, (small, small), interpolation=cv2.INTER_AREA)
        whole = np.asarray(cv2.resize(coarse, whole.shape[1::-1], interpolation=cv2.INTER_LINEAR), dtype=np.uint8)
    image: NDArray[np.uint8] = np.asarray(
        cv2.warpAffine(whole, matrix, (side, side), borderMode=cv2.BORDER_REPLICATE), dtype=np.uint8
    )
    found = points @ linear.T + matrix[:, 2]
    if mirror < 0:
        found = found[MIRRORED]
    return image, (found + 0.5) / side


def _degraded_crop(
    whole: NDArray[np.uint8], box: NDArray[np.float64], points: NDArray[np.float64], rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    image, places = crop_face(whole, box, points, rng)
    return degrade(image, _draw_faults(rng), rng), places


def _draw_faults(rng: np.random.Generator) -> ImageFaults:
    """Draw faults that leave the points where they are; a pixel of the crop is 2.4 of a frame of 256."""
    strength, share = rng.random(6), rng.random(6)
    return ImageFaults(
        blur=0.3 + 1.9 * strength[0] ** 2 if share[0] < 0.35 else 0.0,
        noise=16 * strength[1] if share[1] < 0.2 else 0.0,
        blocks=20 + 65 * strength[2] if share[2] < 0.4 else 0.0,
        grey=strength[3] if share[3] < 0.15 else 0.0,
        dark=strength[4] - 0.5 if share[4] < 0.2 else 0.0,
        patch=0.05 + 0.2 * strength[5] if share[5] < 0.1 else 0.0,
    )
