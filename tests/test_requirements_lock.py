"""The lock file names the packages of constraints.txt, each with a digest, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
WITHOUT_HASH = {"torch"}
LINE = re.compile(r"([A-Za-z0-9._-]+)==([A-Za-z0-9._+]+) --hash=sha256:[0-9a-f]{64}")


def lines(name: str) -> list[str]:
    text = (ROOT / name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_lock_and_constraints_agree() -> None:
    matches = [LINE.fullmatch(line) for line in lines("requirements.lock")]
    assert all(matches), "a line without a digest"
    locked = {plain(match[1]): match[2] for match in matches if match}
    pinned = dict(line.split("==") for line in lines("constraints.txt"))
    pinned = {plain(name): version for name, version in pinned.items()}
    assert pinned.keys() - locked.keys() == WITHOUT_HASH
    assert {name: pinned.get(name) for name in locked} == locked
    assert len(matches) == len(locked)


def test_the_lock_names_no_index() -> None:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in text and "index-url" not in text
