"""The cost of the sandbox on valid files: the same videos with and without it, in turns, as ratios in one run.

``python -m benchmarks.sandbox`` makes 100 clips, then validates (decodes) and scores (PSNR and SSIM) all of them from
an empty cache at each level in turn, several times, and prints seconds of processor time (of this process and its
workers) and of wall time, and the ratios to ``off``. Processor time counts where the machine does other work too: each
ratio is of two runs that follow each other, and the median of the ratios is the result.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import shapes

from evalkit import api
from evalkit.workers.sandbox import Level

LEVELS: tuple[Level, ...] = ("off", "full")


def one(folder: Path, level: Level, work: str, workers: int | None, **where: Any) -> tuple[float, float]:
    """Return the seconds of processor and wall time of one run from an empty cache."""
    before, started = os.times(), time.perf_counter()
    with tempfile.TemporaryDirectory(dir=folder) as cache:
        if work == "validate":
            report = api.validate(**where, cache=cache, sandbox=level, workers=workers)
            good = sum(file.verdict == "ok" for file in report.files)
        else:
            card = api.score(**where, cache=cache, sandbox=level, workers=workers, metrics=["psnr", "ssim"])
            good = card.scored_videos
        wall, after = time.perf_counter() - started, os.times()
    if good != len(where["testset"]):
        raise SystemExit(f"{good} of {len(where['testset'])} videos are good: the comparison means nothing.")
    return sum(after[:4]) - sum(before[:4]), wall


def main() -> None:
    """Print one line per repeat, then the medians of the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--size", type=int, default=256, help="pixels")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each video")
    parser.add_argument("--workers", type=int)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shapes.write_testset(folder / "testset", chosen.videos, chosen.seconds, chosen.size)
        team = shapes.write_submission(
            folder / "team.zip", chosen.videos, chosen.seconds, shapes.blur(1.0), chosen.size
        )
        where = {"submission": team, "challenge": "talking-head", "testset": api.load_testset(folder / "testset")}
        print(f"load of the machine at the start: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
        for work in ("validate", "score"):
            ratios: list[tuple[float, float]] = []
            one(folder, "off", work, chosen.workers, **where)  # the first run warms up the files
            for repeat in range(chosen.repeats):
                found: dict[Level, tuple[float, float]] = {}
                for level in LEVELS if repeat % 2 == 0 else LEVELS[::-1]:
                    found[level] = one(folder, level, work, chosen.workers, **where)
                ratios.append((found["full"][0] / found["off"][0], found["full"][1] / found["off"][1]))
                told = ", ".join(
                    f"{level} {cpu:.2f} s of processor, {wall:.2f} s" for level, (cpu, wall) in found.items()
                )
                print(f"{work} {chosen.videos} videos, repeat {repeat + 1}: {told}", flush=True)
            cpu, wall = (statistics.median(column) for column in zip(*ratios, strict=True))
            print(f"{work}: full / off, median: processor {cpu:.3f}, wall {wall:.3f}", flush=True)
        print(f"load at the end: {os.getloadavg()[0]:.1f}", flush=True)


if __name__ == "__main__":
    main()
