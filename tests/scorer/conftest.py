"""A few puppets, with what a model might make of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from evalkit.media.decode import iter_frames
from evalkit.reference_models.puppet.testset import PuppetTestSet, write_puppet_testset
from evalkit.testsets.loading import load_testset
from evalkit.testsets.model import TestSet


@dataclass(frozen=True)
class Puppets:
    """A test set, a cache that its tests share, and its videos as frames."""

    testset: TestSet
    cache: Path
    real: Mapping[str, NDArray[np.uint8]]

    def darker(self, sample: str) -> NDArray[np.uint8]:
        """Return a video that is worse than the real one."""
        return (self.real[sample].astype(np.float32) * 0.8 + 6).astype(np.uint8)


@pytest.fixture(scope="session")
def puppets(tmp_path_factory: pytest.TempPathFactory) -> Puppets:
    """Four puppets, small."""
    return _puppets(tmp_path_factory.mktemp("puppets"), 4, 128)


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> Puppets:
    """Two puppets, large enough for lip sync."""
    return _puppets(tmp_path_factory.mktemp("large"), 2, 256)


def _puppets(root: Path, count: int, size: int) -> Puppets:
    folder = write_puppet_testset(PuppetTestSet(root / "testset", 4711, count, seconds=2.12, size=size), 1)
    testset = load_testset(folder)
    real = {one.id: np.stack(list(iter_frames(testset.path(str(one.reference_video))))) for one in testset}
    return Puppets(testset, root / "cache", real)
