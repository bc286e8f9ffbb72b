"""What the bundled BRISQUE and NIQE tell of faults of known size, on puppets that they were not fitted to.

    python -m benchmarks.quality [--weights FOLDER] [--people 12] [--seeds 3]

Per seed and fault: the rank correlation of value and size within each person, averaged; over all people; and the mean
value of each size. Frames are 256 pixels and not encoded. The table of their model card.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import click
import cv2
import numpy as np
from scipy.stats import spearmanr

from evalkit.metrics.quality.brisque_model import BrisqueModel
from evalkit.metrics.quality.natural_scenes import brisque_features
from evalkit.metrics.quality.niqe_model import NiqeModel, block_statistics
from evalkit.metrics.quality.pixels import matlab_gray
from evalkit.reference_models.puppet.scene import draw_scene
from training.degrade import ImageFaults, degrade
from training.quality import FILES

HELD_OUT = 90210
LEVELS = {
    "blur": (0.0, 0.5, 1.0, 2.0, 4.0),
    "noise": (0.0, 2.0, 4.0, 8.0, 16.0),
    "blocks": (0.0, 20.0, 40.0, 60.0, 80.0),
}
INSTALLED = Path(str(resources.files("evalkit"))) / "reference_models" / "bundled" / "weights"


def measured(folder: Path, seed: int, people: int) -> dict[tuple[str, str], np.ndarray]:
    """Return (metric, fault) -> values (people, levels)."""
    brisque = BrisqueModel.from_files(folder / FILES[0], folder / FILES[1])
    niqe = NiqeModel.from_file(folder / FILES[2])
    found = {(metric, fault): np.zeros((people, 5)) for metric in ("brisque", "niqe") for fault in LEVELS}
    for person in range(people):
        frames = list(draw_scene(seed, person + 1, seconds=1.0, size=256).frames())
        for fault, levels in LEVELS.items():
            for at, level in enumerate(levels):
                rng = np.random.Generator(np.random.PCG64([seed, person, at]))
                gray = matlab_gray(degrade(frames[12], ImageFaults(**{fault: level}), rng))
                found["brisque", fault][person, at] = brisque.score(brisque_features(gray))
                found["niqe", fault][person, at] = niqe.distance(block_statistics(gray).features)
    return found


@click.command()
@click.option(
    "--weights", type=click.Path(exists=True, path_type=Path), default=INSTALLED, help="Folder of the models."
)
@click.option("--people", type=int, default=12, show_default=True)
@click.option("--seeds", type=int, default=3, show_default=True)
def main(weights: Path, people: int, seeds: int) -> None:
    """Print the table as Markdown."""
    cv2.setNumThreads(1)
    results = [measured(weights, HELD_OUT + seed, people) for seed in range(seeds)]
    print("| metric | fault | sizes | mean value of each size | within a person | over all people |")
    print("|---|---|---|---|---|---|")
    for metric, fault in results[0]:
        levels = LEVELS[fault]
        within, over = [], []
        for found in results:
            values = found[metric, fault]
            within.append(float(np.mean([spearmanr(levels, row).statistic for row in values])))
            over.append(float(spearmanr(np.tile(levels, len(values)), values.ravel()).statistic))
        means = np.mean([found[metric, fault].mean(axis=0) for found in results], axis=0)
        cells = (
            metric, fault, ", ".join(f"{level:g}" for level in levels), ", ".join(f"{mean:.3g}" for mean in means),
            ", ".join(f"{value:.2f}" for value in within), ", ".join(f"{value:.2f}" for value in over),
        )  # fmt: skip
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
