"""Pulling weights from a server on this machine: a small set, a fast retry policy, and a recorded progress."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

from weights_server import manifest, noise

from evalkit.progress import Progress
from evalkit.weights.download import PARTS
from evalkit.weights.manifest import Backbones, load_backbones
from evalkit.weights.pull import PullResult, pull, select, with_siblings
from evalkit.weights.transfer import RetryPolicy

BODY = noise(300_000)
FAST = RetryPolicy(connect_seconds=5, read_seconds=5, retries=1, pause=0.0, unknown_limit=1_000_000)


class Recorder(Progress):
    """Keeps the messages and warnings."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.warnings: list[str] = []

    def message(self, line: str) -> None:
        self.lines.append(line)

    def warn(self, line: str) -> None:
        self.warnings.append(line)


def dead_url(path: str) -> str:
    """Return an address where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/{path}"


def backbones(tmp_path: Path, roles: dict[str, dict[str, Any]], **more: Any) -> Backbones:
    return load_backbones(manifest(tmp_path, roles, **more))


def pulled(chosen: Backbones, folder: Path, progress: Recorder, *words: str) -> list[PullResult]:
    return pull(chosen, with_siblings(chosen, select(chosen, words).values()).values(), folder, progress, FAST)


def visible(folder: Path) -> list[str]:
    """Return the files in the folder that are no bookkeeping."""
    return sorted(path.name for path in folder.iterdir() if path.is_file() and path.suffix != ".json")


def unfinished(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / PARTS).iterdir())
