"""Made-up arrays of the features of dubbing: regions of the face, paired face vectors, lip leakage."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import plausible_sync
from numpy.typing import NDArray

Arrays = dict[str, NDArray]
Rng = np.random.Generator
DIMENSIONS = 24


def compared(rng: Rng, pairs: int = 30) -> NDArray:
    """Nearly all of the reference."""
    return np.array([float(pairs), float(rng.integers(pairs, pairs + 7)), float(rng.choice([0.0, 1.5]))])


def paired_vectors(rng: Rng) -> Arrays:
    """16 pairs of frames, a face missing now and then."""
    found = {f"{name}_found": rng.random(16) < 0.9 for name in ("candidate", "reference")}
    vectors = {
        name: (rng.normal(size=(16, DIMENSIONS)) * found[f"{name}_found"][:, None]).astype(np.float32)
        for name in ("candidate", "reference")
    }
    return {"compared": compared(rng), **vectors, **found}


def face_region(rng: Rng) -> Arrays:
    """A face somewhere in 256 x 256."""
    low, size = rng.integers(0, 100, 2), rng.integers(60, 150, 2)
    return {
        "box": np.concatenate([low, low + size]).astype(np.int64),
        "frames": np.array(rng.integers(1, 17), dtype=np.int64),
        "frame_size": np.array([256, 256], dtype=np.int64),
    }


def closed_mouth(rng: Rng) -> Arrays:
    """Still lips against 95 windows of speech."""
    return {
        "official": rng.uniform(8, 14, (95, 31)).astype(np.float32),
        "silent": rng.uniform(8, 14, 95).astype(np.float32),
        "ood_score": np.array(rng.uniform(0, 1)),
        "frame": np.array(rng.integers(0, 100)),
        "opening": np.array(rng.uniform(0, 0.1)),
    }


def region_errors(rng: Rng) -> Arrays:
    """30 frames, the region empty now and then."""
    pixels = rng.integers(100, 2000, 30) * (rng.random(30) < 0.9)
    return {
        "compared": compared(rng),
        "squared_error": (pixels * rng.integers(0, 500)).astype(np.int64),
        "pixels": pixels,
    }


def mouth_visible(rng: Rng) -> Arrays:
    """125 frames at 25/s, the mouth partly covered for a while."""
    visible = np.ones(125)
    visible[int(rng.integers(0, 60)) :] = rng.uniform(0.4, 1)
    return {"frame_time": np.arange(125) / 25, "visible": visible}


FEATURES: dict[str, Callable[[Rng], Arrays]] = {
    "arcface_paired": paired_vectors,
    "arcface_idloss": paired_vectors,
    "glint_paired": paired_vectors,
    "reference_face_region": face_region,
    "occluded_pixels": region_errors,
    "outside_mouth_pixels": region_errors,
    "mouth_visible": mouth_visible,
    "syncnet_reference": plausible_sync.syncnet,
    "syncnet_closed_mouth": closed_mouth,
}


def perfect(rng: Rng) -> dict[str, Arrays]:
    """Return the arrays of a video that is its own reference."""
    vectors = rng.normal(size=(16, DIMENSIONS)).astype(np.float32)
    pairs = {
        "compared": np.array([30.0, 30.0, 0.0]),
        "candidate": vectors,
        "reference": vectors,
        "candidate_found": np.ones(16, bool),
        "reference_found": np.ones(16, bool),
    }
    equal = {"compared": pairs["compared"], "squared_error": np.zeros(30, np.int64), "pixels": np.full(30, 500)}
    return {
        **dict.fromkeys(("arcface_paired", "arcface_idloss", "glint_paired"), pairs),
        **dict.fromkeys(("occluded_pixels", "outside_mouth_pixels"), equal),
    }
