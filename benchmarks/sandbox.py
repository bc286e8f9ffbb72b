"""The cost of the sandbox on valid files: the same videos with and without it, in turns, as ratios in one run.

``python -m benchmarks.sandbox`` makes 100 clips, then validates (decodes) and scores (PSNR and SSIM) all of them from
an empty cache at each level in turn, several times, and prints the seconds and the ratio to ``off``.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import shapes

from evalkit import api
from evalkit.workers.sandbox import Level

LEVELS: tuple[Level, ...] = ("off", "full")


def one(folder: Path, level: Level, work: str, **where: Any) -> float:
    """Return the seconds of one run from an empty cache."""
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=folder) as cache:
        if work == "validate":
            report = api.validate(**where, cache=cache, sandbox=level)
            good = sum(file.verdict == "ok" for file in report.files)
        else:
            card = api.score(**where, cache=cache, sandbox=level, metrics=["psnr", "ssim"])
            good = card.scored_videos
        seconds = time.perf_counter() - started
    if good != len(where["testset"]):
        raise SystemExit(f"{good} of {len(where['testset'])} videos are good: the comparison means nothing.")
    return seconds


def main() -> None:
    """Print one line per repeat, then the ratio of the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--videos", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--size", type=int, default=256, help="pixels")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shapes.write_testset(folder / "testset", chosen.videos, 3.0, chosen.size)
        team = shapes.write_submission(folder / "team.zip", chosen.videos, 3.0, shapes.blur(1.0), chosen.size)
        where = {"submission": team, "challenge": "talking-head", "testset": api.load_testset(folder / "testset")}
        for work in ("validate", "score"):
            seconds: dict[Level, list[float]] = {level: [] for level in LEVELS}
            one(folder, "off", work, **where)  # the first run warms up the files
            for repeat in range(chosen.repeats):
                for level in LEVELS if repeat % 2 == 0 else LEVELS[::-1]:
                    seconds[level].append(one(folder, level, work, **where))
                told = ", ".join(f"{level} {seconds[level][-1]:.2f} s" for level in LEVELS)
                print(f"{work} {chosen.videos} videos, repeat {repeat + 1}: {told}", flush=True)
            medians = {level: statistics.median(found) for level, found in seconds.items()}
            print(f"{work}: full / off = {medians['full'] / medians['off']:.3f} (medians)", flush=True)


if __name__ == "__main__":
    main()
