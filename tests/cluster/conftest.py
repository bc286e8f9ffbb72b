"""A run of five samples on one machine and in three shards: one file is missing, one is damaged."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import shapes

from evalkit import api
from evalkit.scoring.scorecard import Scorecard

METRICS = ("psnr", "identity", "duration")


@dataclass(frozen=True)
class Runs:
    """Where everything lies; nobody may change it."""

    root: Path
    testset: Path
    zip: Path
    parts: tuple[Path, ...]

    def arguments(self, **more: Any) -> dict[str, Any]:
        return {"metrics": METRICS, "backbones": "bundled", **more}

    def score(self, out: Path, **more: Any) -> Scorecard:
        settings = self.arguments(**{"workers": 1, "cache": out / "cache", **more})
        return api.score(self.zip, "talking-head", self.testset, out=out, **settings)

    def shard(self, which: str, part: Path, **more: Any) -> Any:
        settings = self.arguments(**{"workers": 1, "cache": part.parent / "shard-cache", **more})
        return api.score_shard(self.zip, "talking-head", self.testset, which, part, **settings)

    def merge(self, *parts: Path, out: Path | None = None, **more: Any) -> Scorecard:
        return api.merge(parts, self.zip, "talking-head", self.testset, out=out, **self.arguments(**more))


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Score the tiny world whole and in three shards, each with a cache of its own."""
    root = tmp_path_factory.mktemp("cluster")
    testset = shapes.write_testset(root / "testset", 5, 0.4, 96)
    whole = shapes.write_submission(root / "whole.zip", 5, 0.4, shapes.blur(1.5), 96)
    team = root / "team.zip"
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(team, "w") as target:
        for info in source.infolist():
            content = source.read(info)
            if info.filename == "d02.mp4":
                continue  # missing
            target.writestr(info, content[: len(content) // 3] if info.filename == "d04.mp4" else content)
    parts = tuple(root / f"{index}.part" for index in (1, 2, 3))
    made = Runs(root, testset, team, parts)
    made.score(root / "one")
    for index, part in enumerate(parts, 1):
        made.shard(f"{index}/3", part, cache=root / f"cache{index}")
    return made
