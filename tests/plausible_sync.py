"""Made-up arrays of the features ``syncnet`` and ``syncnet_whole``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray]


def syncnet(rng: np.random.Generator) -> Arrays:
    """One or two tracks of 101 to 140 detections, all heard, now and then without the file's own sound."""
    lengths = rng.integers(101, 140, int(rng.integers(1, 3)))
    first = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    frames = int(lengths.sum() + rng.integers(0, 30))
    arrays = _windows(rng, [int(length) - 5 for length in lengths])
    return {
        "faces": rng.integers(0, 3, frames),
        "scene_start": np.zeros(1, dtype=np.int64),
        "track_first": first.astype(np.int64),
        "track_last": (first + lengths - 1).astype(np.int64),
        "track_detections": lengths.astype(np.int64),
        "track_box": rng.uniform(100, 300, (len(lengths), 4)).astype(np.float32),
        "scene_start_mocha": np.zeros(1, dtype=np.int64),
        "track_latentsync": np.ones(len(lengths), dtype=bool),
        "track_mocha": np.arange(len(lengths)) >= rng.integers(0, len(lengths)),
        "others_latentsync": np.empty((0, 4), np.float32),
        "others_mocha": np.array([[3, 40, 30, 120]], np.float32),
        **arrays,
    }


def syncnet_replicate(rng: np.random.Generator) -> Arrays:
    """The same from files, with their own sound only."""
    made = syncnet(rng)
    curves = rng.uniform(5, 15, (len(made["window_track"]), 31)).astype(np.float32)
    dropped = ("scene_start_mocha", "track_latentsync", "track_mocha", "others_mocha", "official", "has_official")
    dropped += ("mix_official", "mix_own")
    return {name: array for name, array in made.items() if name not in dropped} | {
        "own": curves,
        "has_own": np.array(True),
    }


def syncnet_whole(rng: np.random.Generator) -> Arrays:
    """One stretch of 20 to 100 windows."""
    windows = int(rng.integers(20, 100))
    return {"faces": np.full(windows + 5, -1, dtype=np.int64), **_windows(rng, [windows])}


def _windows(rng: np.random.Generator, windows: list[int]) -> Arrays:
    count = sum(windows)
    has_own = bool(rng.random() < 0.9)
    curves = rng.uniform(5, 15, (2, count, 31)).astype(np.float32)
    return {
        "window_track": np.repeat(np.arange(len(windows)), windows),
        "official": curves[0],
        "own": curves[1] if has_own else np.full((count, 31), np.nan, dtype=np.float32),
        "silent": rng.uniform(5, 15, count).astype(np.float32),
        "ood_score": rng.uniform(0.1, 0.9, count).astype(np.float32),
        "motion": rng.uniform(3, 20, count).astype(np.float32),
        "has_official": np.array(True),
        "has_own": np.array(has_own),
        "mix_official": np.array(np.nan),
        "mix_own": rng.choice([0.1, 1.8, np.nan]),
    }
