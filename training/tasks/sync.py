"""Training task of the lip-sync network: embeddings of mouth crops and of audio windows."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from evalkit.metrics.networks.small.models import LIP_FRAMES, SOUND_ROWS, SyncNets
from training.dataset import load_arrays
from training.loop import fit, image_batch, start_training, to_tensor
from training.tasks.base import Figures, TrainingOptions
from training.tasks.known_faces import fit_known_faces

TAKES = 12  # per batch
WINDOWS = 16  # consecutive windows of each take
MAX_SHIFT = 15  # frames
_ROWS_PER_FRAME = 4  # MFCC rows at 100 Hz, frames at 25


def train_sync(options: TrainingOptions) -> tuple[nn.Module, Figures]:
    """Classify which of 31 shifts of the audio belongs to five mouth crops; audio of other takes is a negative."""
    rng = start_training(options.seed * 10 + 6)
    mouths, audio = load_arrays(options.dataset, "clips", "mouths", "audio")
    network = SyncNets()
    flat = to_tensor(audio.reshape(-1, audio.shape[2]))
    network.level.get_buffer("mean").copy_(flat.mean(dim=0))
    network.level.get_buffer("scale").copy_(1.0 / flat.std(dim=0))
    temperature = nn.Parameter(torch.tensor(-3.0))
    windows = min(mouths.shape[1] - LIP_FRAMES, (audio.shape[1] - SOUND_ROWS) // _ROWS_PER_FRAME) + 1

    def compute_loss(rng: np.random.Generator) -> Tensor:
        takes = rng.permutation(len(mouths))[:TAKES]
        starts = rng.integers(0, windows - WINDOWS + 1, TAKES)
        crops = np.concatenate(
            [_stack_frames(_augment(mouths[take, start : start + WINDOWS + LIP_FRAMES - 1], rng)) for take, start in
             zip(takes, starts, strict=True)]
        )  # fmt: skip
        gain = np.repeat(rng.uniform(0.75, 1.25, TAKES), WINDOWS).astype(np.float32)
        lips = network.embed_lips((image_batch(crops) * to_tensor(gain)[:, None, None, None]).clamp_(0, 1))
        rows, valid = _audio_windows(audio, takes, starts, rng)
        audio_embeddings = network.embed_sound(to_tensor(rows)).reshape(TAKES, WINDOWS + 2 * MAX_SHIFT, -1)
        scale = temperature.exp().clamp(max=0.25)
        return _shift_loss(lips.reshape(TAKES, WINDOWS, -1), audio_embeddings, to_tensor(valid), scale)

    parameters = nn.ParameterList([temperature])
    loss = fit([network, parameters], compute_loss, rng, steps=options.steps(1000), learning_rate=1.5e-3)
    figures = fit_known_faces(network.known_faces, options.dataset)
    return network, {"loss": loss, **figures}


def _augment(mouths: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return the mouth crops of one take (N, 40, 40, 3), all shifted, mirrored and made grey alike."""
    y, x = rng.integers(-2, 3, 2)
    shifted = np.roll(mouths, (y, x), axis=(1, 2))
    if rng.random() < 0.5:
        shifted = shifted[:, :, ::-1]
    if rng.random() < 0.2:
        shifted = np.repeat(shifted.mean(axis=3, keepdims=True), 3, axis=3).astype(np.uint8)
    return shifted


def _stack_frames(mouths: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return windows of five consecutive crops, stacked as channels: (16, 40, 40, 15)."""
    return np.concatenate([mouths[i : i + WINDOWS] for i in range(LIP_FRAMES)], axis=3)


def _audio_windows(
    audio: NDArray[np.float32],
    takes: NDArray[np.int64],
    starts: NDArray[np.int64],
    rng: np.random.Generator,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return the audio windows (T * 46, 20, 13) around each block of windows, and which of them exist (T, 46)."""
    count = WINDOWS + 2 * MAX_SHIFT
    rows = np.zeros((len(takes) * count, SOUND_ROWS, audio.shape[2]), dtype=np.float32)
    valid = np.zeros((len(takes), count), dtype=bool)
    for i, (take, start) in enumerate(zip(takes, starts, strict=True)):
        loudness = np.zeros(audio.shape[2], dtype=np.float32)
        loudness[0] = 2.0 * rng.standard_normal()
        for j in range(count):
            first = _ROWS_PER_FRAME * (int(start) - MAX_SHIFT + j)
            if first >= 0 and first + SOUND_ROWS <= audio.shape[1]:
                rows[i * count + j] = audio[take, first : first + SOUND_ROWS] + loudness
                valid[i, j] = True
    return rows, valid


def _shift_loss(lips: Tensor, audio: Tensor, valid: Tensor, scale: Tensor) -> Tensor:
    """Return the cross-entropy of the right shift among 30 others and another take, per window and per block.

    Args:
        lips: (T, W, D) embeddings.
        audio: (T, W + 30, D) embeddings.
        valid: (T, W + 30), whether the audio window lies inside the take.
        scale: of the squared distances, a scalar.
    """
    takes, windows, _ = lips.shape
    distance = torch.cdist(lips, audio)  # (T, W, W + 30)
    position = torch.arange(windows)[:, None] + torch.arange(2 * MAX_SHIFT + 1)[None]
    curve = distance.gather(2, position[None].expand(takes, -1, -1))
    known = valid[:, None, :].expand(-1, windows, -1).gather(2, position[None].expand(takes, -1, -1))
    aligned = audio[:, MAX_SHIFT : MAX_SHIFT + windows]
    others = torch.cdist(lips, aligned.roll(1, dims=0)).diagonal(dim1=1, dim2=2)[..., None]
    masked = -1e4
    logits = torch.cat([(-scale * curve**2).masked_fill(~known, masked), -scale * others**2], dim=2)
    target = torch.full((takes * windows,), MAX_SHIFT)
    loss = functional.cross_entropy(logits.flatten(0, 1), target)
    mean = (curve * known).sum(dim=1) / known.sum(dim=1).clamp(min=1)
    block = (-3 * scale * mean**2).masked_fill(known.sum(dim=1) < windows // 2, masked)
    return loss + 0.5 * functional.cross_entropy(block, target[:takes])
