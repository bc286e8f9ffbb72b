"""Training task of the face detector: a heat map, a box and five points per cell."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from evalkit.metrics.networks.small.inputs import GREY
from evalkit.metrics.networks.small.models import DETECTOR_SIDE, DETECTOR_STRIDE, DetectorNet, last_channels
from training.dataset import WHOLE_SIDE, load_arrays
from training.loop import fit, image_batch, jitter_colours, start_training, to_tensor
from training.tasks.base import Figures, TrainingOptions

CELLS = DETECTOR_SIDE // DETECTOR_STRIDE


def train_detector(options: TrainingOptions) -> tuple[nn.Module, Figures]:
    """Detect the face in images that are shifted, scaled, cropped, mirrored and recoloured; some have no face."""
    rng = start_training(options.seed * 10 + 5)
    wholes, boxes, points = load_arrays(options.dataset, "images", "whole", "box", "points")
    network = DetectorNet()
    last_channels(network)

    def compute_loss(rng: np.random.Generator) -> Tensor:
        rows = rng.integers(0, len(wholes), 48)
        drawn = [place_face(wholes[row], boxes[row], points[row], rng) for row in rows]
        x = jitter_colours(image_batch(np.stack([image for image, _, _ in drawn])), rng, 0.3)
        maps = network(x)
        score = to_tensor(np.stack([heat for _, heat, _ in drawn]))
        wanted = to_tensor(np.stack([values for _, _, values in drawn]))
        face = score > 0.99
        classification = functional.binary_cross_entropy_with_logits(maps[:, 0], score, reduction="none")
        weight = torch.where(face, 6.0, 1.0)
        regression = functional.smooth_l1_loss(maps[:, 1:], wanted, beta=0.1, reduction="none").mean(dim=1)
        return (classification * weight).mean() * 4 + 2 * (regression * face).sum() / face.sum().clamp(min=1)

    loss = fit([network], compute_loss, rng, steps=options.steps(1000))
    return network, {"loss": loss}


def place_face(
    whole: NDArray[np.uint8], box: NDArray[np.float64], points: NDArray[np.float64], rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]:
    """Return a training image with its targets.

    Args:
        whole: (H, W, 3) uint8 RGB.
        box: (4,) x1, y1, x2, y2 of the face in pixels.
        points: (5, 2) x, y of eyes, nose and mouth corners in pixels.
        rng: draws scale, rotation, mirroring, position, and whether the face is hidden.

    Returns:
        The image (128, 128, 3), the heat map (16, 16) with 1 in the cells of the face, and the box and points that
        each cell should predict (14, 16, 16), in units of cells from the cell's centre, sizes as logarithms.
    """
    side = DETECTOR_SIDE
    scale = side / WHOLE_SIDE * float(np.exp(rng.uniform(np.log(0.35), np.log(1.7))))
    angle = np.deg2rad(12.0 * rng.standard_normal())
    mirror = -1.0 if rng.random() < 0.5 else 1.0
    middle = np.array([box[0] + box[2], box[1] + box[3]]) / 2
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = scale * turn @ np.diag([mirror, 1.0])
    half = (box[2:] - box[:2]) * scale / 2
    free = np.maximum(side - 2 * half, 0.15 * side)
    goal = side / 2 + free * rng.uniform(-0.5, 0.5, 2)
    matrix = np.column_stack([linear, goal - linear @ middle])
    fill = tuple(int(v) for v in rng.integers(0, 256, 3)) if rng.random() < 0.5 else (GREY, GREY, GREY)
    if scale < 0.75:  # against aliasing
        whole = np.asarray(cv2.GaussianBlur(whole, (0, 0), 0.4 / scale), dtype=np.uint8)
    image: NDArray[np.uint8] = np.asarray(
        cv2.warpAffine(whole, matrix, (side, side), borderMode=cv2.BORDER_CONSTANT, borderValue=fill), dtype=np.uint8
    )
    heat = np.zeros((CELLS, CELLS), dtype=np.float32)
    values = np.zeros((14, CELLS, CELLS), dtype=np.float32)
    if rng.random() < 0.06:  # a negative example: noise covers the face
        x1, y1, x2, y2 = (int(v) for v in np.clip([*(goal - 1.4 * half), *(goal + 1.4 * half)], 0, side))
        noise = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
        if x2 > x1 and y2 > y1:
            image[y1:y2, x1:x2] = cv2.resize(noise, (x2 - x1, y2 - y1))
        return image, heat, values
    landmarks = points @ linear.T + matrix[:, 2]
    if mirror < 0:
        landmarks = landmarks[[1, 0, 2, 4, 3]]
    centre = np.stack(np.meshgrid(np.arange(CELLS), np.arange(CELLS)), axis=0) + 0.5
    sides = 2 * half / DETECTOR_STRIDE
    distance = (goal[:, None, None] / DETECTOR_STRIDE - centre) / np.maximum(sides, 2)[:, None, None]
    heat[(np.abs(distance) < 0.22).all(axis=0)] = 1.0
    values[0:2] = goal[:, None, None] / DETECTOR_STRIDE - centre
    values[2:4] = np.log(sides)[:, None, None]
    values[4:] = (landmarks[:, :, None, None] / DETECTOR_STRIDE - centre[None]).reshape(10, CELLS, CELLS)
    return image, heat, values
