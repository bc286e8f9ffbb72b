"""Test sets for tests."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evalkit.errors import TestSetError
from evalkit.testsets.loading import load_testset

Write = Callable[..., Path]


def refused(path: Path) -> str:
    with pytest.raises(TestSetError) as caught:
        load_testset(path)
    assert caught.value.exit_code == 1
    return str(caught.value)


# Timelines


def _event(**changes: Any) -> dict[str, Any]:
    return {"start": 0, "end": 2.5, "description": "waves", **changes}


# eval.json of IPVG 2026


def _json(folder: Path, content: Any, name: str = "eval.json") -> Path:
    (folder / name).write_text(json.dumps(content), encoding="utf-8")
    return folder / name


FACIAL = [{"img": f"images/{n}.png", "prompt": f"prompt {n}", "more": 1} for n in range(1, 12)]
