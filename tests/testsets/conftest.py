"""Fixtures of these tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders.testsets import Write


@pytest.fixture
def people(tmp_path: Path) -> Write:
    """Write the folder of IPVG 2025: name of a person -> its files."""

    def write(**files: list[str]) -> Path:
        for person, names in files.items():
            (tmp_path / person).mkdir()
            for name in names:
                (tmp_path / person / name).write_text(f"{person} {name}")
        return tmp_path

    return write
