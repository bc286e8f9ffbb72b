"""Small submissions by ``score-all``, and by ``score`` one after the other: both in turns, as ratios in one run.

``python -m benchmarks.night`` makes the submissions, runs both from an empty cache several times, and prints seconds of
processor time (of the commands and their workers), of wall time, and the ratios. Processor time counts where the
machine does other work too: each ratio is of two runs that follow each other; the median of the ratios is the result.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import shapes

Times = tuple[float, float]  # seconds of processor and of wall time


def run(words: Sequence[str], place: Path) -> None:
    """Run one command; whatever it prints is dropped."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run(
        [sys.executable, "-m", "evalkit", *words, "-q"],
        cwd=place,
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )


def measured(commands: Sequence[Sequence[str]], place: Path) -> Times:
    """Return what some commands take, from an empty cache."""
    for folder in ("cache", "out"):
        shutil.rmtree(place / folder, ignore_errors=True)
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    for words in commands:
        run(words, place)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return processor, time.perf_counter() - started


def main() -> None:
    """Print one line per repeat, then the medians of the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--submissions", type=int, default=6)
    parser.add_argument("--videos", type=int, default=5, help="of each submission")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--size", type=int, default=128, help="pixels")
    parser.add_argument("--seconds", type=float, default=1.0, help="of each video")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--metrics", default="psnr,ssim")
    parser.add_argument("--backbones", default="bundled")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        shapes.write_testset(place / "testset", chosen.videos, chosen.seconds, chosen.size)
        (place / "zips").mkdir()
        teams = [f"team{number}" for number in range(1, chosen.submissions + 1)]
        for number, team in enumerate(teams, 1):
            shapes.write_submission(
                place / "zips" / f"{team}.zip", chosen.videos, chosen.seconds, shapes.blur(0.5 * number), chosen.size
            )
        common = ["-c", "talking-head", "--testset", "testset", "-m", chosen.metrics, "-b", chosen.backbones]
        common += ["-w", str(chosen.workers), "--cache", "cache"]
        together = [["score-all", "zips", *common, "-o", "out"]]
        one_by_one = [["score", f"zips/{team}.zip", *common, "-o", f"out/{team}"] for team in teams]
        run(["score-all", "zips", *common, "-o", "warm"], place)  # the first run warms up the files
        ratios: list[Times] = []
        print(f"load of the machine at the start: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
        for repeat in range(chosen.repeats):
            found: dict[str, Times] = {}
            turns = [("score-all", together), ("score, one by one", one_by_one)]
            for title, commands in turns if repeat % 2 == 0 else turns[::-1]:
                found[title] = measured(commands, place)
                processor, wall = found[title]
                print(f"repeat {repeat + 1}, {title}: {processor:.2f} s of processor, {wall:.2f} s", flush=True)
            (cpu, wall), (other_cpu, other_wall) = (found[title] for title, _ in turns)
            ratios.append((cpu / other_cpu, wall / other_wall))
        processor, wall = (statistics.median(column) for column in zip(*ratios, strict=True))
        print(f"score-all / score, median: processor {processor:.3f}, wall {wall:.3f}")
        print(f"load at the end: {os.getloadavg()[0]:.1f}", flush=True)


if __name__ == "__main__":
    main()
