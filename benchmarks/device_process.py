"""What a device process changes and costs: the same videos with the networks in the workers, and in one process.

On the processor, where one is used only for this and for tests: what is measured is the way of the batches, not a GPU.
``python -m benchmarks.device_process SUBMISSION TESTSET --limit 3`` scores from empty caches, both ways in turn, and
prints the largest difference of each metric over the videos, CPU seconds of all processes and their ratio.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

from evalkit import api
from evalkit.scoring.devices import VARIABLE
from evalkit.scoring.scorecard import Scorecard


def measured(chosen: argparse.Namespace, cache: Path, asked: str) -> tuple[Scorecard, float, float]:
    """Return the scorecard, CPU seconds and wall seconds."""
    os.environ[VARIABLE] = asked
    before, started = _cpu_seconds(), time.perf_counter()
    card = api.score(
        chosen.submission,
        chosen.challenge,
        chosen.testset,
        metrics=chosen.metrics,
        backbones=chosen.backbones,
        workers=chosen.workers,
        limit=chosen.limit,
        allow_missing=True,
        cache=cache,
    )
    return card, _cpu_seconds() - before, time.perf_counter() - started


def _cpu_seconds() -> float:
    own, ended = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + ended.ru_utime + ended.ru_stime


def differences(one: Scorecard, other: Scorecard) -> dict[str, tuple[float, float]]:
    """Return per metric the largest difference of a value, in itself and relative to the value."""
    found: dict[str, tuple[float, float]] = {}
    pairs: list[tuple[str, Any, Any]] = [
        (name, score.value, other.metrics[name].value) for name, score in one.metrics.items()
    ]
    for mine, theirs in zip(one.videos, other.videos, strict=True):
        pairs += [(name, value, theirs.values[name]) for name, value in mine.values.items()]
    for name, value, same in pairs:
        if (value is None) != (same is None):
            raise SystemExit(f"{name}: {value} in one way, {same} in the other")
        if value is not None:
            away = abs(value - same)
            before = found.get(name, (0.0, 0.0))
            found[name] = (max(before[0], away), max(before[1], away / abs(value) if value else away))
    return found


def main() -> None:
    """Score both ways, and print what differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("submission", type=Path)
    parser.add_argument("testset", type=Path)
    parser.add_argument("--challenge", default="talking-head")
    parser.add_argument("--backbones", default="bundled")
    parser.add_argument("--metrics")
    parser.add_argument("--limit", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=1)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(chosen.rounds):
            runs = {asked: measured(chosen, Path(folder) / f"{number}-{asked}", asked) for asked in ("0", "1")}
            for asked, (card, cpu, wall) in runs.items():
                networks = {name: round(seconds, 2) for name, seconds in card.timing["networks"].items()}
                print(
                    f"{'device process' if asked == '1' else 'in the workers':16} CPU {cpu:6.1f} s  wall {wall:6.1f} s"
                )
                print(f"                 networks, seconds: {networks}")
            print(f"ratio of CPU seconds: {runs['1'][1] / runs['0'][1]:.2f}")
            for name, (away, relative) in sorted(differences(runs["0"][0], runs["1"][0]).items()):
                print(f"  {name:32} {away:12.3g} {relative:12.3g}")


if __name__ == "__main__":
    main()
