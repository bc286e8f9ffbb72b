"""The lesson of the face detector."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from evalkit.metrics.features.networks.small import DETECTOR_SIDE, DETECTOR_STRIDE, DetectorNet, last_channels
from evalkit.metrics.features.networks.small_inputs import GREY
from evalkit.reference_models.bundled.data import WHOLE_SIDE, load_data
from evalkit.reference_models.bundled.fit import begin, fit, planes, recoloured, tensor
from evalkit.reference_models.bundled.lessons import Figures, Lesson

CELLS = DETECTOR_SIDE // DETECTOR_STRIDE


def learn_detector(lesson: Lesson) -> tuple[nn.Module, Figures]:
    """Where the face is, in pictures that are moved, shrunk, cut, mirrored and recoloured; some have none."""
    rng = begin(lesson.seed * 10 + 5)
    wholes, boxes, points = load_data(lesson.folder, "pictures", "whole", "box", "points")
    network = DetectorNet()
    last_channels(network)

    def loss_of(rng: np.random.Generator) -> Tensor:
        rows = rng.integers(0, len(wholes), 48)
        drawn = [placed(wholes[row], boxes[row], points[row], rng) for row in rows]
        x = recoloured(planes(np.stack([picture for picture, _, _ in drawn])), rng, 0.3)
        maps = network(x)
        score = tensor(np.stack([heat for _, heat, _ in drawn]))
        wanted = tensor(np.stack([values for _, _, values in drawn]))
        face = score > 0.99
        hit = functional.binary_cross_entropy_with_logits(maps[:, 0], score, reduction="none")
        weight = torch.where(face, 6.0, 1.0)
        where = functional.smooth_l1_loss(maps[:, 1:], wanted, beta=0.1, reduction="none").mean(dim=1)
        return (hit * weight).mean() * 4 + 2 * (where * face).sum() / face.sum().clamp(min=1)

    last = fit([network], loss_of, rng, steps=lesson.steps(1000), tell=lesson.tell)
    return network, {"loss": last}


def placed(
    whole: NDArray[np.uint8], box: NDArray[np.float64], points: NDArray[np.float64], rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]:
    """Return a picture (128, 128, 3), in which cells a face is (16, 16), and what each should say (14, 16, 16)."""
    side = DETECTOR_SIDE
    scale = side / WHOLE_SIDE * float(np.exp(rng.uniform(np.log(0.35), np.log(1.7))))
    turn = np.deg2rad(12.0 * rng.standard_normal())
    flip = -1.0 if rng.random() < 0.5 else 1.0
    middle = np.array([box[0] + box[2], box[1] + box[3]]) / 2
    spin = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ np.diag([flip, 1.0])
    reach = (box[2:] - box[:2]) * scale / 2
    free = np.maximum(side - 2 * reach, 0.15 * side)
    goal = side / 2 + free * rng.uniform(-0.5, 0.5, 2)
    matrix = np.column_stack([spin, goal - spin @ middle])
    fill = tuple(int(v) for v in rng.integers(0, 256, 3)) if rng.random() < 0.5 else (GREY, GREY, GREY)
    if scale < 0.75:  # no pixel is left out when the picture shrinks
        whole = np.asarray(cv2.GaussianBlur(whole, (0, 0), 0.4 / scale), dtype=np.uint8)
    picture: NDArray[np.uint8] = np.asarray(
        cv2.warpAffine(whole, matrix, (side, side), borderMode=cv2.BORDER_CONSTANT, borderValue=fill), dtype=np.uint8
    )
    heat = np.zeros((CELLS, CELLS), dtype=np.float32)
    values = np.zeros((14, CELLS, CELLS), dtype=np.float32)
    if rng.random() < 0.06:  # no face: the place where it was is covered by noise
        x1, y1, x2, y2 = (int(v) for v in np.clip([*(goal - 1.4 * reach), *(goal + 1.4 * reach)], 0, side))
        noise = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
        if x2 > x1 and y2 > y1:
            picture[y1:y2, x1:x2] = cv2.resize(noise, (x2 - x1, y2 - y1))
        return picture, heat, values
    spots = points @ spin.T + matrix[:, 2]
    if flip < 0:
        spots = spots[[1, 0, 2, 4, 3]]
    centre = np.stack(np.meshgrid(np.arange(CELLS), np.arange(CELLS)), axis=0) + 0.5
    sides = 2 * reach / DETECTOR_STRIDE
    away = (goal[:, None, None] / DETECTOR_STRIDE - centre) / np.maximum(sides, 2)[:, None, None]
    heat[(np.abs(away) < 0.22).all(axis=0)] = 1.0
    values[0:2] = goal[:, None, None] / DETECTOR_STRIDE - centre
    values[2:4] = np.log(sides)[:, None, None]
    values[4:] = (spots[:, :, None, None] / DETECTOR_STRIDE - centre[None]).reshape(10, CELLS, CELLS)
    return picture, heat, values
