"""The training loop and augmentations that all bundled networks share: fixed steps, one thread, every draw seeded."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

WARM_UP = 0.08  # share of the steps


def start_training(seed: int) -> np.random.Generator:
    """Make PyTorch deterministic and single-threaded, seed it, and return the generator that draws batches."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(seed)
    return np.random.Generator(np.random.PCG64([seed, 0xF17]))


def fit(
    modules: list[nn.Module],
    compute_loss: Callable[[np.random.Generator], Tensor],
    rng: np.random.Generator,
    *,
    steps: int,
    learning_rate: float = 2e-3,
    weight_decay: float = 1e-2,
) -> float:
    """Train ``modules`` with AdamW and a cosine schedule; return the mean loss of the last tenth of the steps.

    Args:
        modules: network and heads whose parameters are trained.
        compute_loss: draws a batch and returns its loss.
        rng: passed to ``compute_loss``.
        steps: how many.
        learning_rate: the largest one.
        weight_decay: of AdamW.
    """
    parameters = [parameter for module in modules for parameter in module.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=learning_rate, weight_decay=weight_decay)
    last: list[float] = []
    for module in modules:
        module.train()
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * _schedule(step / steps)
        loss = compute_loss(rng)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(parameters, 5.0)
        optimizer.step()
        if step >= min(0.9 * steps, steps - 1):
            last.append(float(loss.detach()))
    for module in modules:
        module.eval()
    return float(np.mean(last))


def _schedule(share: float) -> float:
    return min(1.0, (share + 1e-3) / WARM_UP) * (0.5 + 0.5 * math.cos(math.pi * share))


def to_tensor(array: NDArray[Any]) -> Tensor:
    """Return a copy in PyTorch's own memory: its alignment, and so the order of sums, is the same in every run."""
    return torch.from_numpy(np.ascontiguousarray(array)).clone()


def image_batch(images: NDArray[np.uint8]) -> Tensor:
    """Return (N, C, H, W) float32 of 0..1, channels last in memory, of (N, H, W, C) uint8."""
    return to_tensor(images).permute(0, 3, 1, 2).to(torch.float32).div_(255.0)


def jitter_colours(x: Tensor, rng: np.random.Generator, strength: float = 0.25) -> Tensor:
    """Return images (N, C, H, W) of 0..1 with a random gain and offset each."""
    count = len(x)
    gain = to_tensor((1 + strength * rng.uniform(-1, 1, (count, 1, 1, 1))).astype(np.float32))
    offset = to_tensor((0.4 * strength * rng.uniform(-1, 1, (count, 1, 1, 1))).astype(np.float32))
    return (x * gain + offset).clamp_(0, 1)


def shift_and_mirror(
    images: NDArray[np.uint8], rng: np.random.Generator, pixels: int, mirrored: NDArray[np.bool_] | None = None
) -> NDArray[np.uint8]:
    """Return images (N, H, W, C), each shifted by up to ``pixels``, edges repeated, half of them mirrored.

    Args:
        images: the images.
        rng: draws.
        pixels: the largest shift.
        mirrored: (N,) which are mirrored; by default drawn.
    """
    padded = np.pad(images, ((0, 0), (pixels, pixels), (pixels, pixels), (0, 0)), mode="edge")
    height, width = images.shape[1:3]
    offsets = rng.integers(0, 2 * pixels + 1, (len(images), 2))
    if mirrored is None:
        mirrored = rng.random(len(images)) < 0.5
    result = np.empty_like(images)
    for row, ((y, x), mirror) in enumerate(zip(offsets, mirrored, strict=True)):
        part = padded[row, y : y + height, x : x + width]
        result[row] = part[:, ::-1] if mirror else part
    return result


def set_standardisation(network: Any, embeddings: Tensor) -> None:
    """Set the network's standardisation to mean and standard deviation of ``embeddings`` (N, D)."""
    network.standardise.mean.copy_(embeddings.mean(dim=0))
    network.standardise.scale.copy_(1.0 / embeddings.std(dim=0).clamp(min=1e-3))
