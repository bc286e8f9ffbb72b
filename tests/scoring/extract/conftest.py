"""A worker's settings and a job; the folder for temporary files is empty after every test."""

from __future__ import annotations

from typing import Any

import pytest
from builders.extraction import Planted, jobs

from evalkit.scoring import extract
from evalkit.scoring.jobs import Config


@pytest.fixture
def planted(monkeypatch):
    """Register the extractors a, b (which needs a) and c beside the built-in ones."""
    planted = Planted()
    registry = extract.feature_registry()
    mine = [planted.extractor("a"), planted.extractor("b", needs=("a",)), planted.extractor("c")]
    both = {**registry, **{kind.record.name: kind for kind in mine}}
    monkeypatch.setattr(extract, "feature_registry", lambda: both)
    return planted


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    """Whatever happens in a test, the folder for temporary files is empty afterwards."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


@pytest.fixture
def config(tmp_path, world):
    def make(*features: str, **changes: Any) -> Config:
        return Config(cache=tmp_path / "cache", features=features, **{"rules": world.challenge().submission, **changes})

    return make


@pytest.fixture
def job(world):
    return jobs(world.submission(), world.samples())[0]
