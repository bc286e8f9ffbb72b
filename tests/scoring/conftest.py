"""A tiny world of moving shapes: four samples of one second, and the submission that answers them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import shapes
from builders.runs import run

from evalkit.challenges.model import Challenge, load_challenge
from evalkit.submission.model import Submission
from evalkit.testsets.loading import load_testset
from evalkit.testsets.model import TestSet

SAMPLES, SECONDS, SIZE = 4, 1.0, 96


@dataclass(frozen=True)
class World:
    """Where the tiny world lies."""

    root: Path
    testset: Path
    zip: Path

    def samples(self) -> TestSet:
        return load_testset(self.testset)

    def challenge(self) -> Challenge:
        return load_challenge("talking-head")

    def submission(self) -> Submission:
        return Submission.open(self.zip, self.challenge().submission.archive)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Return a test set and a blurred submission; nobody may change them."""
    root = tmp_path_factory.mktemp("shapes")
    testset = shapes.write_testset(root / "testset", SAMPLES, SECONDS, SIZE)
    return World(root, testset, shapes.write_submission(root / "team.zip", SAMPLES, SECONDS, shapes.blur(1.5), SIZE))


@pytest.fixture(scope="module")
def straight(world, tmp_path_factory):
    """Return the folder of an undisturbed run, and its scorecard."""
    out = tmp_path_factory.mktemp("straight")
    return out, run(world, out)
