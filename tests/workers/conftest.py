"""After every test: no child process and no temporary folder of a worker."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from builders.ordinary_user import IS_ROOT, copy_python, let_pass
from builders.processes import children

ROOT = Path(__file__).parents[2]
NEEDED = "evalkit taken_over pydantic pydantic_core annotated_types typing_extensions typing_inspection pyseccomp"


@pytest.fixture(autouse=True)
def nothing_left_behind(tmp_path, monkeypatch):
    """After every test: no child process and no temporary folder of a worker."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    before = children(os.getpid())
    yield
    assert children(os.getpid()) <= before
    assert list(temporary.iterdir()) == []


@pytest.fixture(scope="session")
def interpreter(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, str]]:
    """Return a Python that everybody may run, and its environment: the tests' own may lie where only root can read."""
    if not IS_ROOT:
        return sys.executable, {"PYTHONPATH": f"{ROOT / 'tests'}:{ROOT}"}
    folder = tmp_path_factory.mktemp("python")
    let_pass(folder)
    return copy_python(folder, NEEDED.split())
