"""Training tasks of the networks that embed frames, clips, faces, and images with captions."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from evalkit.metrics.networks.small.inputs import WordNumbers, shrunk
from evalkit.metrics.networks.small.models import (
    CLIP_DIMENSION,
    FACE_DIMENSION,
    FRAME_DIMENSION,
    ActionNets,
    ClipNet,
    FaceNet,
    FrameNet,
    TextNets,
    last_channels,
)
from training.dataset import SENTENCES, load_arrays
from training.degrade import FAULT_COUNT, TEMPORAL_FAULTS
from training.loop import (
    fit,
    image_batch,
    jitter_colours,
    set_standardisation,
    shift_and_mirror,
    start_training,
    to_tensor,
)
from training.tasks.base import Figures, TrainingOptions

ACTION_BATCH, ACTION_STEPS = 72, 1000


def train_frames(options: TrainingOptions) -> tuple[nn.Module, Figures]:
    """Regress faults and appearance from a frame's embedding by one linear layer, so that both stay linear in it."""
    rng = start_training(options.seed * 10 + 1)
    frames, faults, appearance = load_arrays(options.dataset, "images", "frame", "faults", "appearance")
    network = FrameNet()
    last_channels(network)
    heads = nn.Linear(FRAME_DIMENSION, FAULT_COUNT + appearance.shape[1])
    targets = to_tensor(np.concatenate([np.abs(faults), appearance], axis=1))

    def compute_loss(rng: np.random.Generator) -> Tensor:
        rows = rng.integers(0, len(frames), 48)
        predicted = heads(network(image_batch(frames[rows])))
        return functional.smooth_l1_loss(predicted, targets[rows], beta=0.2) * 10

    loss = fit([network, heads], compute_loss, rng, steps=options.steps(1000))
    clean = np.flatnonzero(np.abs(faults).max(axis=1) == 0)[:1500]
    with torch.no_grad():
        embeddings = [network(image_batch(frames[part])) for part in np.array_split(clean, 30)]
        set_standardisation(network, torch.cat(embeddings))
    return network, {"loss": loss}


def train_clips(options: TrainingOptions) -> tuple[nn.Module, Figures]:
    """Classify the temporal fault of a clip; regress its blur, noise and jitter, and the appearance of the person."""
    rng = start_training(options.seed * 10 + 2)
    clips, temporal, strengths, appearance = load_arrays(
        options.dataset, "clips", "clip", "temporal_fault", "clip_faults", "clip_appearance"
    )
    network = ClipNet()
    heads = nn.Linear(CLIP_DIMENSION, len(TEMPORAL_FAULTS) + strengths.shape[1] + appearance.shape[1])
    classes, numbers = to_tensor(temporal), to_tensor(np.concatenate([strengths, appearance], axis=1))

    def clip_batch(rows: NDArray[np.int64]) -> Tensor:
        return to_tensor(clips[rows]).permute(0, 4, 1, 2, 3).to(torch.float32).div_(255.0).contiguous()

    def compute_loss(rng: np.random.Generator) -> Tensor:
        rows = rng.integers(0, len(clips), 12)
        x = clip_batch(rows)
        if rng.random() < 0.5:
            x = x.flip(4)
        gain = to_tensor(rng.uniform(0.8, 1.2, (len(rows), 1, 1, 1, 1)).astype(np.float32))
        predicted = heads(network((x * gain).clamp_(0, 1)))
        classification = functional.cross_entropy(predicted[:, : len(TEMPORAL_FAULTS)], classes[rows])
        return classification + 5 * functional.smooth_l1_loss(
            predicted[:, len(TEMPORAL_FAULTS) :], numbers[rows], beta=0.2
        )

    loss = fit([network, heads], compute_loss, rng, steps=options.steps(1000))
    clean = np.flatnonzero((temporal == 0) & (strengths.max(axis=1) == 0))[:600]
    with torch.no_grad():
        set_standardisation(network, torch.cat([network(clip_batch(part)) for part in np.array_split(clean, 60)]))
    return network, {"loss": loss}


