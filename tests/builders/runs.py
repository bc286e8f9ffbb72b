"""Whole runs over the tiny world, and what their files say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from evalkit import api
from evalkit.scoring.scorecard import Scorecard

METRICS = ("psnr", "ssim", "ssim.rgb", "duration", "fps", "frozen_share")
IDS = ("psnr.rgb", "ssim.gray", "ssim.rgb", "video.duration", "video.fps", "video.frozen_share")
FILES = {"scorecard.json", "per_video.parquet", "per_video.csv", "report.html", "log.jsonl"}


def run(world: Any, out: Path, submission: Path | None = None, **options: Any) -> Scorecard:
    """Score with a cache of its own, unless told otherwise."""
    settings = {"metrics": METRICS, "workers": 1, "cache": out / "cache", **options}
    return api.score(submission or world.zip, "talking-head", world.testset, out=out, **settings)


def events(out: Path, kind: str = "video") -> dict[str, dict[str, Any]]:
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return {line["sample"]: line for line in lines if line["event"] == kind}


def decodes(out: Path) -> dict[str, int]:
    return {sample: line["decodes"] for sample, line in sorted(events(out).items())}


def without_timing(out: Path) -> str:
    """Return the text of scorecard.json without the block that may differ."""
    text = (out / "scorecard.json").read_text()
    document = json.loads(text)
    assert list(document)[-1] == "timing"
    return text[: text.index('\n "timing"')]


def values(card: Scorecard) -> dict[str, dict[str, float | None]]:
    return {video.sample: video.values for video in card.videos}
