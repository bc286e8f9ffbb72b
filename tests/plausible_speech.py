"""Made-up arrays of the features of metrics/speech."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray]
Rng = np.random.Generator


def speech_pair(rng: Rng) -> Arrays:
    """A few seconds of speech on both sides, silent now and then."""
    seconds = rng.uniform(2, 6)
    return {
        "seconds": np.array([seconds + rng.choice([0.0, 0.01, 0.5]), seconds]),
        "loudest": np.array([rng.choice([0.0, 0.3], p=[0.1, 0.9]), 0.4]),
        "clipped": np.array([rng.choice([0, 7]), 0]),
        "delay": np.array(rng.uniform(-0.05, 0.05)),
        "correlation": np.array(rng.random()),
    }


def voice_activity(rng: Rng) -> Arrays:
    """Three seconds, mostly speech; rarely none in the generated sound."""
    sides = {name: (rng.random(94) < 0.95).astype(np.float32) for name in ("generated", "reference")}
    if rng.random() < 0.1:
        sides["generated"][:] = 0.01
    return {**sides, "samples": np.array([47900, 48000]), "by_network": np.array(rng.random() < 0.9)}


def transcripts(rng: Rng) -> Arrays:
    """Nine words, some of them misheard; now and then nothing at all."""
    words = ["and", "then", "we", "went", "on", "to", "the", "last", "one"]
    heard = [word if rng.random() < 0.7 else "what" for word in words] if rng.random() < 0.9 else []
    return {"hypothesis": np.array(" ".join(heard)), "reference": np.array(" ".join(words))}


FEATURES = {
    "speech_pair": speech_pair,
    "voice_activity": voice_activity,
    "transcript_sphinx": transcripts,
    "transcript_imported": transcripts,
}
