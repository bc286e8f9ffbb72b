"""Made-up arrays of the features ``binding`` and ``binding_mouths``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray]
TURN = 30  # frames


def binding(rng: np.random.Generator) -> Arrays:
    """Two or three persons who speak in turns and then all at once; one without a track now and then."""
    persons = int(rng.integers(2, 4))
    active = np.zeros((persons, TURN * persons + 70), bool)
    for person in range(persons):
        active[person, TURN * person : TURN * (person + 1)] = True
    active[:, -70:] = True
    frames = active.shape[1]
    box = np.zeros((persons, frames, 4), np.float32)
    windows = []
    for person in range(persons):
        if rng.random() < 0.9:
            box[person] = [150 * person + 20, 20, 150 * person + 140, 160]
            windows += [(person, frame) for frame in range(frames - 5)]
    at = np.array(windows, np.int64).reshape(-1, 2)
    distance = rng.normal(12, 0.3, (len(at), persons, 31))
    distance[np.arange(len(at)), at[:, 0] if rng.random() < 0.7 else 0, 15] -= rng.uniform(0, 6)
    return {
        "name": np.array([f"person {person}" for person in range(persons)]),
        "active": active,
        "box": box,
        "identity": rng.uniform(0, 1, persons).astype(np.float32),
        "tracks": np.array(persons),
        "window_person": at[:, 0],
        "window_frame": at[:, 1],
        "distance": np.abs(distance).astype(np.float32),
        "ood_score": rng.uniform(0, 0.9, len(at)).astype(np.float32),
        "motion": rng.uniform(0, 6, len(at)).astype(np.float32),
    }


def binding_mouths(rng: np.random.Generator, arrays: Arrays) -> Arrays:
    """Mouths that open where their person is followed."""
    opening = np.abs(rng.normal(0.2, 0.1, arrays["box"].shape[:2])).astype(np.float32)
    opening[~(arrays["box"] != 0).any(axis=2)] = np.nan
    return {"opening": opening}