def train_faces(options: TrainingOptions) -> tuple[nn.Module, Figures]:
    """Classify the person by cosine similarity with a margin (Wang et al., CosFace, CVPR 2018)."""
    rng = start_training(options.seed * 10 + 3)
    faces, people = load_arrays(options.dataset, "images", "face", "person")
    labels = to_tensor(people)
    network = FaceNet()
    last_channels(network)
    centres = nn.Linear(FACE_DIMENSION, int(people.max()) + 1, bias=False)
    margin, scale = 0.2, 20.0

    def compute_loss(rng: np.random.Generator) -> Tensor:
        rows = rng.integers(0, len(faces), 96)
        x = jitter_colours(image_batch(shift_and_mirror(faces[rows], rng, 2)), rng)
        cosine = functional.normalize(network(x)) @ functional.normalize(centres.weight).T
        cosine = cosine - margin * functional.one_hot(labels[rows], cosine.shape[1])
        return functional.cross_entropy(scale * cosine, labels[rows])

    loss = fit([network, centres], compute_loss, rng, steps=options.steps(1000), weight_decay=5e-2)
    return network, {"loss": loss}


def train_text(options: TrainingOptions) -> tuple[nn.Module, Figures]:
    """Contrastive loss between images and captions of a batch (Radford et al., CLIP, ICML 2021)."""
    rng = start_training(options.seed * 10 + 4)
    wholes, captions = load_arrays(options.dataset, "images", "whole", "caption")
    images = np.stack([shrunk(whole, 96) for whole in wholes])
    numbers = to_tensor(WordNumbers().tokens([str(text) for text in captions]).numbers)
    longest = int((numbers > 0).sum(dim=1).max())
    numbers = numbers[:, : longest + 2]
    network = TextNets()
    last_channels(network)

    def compute_loss(rng: np.random.Generator) -> Tensor:
        rows = rng.permutation(len(images))[:128]
        x = jitter_colours(image_batch(shift_and_mirror(images[rows], rng, 4)), rng, 0.12)
        text_embeddings = network.embed_texts(numbers[rows])
        image_embeddings = network.embed_pictures(x)
        cosine = functional.normalize(image_embeddings) @ functional.normalize(text_embeddings).T
        logits = network.logit_scale.exp().clamp(max=100) * cosine
        return _contrastive_loss(logits, captions[rows])

    loss = fit([network], compute_loss, rng, steps=options.steps(700))
    return network, {"loss": loss}


def train_actions(options: TrainingOptions) -> tuple[nn.Module, Figures]:
    """Contrastive loss between frames of people who act and sentences of what they do, as in `train_text`.

    Mirrored, somebody who turns to the left turns to the right.
    """
    rng = start_training(options.seed * 10 + 7)
    images, sentences = load_arrays(options.dataset, "actions", "acting", "sentence")
    numbers = to_tensor(WordNumbers().tokens(SENTENCES).numbers)
    numbers = numbers[:, : int((numbers > 0).sum(dim=1).max()) + 2]
    mirror_image = np.array([SENTENCES.index(mirror_sentence(text)) for text in SENTENCES])
    network = ActionNets()
    last_channels(network)

    def compute_loss(rng: np.random.Generator) -> Tensor:
        rows = rng.permutation(len(images))[:ACTION_BATCH]
        mirrored = rng.random(len(rows)) < 0.5
        shown = np.where(mirrored, mirror_image[sentences[rows]], sentences[rows])
        x = jitter_colours(image_batch(shift_and_mirror(images[rows], rng, 5, mirrored)), rng, 0.12)
        image_embeddings = network.embed_pictures(x)
        text_embeddings = network.embed_texts(numbers)[to_tensor(shown)]
        cosine = functional.normalize(image_embeddings) @ functional.normalize(text_embeddings).T
        return _contrastive_loss(network.logit_scale.exp().clamp(max=100) * cosine, shown)

    loss = fit([network], compute_loss, rng, steps=options.steps(ACTION_STEPS))
    return network, {"loss": loss}


def mirror_sentence(sentence: str) -> str:
    """Return the sentence of the mirror image."""
    sides = {"left": "right", "right": "left"}
    return " ".join(sides.get(word, word) for word in sentence.split())


def _contrastive_loss(logits: Tensor, captions: NDArray[Any]) -> Tensor:
    """Return the loss of images (rows) and captions (columns) of one batch, ``captions`` (N,); equal ones all fit."""
    same = to_tensor(captions[:, None] == captions[None, :])
    target = same.float() / same.sum(dim=1, keepdim=True)
    return (functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target)) / 2
