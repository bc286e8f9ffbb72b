"""A place to write rating files."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders.rating_files import Write


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def to_file(text: str) -> Path:
        path = tmp_path / "ratings.txt"
        path.write_text(text, encoding="utf-8")
        return path

    return to_file
