"""What the preset `talking-head` makes of faults: the weighted sum of each control, with the bundled networks.

python -m benchmarks.talking_head_controls [--people 3] [--seconds 2.4]
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import click

import evalkit
from evalkit.challenges.model import load_challenge
from evalkit.metrics.base import metric_registry
from evalkit.reference_models.generation.submission import make_submission
from evalkit.reference_models.puppet.testset import PuppetTestSet, write_puppet_testset

CONTROLS: dict[str, dict[str, Any]] = {
    "truth": {},
    "blur": {"sigma": 2.0},
    "jitter": {"sigma": 2.0},
    "warp": {},
    "late": {"frames": 20},
    "frozen": {},
    "still": {},
    "shuffle": {},
    "swap": {},
}
BESIDE = ("temporal.flicker", "motion.flow")


@click.command()
@click.option("--people", type=int, default=3, show_default=True)
@click.option("--seconds", type=float, default=2.4, show_default=True)
def main(people: int, seconds: float) -> None:
    """Print a Markdown table."""
    challenge, records = load_challenge("talking-head"), metric_registry()
    ranked = [entry for entry in challenge.metrics if entry.rank]
    names = [entry.id for entry in ranked] + list(BESIDE)
    print(f"| control | score | {' | '.join(f'`{name}`' for name in names)} |\n|{'---|' * (len(names) + 2)}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        testset = write_puppet_testset(PuppetTestSet(folder / "testset", 77, people, seconds=seconds), 1)
        for name, options in CONTROLS.items():
            archive = folder / f"{name}.zip"
            make_submission(name, testset, archive, options=options, backbones="bundled", with_speed=False)
            card = evalkit.score(
                archive, challenge, testset, metrics=names, backbones="bundled", workers=1, cache=folder / "cache"
            )
            score = 0.0
            for entry in ranked:
                value, (low, high) = card.metrics[entry.id].value, entry.range or (0.0, 1.0)
                if value is None:  # counts as the worst
                    continue
                share = min(max((value - low) / (high - low), 0.0), 1.0)
                score += entry.weight * (share if records[entry.id].record.higher_is_better else 1 - share)
            score /= sum(entry.weight for entry in ranked)
            found = [card.metrics[one].value for one in names]
            cells = ["-" if value is None else f"{value:.3g}" for value in found]
            print(f"| {name} | {score:.3f} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
