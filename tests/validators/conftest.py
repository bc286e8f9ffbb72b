"""Fixtures of these tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hard_clips import make


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> Callable[[str], Path]:
    """Return a function that makes a hard clip once."""
    folder = tmp_path_factory.mktemp("hard")

    def clip(name: str) -> Path:
        path = folder / f"{name}.mp4"
        return path if path.exists() else make(name, folder)

    return clip
