"""The weights folder, and a progress that is recorded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from builders.pulls import Recorder
from weights_server import Server, serving

from evalkit.weights.download import PARTS


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "weights"
    monkeypatch.setenv("EVALKIT_WEIGHTS", str(path))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return path


@pytest.fixture
def server(folder: Path) -> Iterator[Server]:
    with serving(lambda path: folder / PARTS / path) as running:
        yield running


@pytest.fixture
def progress() -> Recorder:
    return Recorder()
