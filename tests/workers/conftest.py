"""After every test: no child process and no temporary folder of a worker."""

from __future__ import annotations

import os

import pytest
from builders.processes import children


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
