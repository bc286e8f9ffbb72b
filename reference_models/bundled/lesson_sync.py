"""The lesson of lips and sound."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from evalkit.metrics.features.networks.small import LIP_FRAMES, SOUND_ROWS, SyncNets
from evalkit.reference_models.bundled.data import load_data
from evalkit.reference_models.bundled.fit import begin, fit, planes, tensor
from evalkit.reference_models.bundled.lessons import Figures, Lesson

TAKES, WINDOWS, REACH = 12, 16, 15
_ROWS_PER_FRAME = 4


def learn_sync(lesson: Lesson) -> tuple[nn.Module, Figures]:
    """Which of 31 shifts of the sound belongs to five mouth pictures, and that other people's sound does not."""
    rng = begin(lesson.seed * 10 + 6)
    mouths, sound = load_data(lesson.folder, "clips", "mouths", "sound")
    network = SyncNets()
    flat = tensor(sound.reshape(-1, sound.shape[2]))
    network.level.get_buffer("mean").copy_(flat.mean(dim=0))
    network.level.get_buffer("scale").copy_(1.0 / flat.std(dim=0))
    temperature = nn.Parameter(torch.tensor(-3.0))
    holder = nn.ParameterList([temperature])
    windows = min(mouths.shape[1] - LIP_FRAMES, (sound.shape[1] - SOUND_ROWS) // _ROWS_PER_FRAME) + 1

    def loss_of(rng: np.random.Generator) -> Tensor:
        takes = rng.permutation(len(mouths))[:TAKES]
        starts = rng.integers(0, windows - WINDOWS + 1, TAKES)
        pictures = np.concatenate(
            [_runs(_shaken(mouths[take, at : at + WINDOWS + LIP_FRAMES - 1], rng)) for take, at in
             zip(takes, starts, strict=True)]
        )  # fmt: skip
        gain = np.repeat(rng.uniform(0.75, 1.25, TAKES), WINDOWS).astype(np.float32)
        lips = network.embed_lips((planes(pictures) * tensor(gain)[:, None, None, None]).clamp_(0, 1))
        rows = _sounds(sound, takes, starts, rng)
        heard = network.embed_sound(tensor(rows[0])).reshape(TAKES, WINDOWS + 2 * REACH, -1)
        there = tensor(rows[1])
        return _shift_loss(lips.reshape(TAKES, WINDOWS, -1), heard, there, temperature.exp().clamp(max=0.25))

    last = fit([network, holder], loss_of, rng, steps=lesson.steps(1000), rate=1.5e-3, tell=lesson.tell)
    return network, {"loss": last}


def _shaken(mouths: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return the mouth pictures of one take (N, 40, 40, 3), all shifted and mirrored alike."""
    y, x = rng.integers(-2, 3, 2)
    moved = np.roll(mouths, (y, x), axis=(1, 2))
    if rng.random() < 0.5:
        moved = moved[:, :, ::-1]
    if rng.random() < 0.2:
        moved = np.repeat(moved.mean(axis=3, keepdims=True), 3, axis=3).astype(np.uint8)
    return moved


def _runs(mouths: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.concatenate([mouths[i : i + WINDOWS] for i in range(LIP_FRAMES)], axis=3)


def _sounds(
    sound: NDArray[np.float32],
    takes: NDArray[np.int64],
    starts: NDArray[np.int64],
    rng: np.random.Generator,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return the sound windows (T * 46, 20, 13) around each block of windows, and which of them exist (T, 46)."""
    count = WINDOWS + 2 * REACH
    rows = np.zeros((len(takes) * count, SOUND_ROWS, sound.shape[2]), dtype=np.float32)
    there = np.zeros((len(takes), count), dtype=bool)
    for i, (take, at) in enumerate(zip(takes, starts, strict=True)):
        louder = np.zeros(sound.shape[2], dtype=np.float32)
        louder[0] = 2.0 * rng.standard_normal()
        for j in range(count):
            first = _ROWS_PER_FRAME * (int(at) - REACH + j)
            if first >= 0 and first + SOUND_ROWS <= sound.shape[1]:
                rows[i * count + j] = sound[take, first : first + SOUND_ROWS] + louder
                there[i, j] = True
    return rows, there


def _shift_loss(lips: Tensor, heard: Tensor, there: Tensor, scale: Tensor) -> Tensor:
    """Return how badly the right shift is told from 30 others and from other takes, per window and per block."""
    takes, windows, _ = lips.shape
    distance = torch.cdist(lips, heard)  # (T, W, W + 30)
    place = torch.arange(windows)[:, None] + torch.arange(2 * REACH + 1)[None]
    curve = distance.gather(2, place[None].expand(takes, -1, -1))
    known = there[:, None, :].expand(-1, windows, -1).gather(2, place[None].expand(takes, -1, -1))
    others = torch.cdist(lips, heard[:, REACH : REACH + windows].roll(1, dims=0)).diagonal(dim1=1, dim2=2)[..., None]
    far = -1e4
    single = torch.cat([(-scale * curve**2).masked_fill(~known, far), -scale * others**2], dim=2)
    target = torch.full((takes * windows,), REACH)
    loss = functional.cross_entropy(single.flatten(0, 1), target)
    mean = (curve * known).sum(dim=1) / known.sum(dim=1).clamp(min=1)
    block = (-3 * scale * mean**2).masked_fill(known.sum(dim=1) < windows // 2, far)
    return loss + 0.5 * functional.cross_entropy(block, target[:takes])
