"""A small world of puppets for the tests of generators."""

from __future__ import annotations

import pytest

from evalkit.reference_models.puppet.testset import PuppetTestSet, write_puppet_testset
from evalkit.testsets.loading import load_testset
from evalkit.testsets.model import TestSet


@pytest.fixture(scope="session")
def puppets(tmp_path_factory: pytest.TempPathFactory) -> TestSet:
    """Return three people with two takes each, 30 frames at 256 pixels."""
    folder = tmp_path_factory.mktemp("puppets") / "w"
    return load_testset(write_puppet_testset(PuppetTestSet(folder, seed=0, identities=3, takes=2, seconds=1.2)))
