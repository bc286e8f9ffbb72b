"""Clips and sinks for tests of inspect_media."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from clip_tools import number_of

from evalkit.media.facts import MediaFacts
from evalkit.media.inspect import inspect_media


def facts_of(path: Path) -> MediaFacts:
    return inspect_media(path).facts


# --- sinks ------------------------------------------------------------------------------------------------------------


class Recorder:
    """A sink that wants some frames (all, unless told otherwise) and writes down what it got."""

    def __init__(self, want=None) -> None:
        self.want = want
        self.plans: list[np.ndarray] = []
        self.got: list[tuple[int, float, int]] = []

    def plan(self, times):
        self.plans.append(times)
        self.got = []
        mask = np.zeros(len(times), bool)
        mask[slice(None) if self.want is None else [index for index in self.want if index < len(times)]] = True
        return mask

    def frame(self, index, time, rgb):
        self.got.append((index, time, number_of(rgb) if min(rgb.shape[:2]) >= 32 and rgb.shape[1] >= 64 else -1))
