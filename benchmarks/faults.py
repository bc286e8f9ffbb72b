"""Metrics that look at one video against controls whose fault has a size: does the number follow it?

    python -m benchmarks.faults [--backbones bundled] [--seeds 1 2 3] [--metrics niqe,lpips ...] [--json OUT.json]

Each seed has its own puppets. Every control is a submission that is scored like any other. The table gives the mean
over the seeds, and which way the number goes from each size to the next: "rises", "falls" or "same" where it does so
in every seed and step, else "mixed". Metrics that can't be computed here are left out and named at the end.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

import evalkit
from evalkit.metrics.base import metric_registry, resolve_metric
from evalkit.reference_models.generation.submission import make_submission
from evalkit.reference_models.puppet.testset import PuppetTestSet, write_puppet_testset
from evalkit.scoring.scorecard import Scorecard

TRUTH = ("truth", {})
# Kind of fault -> its sizes, from none on: what makes it.
FAULTS: dict[str, dict[str, tuple[str, dict[str, Any]]]] = {
    "blur, px": {"0": TRUTH, **{f"{size}": ("blur", {"sigma": float(size)}) for size in (1, 2, 4)}},
    "jitter, px": {"0": TRUTH, **{f"{size}": ("jitter", {"sigma": float(size)}) for size in (1, 2, 4)}},
    "frozen, share": {"0": TRUTH, **{f"{share}": ("frozen", {"share": share}) for share in (0.5, 1.0)}},
    "late, s": {"0": TRUTH, **{f"{seconds}": ("shifted", {"seconds": seconds}) for seconds in (0.2, 0.6)}},
}
METRICS: tuple[str, ...] = (
    "iqa.niqe", "iqa.brisque", "iqa.cpbd", "imaging.musiq_spaq", "aesthetic.laion_linear", "ms_ssim.rgb", "lpips.alex",
    "lpips.vgg", "landmark.m_lmd", "landmark.f_lmd", "landmark.er_lmd", "landmark.organiser_akd", "landmark.jitter",
    "landmark.missed", "temporal.flicker", "motion.flow", "motion.opens2v_amplitude", "motion.pose_std",
    "motion.dynamic_range", "motion.dynamic_degree", "motion.smoothness", "motion.bas", "blink.rate", "subject.dino",
    "vbench.subject_consistency", "vbench.background_consistency",
)  # fmt: skip
Table = dict[str, dict[str, dict[str, list[float]]]]  # metric -> fault -> size -> a value per seed


def measure(seeds: Sequence[int], metrics: Sequence[str], backbones: str, *, people: int, seconds: float) -> Table:
    """Return the value of every metric for each size of each fault, one per seed."""
    values: Table = {}
    for seed in seeds:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            puppets = PuppetTestSet(folder / "testset", seed=seed, identities=people, seconds=seconds, size=320)
            testset = write_puppet_testset(puppets)
            cards: dict[str, Scorecard] = {}
            for fault, sizes in FAULTS.items():
                for size, (generator, options) in sizes.items():
                    key = json.dumps([generator, options])
                    if key not in cards:
                        zip_ = folder / f"{len(cards)}.zip"
                        make_submission(generator, testset, zip_, options=options, seed=seed, with_speed=False)
                        cards[key] = evalkit.score(
                            zip_, "talking-head", testset, metrics=list(metrics), backbones=backbones, workers=1,
                            cache=folder / "cache", allow_missing=True,
                        )  # fmt: skip
                        print(f"seed {seed}: {generator} {options or ''}", file=sys.stderr)
                    for metric, score in cards[key].metrics.items():
                        if score.value is not None:
                            values.setdefault(metric, {}).setdefault(fault, {}).setdefault(size, []).append(score.value)
    return values


def trend(sizes: Mapping[str, Sequence[float]]) -> str:
    """Return which way the number goes with the size of the fault: in words, if all seeds agree on every step."""
    steps = np.sign(np.round([np.subtract(after, before) for before, after in pairwise(sizes.values())], 9))
    words = {(1,): "rises", (-1,): "falls", (0,): "same"}
    return words.get(tuple(sorted(set(steps.ravel().astype(int).tolist()))), "mixed")


def print_table(values: Table, seeds: int) -> None:
    """Print a row per metric and fault, in Markdown."""
    print("| metric | fault | mean by size of the fault | from size to size |\n|---|---|---|---|")
    for metric, faults in values.items():
        for fault, sizes in faults.items():
            if set(sizes) == set(FAULTS[fault]) and all(len(found) == seeds for found in sizes.values()):
                means = ", ".join(f"{size}: {np.mean(found):.4g}" for size, found in sizes.items())
                print(f"| `{metric}` | {fault} | {means} | {trend(sizes)} |")
            else:
                counts = ", ".join(f"{size}: {len(sizes.get(size, []))}" for size in FAULTS[fault])
                print(f"| `{metric}` | {fault} | values of {counts} of {seeds} seeds | - |")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-b", "--backbones", default="bundled")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--metrics", help="ids or short names, joined by commas; all by default")
    parser.add_argument("--people", type=int, default=2, help="videos of each seed")
    parser.add_argument("--seconds", type=float, default=2.4, help="of each video")
    parser.add_argument("--json", type=Path, help="write the values of every seed here")
    chosen = parser.parse_args()
    asked = chosen.metrics.split(",") if chosen.metrics else list(METRICS)
    values = measure(chosen.seeds, asked, chosen.backbones, people=chosen.people, seconds=chosen.seconds)
    print_table(values, len(chosen.seeds))
    known = metric_registry()
    if left := sorted({resolve_metric(name, known) for name in asked} - set(values)):
        print(f"\nNo value with the backbones '{chosen.backbones}': {', '.join(left)}")
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
