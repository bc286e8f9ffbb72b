"""The real ratings as a board."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders.boards import talking_heads_board

from evalkit.board.model import Snapshot


@pytest.fixture(scope="session")
def real_board(shared: Path) -> Snapshot:
    """Return the board of the talking-heads footage."""
    return talking_heads_board(shared)
