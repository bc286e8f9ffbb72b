"""Made-up arrays of the CLIP features: vectors around a common direction, as CLIP's are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray]
DIMENSIONS = 24


def frames(rng: np.random.Generator) -> Arrays:
    """16 picks of a video of 4 to 40 frames, which resemble one another."""
    count = int(rng.integers(4, 41))
    picks = np.round(np.linspace(0, count - 1, 16))
    rows = np.unique(picks, return_inverse=True)[1]
    common = rng.normal(size=DIMENSIONS)
    spread = rng.uniform(0.1, 1.5) * rng.normal(size=(int(rows.max()) + 1, DIMENSIONS))
    return {"embedding": (common + spread).astype(np.float32), "row": rows.astype(np.int64)}


def aesthetic(rng: np.random.Generator) -> Arrays:
    """Scores of 16 picks of a video of 4 to 40 frames."""
    rows = np.unique(np.round(np.linspace(0, int(rng.integers(4, 41)) - 1, 16)), return_inverse=True)[1]
    return {"score": rng.uniform(3, 7) + rng.normal(0, 0.1, int(rows.max()) + 1), "row": rows.astype(np.int64)}


def text(rng: np.random.Generator, forms: int = 2) -> Arrays:
    """A prompt in one or two forms, now and then too long."""
    tokens = int(rng.integers(3, 120)) + np.arange(forms) * 3
    return {"embedding": rng.normal(size=(forms, DIMENSIONS)).astype(np.float32), "tokens": tokens.astype(np.int64)}


def text_large(rng: np.random.Generator) -> Arrays:
    """The prompt in one form."""
    return text(rng, forms=1)


def reference(rng: np.random.Generator) -> Arrays:
    """One to three reference images."""
    return {"embedding": rng.normal(size=(int(rng.integers(1, 4)), DIMENSIONS)).astype(np.float32)}


def dino_frames(rng: np.random.Generator) -> Arrays:
    """The same of DINO."""
    made = frames(rng)
    return {"activation": made["embedding"], "row": made["row"]}


def dino_reference(rng: np.random.Generator) -> Arrays:
    """One to three reference images, by DINO."""
    return {"activation": reference(rng)["embedding"]}


def timeline_frames(rng: np.random.Generator) -> Arrays:
    """Five seconds at eight frames a second."""
    common = rng.normal(size=DIMENSIONS)
    spread = rng.uniform(0.1, 1.5) * rng.normal(size=(40, DIMENSIONS))
    middle = (np.arange(40) + 0.5) / 8
    return {"embedding": (common + spread).astype(np.float32), "time": middle, "length": np.array(5.0)}


def timeline_events(rng: np.random.Generator) -> Arrays:
    """Two to four events, now and then one after the end of the video."""
    count = int(rng.integers(2, 5))
    edges = np.linspace(0.0, rng.choice([5.0, 5.0, 9.0]), count + 1)
    embedding = rng.normal(size=(count, DIMENSIONS)).astype(np.float32)
    tokens = rng.integers(3, 90, count)
    return {"embedding": embedding, "tokens": tokens, "time": np.stack([edges[:-1], edges[1:]], axis=1)}


def perfect(rng: np.random.Generator) -> dict[str, Arrays]:
    """A video whose every frame is the reference image."""
    one = rng.normal(size=DIMENSIONS).astype(np.float32)
    still = {"embedding": np.tile(one, (16, 1)), "row": np.arange(16)}
    dino = {"activation": still["embedding"], "row": still["row"]}
    return {
        "clip_frames": still,
        "clip_frames_vbench": still,
        "clip_reference": {"embedding": one[None]},
        "dino_frames": dino,
        "dino_frames_uniform": dino,
        "dino_reference": {"activation": one[None]},
    }
