"""What each bundled network is taught, from the arrays of `data`. A lesson returns the network and figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from evalkit.metrics.features.networks.small import (
    CLIP_DIMENSION,
    FACE_DIMENSION,
    FRAME_DIMENSION,
    ClipNet,
    FaceNet,
    FrameNet,
    TextNets,
    last_channels,
)
from evalkit.metrics.features.networks.small_inputs import WordNumbers, shrunk
from evalkit.reference_models.bundled.data import load_data
from evalkit.reference_models.bundled.degrade import COUNT, KINDS
from evalkit.reference_models.bundled.fit import begin, fit, moved, planes, recoloured, set_standard, tensor

Tell = Callable[[int, float], None]
Figures = dict[str, float]


@dataclass(frozen=True)
class Lesson:
    """How to train one network: where the data lie, the seed, what share of the usual steps."""

    folder: Path
    seed: int
    effort: float = 1.0
    tell: Tell | None = None

    def steps(self, usual: int) -> int:
        """Return the number of steps."""
        return max(2, round(usual * self.effort))


def learn_frames(lesson: Lesson) -> tuple[nn.Module, Figures]:
    """Faults and looks from the vector of a frame, by one linear layer, so that both lie open in the vector."""
    rng = begin(lesson.seed * 10 + 1)
    frames, faults, looks = load_data(lesson.folder, "pictures", "frame", "faults", "looks")
    network = FrameNet()
    last_channels(network)
    heads = nn.Linear(FRAME_DIMENSION, COUNT + looks.shape[1])
    targets = tensor(np.concatenate([np.abs(faults), looks], axis=1))

    def loss_of(rng: np.random.Generator) -> Tensor:
        rows = rng.integers(0, len(frames), 48)
        told = heads(network(planes(frames[rows])))
        return functional.smooth_l1_loss(told, targets[rows], beta=0.2) * 10

    last = fit([network, heads], loss_of, rng, steps=lesson.steps(1000), tell=lesson.tell)
    clean = np.flatnonzero(np.abs(faults).max(axis=1) == 0)[:1500]
    with torch.no_grad():
        set_standard(network, torch.cat([network(planes(frames[part])) for part in np.array_split(clean, 30)]))
    return network, {"loss": last}


def learn_clips(lesson: Lesson) -> tuple[nn.Module, Figures]:
    """What is wrong with a clip in time, and how much it is blurred, noisy or shaking; and who it shows."""
    rng = begin(lesson.seed * 10 + 2)
    clips, kinds, faults, looks = load_data(lesson.folder, "clips", "clip", "kind", "clip_faults", "clip_looks")
    network = ClipNet()
    heads = nn.Linear(CLIP_DIMENSION, len(KINDS) + faults.shape[1] + looks.shape[1])
    answers, numbers = tensor(kinds), tensor(np.concatenate([faults, looks], axis=1))

    def volume(rows: NDArray[np.int64]) -> Tensor:
        return tensor(clips[rows]).permute(0, 4, 1, 2, 3).to(torch.float32).div_(255.0).contiguous()

    def loss_of(rng: np.random.Generator) -> Tensor:
        rows = rng.integers(0, len(clips), 12)
        x = volume(rows)
        if rng.random() < 0.5:
            x = x.flip(4)
        gain = tensor(rng.uniform(0.8, 1.2, (len(rows), 1, 1, 1, 1)).astype(np.float32))
        told = heads(network((x * gain).clamp_(0, 1)))
        kind = functional.cross_entropy(told[:, : len(KINDS)], answers[rows])
        return kind + 5 * functional.smooth_l1_loss(told[:, len(KINDS) :], numbers[rows], beta=0.2)

    last = fit([network, heads], loss_of, rng, steps=lesson.steps(1000), tell=lesson.tell)
    clean = np.flatnonzero((kinds == 0) & (faults.max(axis=1) == 0))[:600]
    with torch.no_grad():
        set_standard(network, torch.cat([network(volume(part)) for part in np.array_split(clean, 60)]))
    return network, {"loss": last}


def learn_faces(lesson: Lesson) -> tuple[nn.Module, Figures]:
    """Who it is: cosines to one vector per person, with a margin (Wang et al., CosFace, CVPR 2018)."""
    rng = begin(lesson.seed * 10 + 3)
    faces, people = load_data(lesson.folder, "pictures", "face", "person")
    labels = tensor(people)
    network = FaceNet()
    last_channels(network)
    centres = nn.Linear(FACE_DIMENSION, int(people.max()) + 1, bias=False)
    margin, scale = 0.2, 20.0

    def loss_of(rng: np.random.Generator) -> Tensor:
        rows = rng.integers(0, len(faces), 96)
        x = recoloured(planes(moved(faces[rows], rng, 2)), rng)
        cosine = functional.normalize(network(x)) @ functional.normalize(centres.weight).T
        cosine = cosine - margin * functional.one_hot(labels[rows], cosine.shape[1])
        return functional.cross_entropy(scale * cosine, labels[rows])

    last = fit([network, centres], loss_of, rng, steps=lesson.steps(1000), decay=5e-2, tell=lesson.tell)
    return network, {"loss": last}


def learn_text(lesson: Lesson) -> tuple[nn.Module, Figures]:
    """Which caption belongs to which picture of a batch (Radford et al., CLIP, ICML 2021, in small)."""
    rng = begin(lesson.seed * 10 + 4)
    wholes, captions = load_data(lesson.folder, "pictures", "whole", "caption")
    small = np.stack([shrunk(whole, 96) for whole in wholes])
    numbers = tensor(WordNumbers().tokens([str(text) for text in captions]).numbers)
    longest = int((numbers > 0).sum(dim=1).max())
    numbers = numbers[:, : longest + 2]
    network = TextNets()
    last_channels(network)

    def loss_of(rng: np.random.Generator) -> Tensor:
        rows = rng.permutation(len(small))[:128]
        x = recoloured(planes(moved(small[rows], rng, 4)), rng, 0.12)
        told = network.embed_texts(numbers[rows])
        seen = network.embed_pictures(x)
        cosine = functional.normalize(seen) @ functional.normalize(told).T
        logits = network.logit_scale.exp().clamp(max=100) * cosine
        same = tensor(captions[rows][:, None] == captions[rows][None, :])
        target = same.float() / same.sum(dim=1, keepdim=True)
        return (functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target)) / 2

    last = fit([network], loss_of, rng, steps=lesson.steps(700), tell=lesson.tell)
    return network, {"loss": last}
