"""Fixtures of these tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from clip_tools import numbered, tone

from evalkit.media.encode import write_video


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Path:
    """50 numbered frames at 25/s with a tone."""
    path = tmp_path_factory.mktemp("plain") / "plain.mp4"
    write_video(path, numbered(50), 25, tone(440, 2.0, 16_000), preset="ultrafast")
    return path
