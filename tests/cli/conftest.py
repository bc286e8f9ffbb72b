"""A shell with a board, for tests of its commands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from builders.board_shell import RULES, Shell


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    """Return a shell with an empty board."""
    made = Shell(tmp_path, capsys)
    monkeypatch.setenv("EVALKIT_BOARD", str(made.board))
    monkeypatch.setenv("EVALKIT_BY", "organizer")
    made("board", "init", "--challenge", made.write("c.yaml", RULES))
    yield made
