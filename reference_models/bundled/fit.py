"""The training loop that all bundled networks share: fixed steps, one thread, every draw from a seed."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Batch = Callable[[np.random.Generator], Tensor]
WARM_UP = 0.08  # share of the steps


def begin(seed: int) -> np.random.Generator:
    """Make PyTorch deterministic and on one thread; return the generator of all that is drawn."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(seed)
    return np.random.Generator(np.random.PCG64([seed, 0xF17]))


def fit(
    parts: list[nn.Module],
    loss_of: Batch,
    rng: np.random.Generator,
    *,
    steps: int,
    rate: float = 2e-3,
    decay: float = 1e-2,
    tell: Callable[[int, float], None] | None = None,
) -> float:
    """Train ``parts`` on what ``loss_of`` returns for each step, AdamW with a cosine; return the last tenth's mean.

    Args:
        parts: networks and heads whose parameters are trained.
        loss_of: draws a batch and returns its loss.
        rng: goes to ``loss_of``.
        steps: how many.
        rate: largest learning rate.
        decay: of the weights.
        tell: called with every step and its loss.
    """
    parameters = [parameter for part in parts for parameter in part.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=rate, weight_decay=decay)
    last: list[float] = []
    for part in parts:
        part.train()
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate * _schedule(step / steps)
        loss = loss_of(rng)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(parameters, 5.0)
        optimizer.step()
        value = float(loss.detach())
        if step >= min(0.9 * steps, steps - 1):
            last.append(value)
        if tell:
            tell(step, value)
    for part in parts:
        part.eval()
    return float(np.mean(last))


def _schedule(share: float) -> float:
    return min(1.0, (share + 1e-3) / WARM_UP) * (0.5 + 0.5 * math.cos(math.pi * share))


def tensor(array: NDArray[Any]) -> Tensor:
    """Return a copy in PyTorch's own memory, aligned alike in every run."""
    return torch.from_numpy(np.ascontiguousarray(array)).clone()


def planes(pictures: NDArray[np.uint8]) -> Tensor:
    """Return (N, C, H, W) float32 of 0..1, channels last in memory, of (N, H, W, C) uint8."""
    return tensor(pictures).permute(0, 3, 1, 2).to(torch.float32).div_(255.0)


def recoloured(x: Tensor, rng: np.random.Generator, strength: float = 0.25) -> Tensor:
    """Return pictures (N, C, H, W) in other light: a gain and an offset for each, some of them grey."""
    count = len(x)
    gain = tensor((1 + strength * rng.uniform(-1, 1, (count, 1, 1, 1))).astype(np.float32))
    lift = tensor((0.4 * strength * rng.uniform(-1, 1, (count, 1, 1, 1))).astype(np.float32))
    return (x * gain + lift).clamp_(0, 1)


def moved(pictures: NDArray[np.uint8], rng: np.random.Generator, reach: int) -> NDArray[np.uint8]:
    """Return pictures (N, H, W, C), each shifted by up to ``reach`` pixels, edges repeated, half of them mirrored."""
    padded = np.pad(pictures, ((0, 0), (reach, reach), (reach, reach), (0, 0)), mode="edge")
    height, width = pictures.shape[1:3]
    offsets = rng.integers(0, 2 * reach + 1, (len(pictures), 2))
    mirrored = rng.random(len(pictures)) < 0.5
    result = np.empty_like(pictures)
    for row, ((y, x), flip) in enumerate(zip(offsets, mirrored, strict=True)):
        part = padded[row, y : y + height, x : x + width]
        result[row] = part[:, ::-1] if flip else part
    return result


def set_standard(network: Any, vectors: Tensor) -> None:
    """Measure mean and deviation of a network's ``vectors`` (N, D) and make it standardise by them."""
    network.standardise.mean.copy_(vectors.mean(dim=0))
    network.standardise.scale.copy_(1.0 / vectors.std(dim=0).clamp(min=1e-3))
