"""Timings on this machine, as ratios within one run: ``make bench``.

These are not tests: machines differ; only ratios on one machine at one time have a meaning.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import shapes

from evalkit import api

VIDEOS = 12
SECONDS = 5.0
METRICS = ("psnr", "ssim", "ssim.rgb", "frozen_share")


def seconds(action: Callable[[], object]) -> float:
    """Return how long ``action`` takes."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        testset = shapes.write_testset(folder / "testset", VIDEOS, SECONDS)
        team = shapes.write_submission(folder / "team.zip", VIDEOS, SECONDS, shapes.unchanged)

        def score(workers: int, cache: str, *, fresh: bool = False) -> Callable[[], object]:
            return lambda: api.score(
                team, "talking-head", testset, metrics=METRICS, workers=workers, cache=folder / cache, fresh=fresh
            )

        def validate(workers: int, cache: str) -> Callable[[], object]:
            return lambda: api.validate(team, "talking-head", testset, workers=workers, cache=folder / cache)

        one = seconds(score(1, "one"))
        two = seconds(score(2, "two"))
        warm = seconds(score(2, "two"))
        check = seconds(validate(2, "three"))
        print(f"{VIDEOS} videos of {SECONDS:g} s at 256x256")
        print(f"score, 1 worker      {one:6.2f} s   1.00")
        print(f"score, 2 workers     {two:6.2f} s   {two / one:.2f}")
        print(f"score again, cached  {warm:6.2f} s   {warm / one:.2f}")
        print(f"validate, 2 workers  {check:6.2f} s   {check / one:.2f}   {60 * VIDEOS / check:.0f} videos a minute")


if __name__ == "__main__":
    main()
