"""A tiny test set of moving shapes, a submission that answers it, and bundles made of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import shapes
from builders.hosting import choices

from evalkit.hosting.codabench.writing import write_codabench

SAMPLES, SECONDS, SIZE = 3, 0.4, 96


@dataclass(frozen=True)
class World:
    """Where the test set, the submission and a Codabench bundle lie; nobody may change them."""

    root: Path
    testset: Path
    zip: Path
    codabench: Path


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Return the world."""
    root = tmp_path_factory.mktemp("hosting")
    testset = shapes.write_testset(root / "testset", SAMPLES, SECONDS, SIZE)
    team = shapes.write_submission(root / "team.zip", SAMPLES, SECONDS, shapes.blur(1.5), SIZE)
    write_codabench(choices(root, testset=testset), root / "bundle")
    return World(root, testset, team, root / "bundle" / "bundle.zip")
