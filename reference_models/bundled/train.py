"""``make train-bundled``: paint the training data, teach the six networks, write them and a record of it.

    python -m evalkit.reference_models.bundled.train --seed 1 --output FOLDER

The same seed gives the same files on the same kind of machine; tests see it in short trainings. Every network is
trained by one thread of a process of its own. As a precaution MKL is told not to let the place of an array in memory
choose the order of a sum. Processors with other vector units add in another order; that moves the last digits and with
them the digest.
"""

from __future__ import annotations

import json
import os
import platform
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import click
import torch
from safetensors.torch import save

from evalkit.errors import MachineError
from evalkit.files import atomic_write, write_text
from evalkit.metrics.features.networks.small import fused
from evalkit.reference_models.bundled.data import make_data
from evalkit.reference_models.bundled.lesson_detector import learn_detector
from evalkit.reference_models.bundled.lesson_sync import learn_sync
from evalkit.reference_models.bundled.lessons import Lesson, learn_clips, learn_faces, learn_frames, learn_text
from evalkit.workers.pool import Workers

HANDLER = "evalkit.reference_models.bundled.train:Teacher"
PEOPLE, TAKES = 1600, 600
LESSON_SECONDS = 3 * 3600.0
# The longest first, so that two workers end together.
LESSONS = {
    "clips": learn_clips,
    "frames": learn_frames,
    "detector": learn_detector,
    "faces": learn_faces,
    "text": learn_text,
    "sync": learn_sync,
}


class Teacher:
    """Trains one network in a worker process and writes its file."""

    def __init__(self, setting: tuple[Path, Path, int, float]) -> None:
        self.data, self.output, self.seed, self.effort = setting

    def __call__(self, name: str) -> dict[str, Any]:
        """Return figures of the training."""
        started = time.perf_counter()
        network, figures = LESSONS[name](Lesson(self.data, self.seed, self.effort))
        state = {key: value.detach().half().contiguous() for key, value in fused(network).state_dict().items()}
        with atomic_write(self.output / f"{name}.safetensors") as stream:
            # One entry: several would be written in an order that changes from run to run.
            stream.write(save(state, {"evalkit": f"{name}, seed {self.seed}"}))
        size = sum(value.numel() for value in state.values())
        return {"network": name, "parameters": size, "seconds": round(time.perf_counter() - started, 1), **figures}


def _taught(setting: tuple[Path, Path, int, float], name: str) -> dict[str, Any]:
    """Train one network in a process of its own, so that nothing that ran before it can matter."""
    (result,) = Workers(HANDLER, setting, 1, LESSON_SECONDS).run([name])
    if result.failure is not None:
        raise MachineError(f"'{name}' could not be trained.", found=f"{result.failure}: {result.detail}")
    figures: dict[str, Any] = result.value
    return figures


@click.command()
@click.option("--seed", type=int, default=1, show_default=True, help="Of people, sounds and weights.")
@click.option("--output", type=click.Path(path_type=Path), required=True, help="Folder for the networks.")
@click.option("--work", type=click.Path(path_type=Path), required=True, help="Folder for the training data.")
@click.option("--people", type=int, default=PEOPLE, show_default=True, help="Painted in pictures.")
@click.option("--takes", type=int, default=TAKES, show_default=True, help="Painted in clips.")
@click.option("--effort", type=float, default=1.0, show_default=True, help="Share of the usual steps.")
@click.option("--workers", type=int, default=2, show_default=True, help="Processes.")
@click.option("--only", multiple=True, type=click.Choice(list(LESSONS)), help="These networks and no others.")
def main(  # noqa: PLR0917 - click passes options by name
    seed: int, output: Path, work: Path, people: int, takes: int, effort: float, workers: int, only: tuple[str, ...]
) -> None:
    """Train the bundled networks."""
    os.environ["MKL_CBWR"] = "AVX2,STRICT"  # read by the workers when they start
    started = time.perf_counter()
    data = work / f"data-{seed}-{people}-{takes}"
    output.mkdir(parents=True, exist_ok=True)
    make_data(data, seed, people, takes, workers=workers, progress=lambda name: click.echo(f"painted {name}", err=True))
    painted = time.perf_counter() - started
    told: list[dict[str, Any]] = []
    with ThreadPoolExecutor(workers) as threads:
        for figures in threads.map(partial(_taught, (data, output, seed, effort)), only or LESSONS):
            told.append(figures)
            click.echo(json.dumps(figures), err=True)
    record = {
        "seed": seed,
        "people": people,
        "takes": takes,
        "effort": effort,
        "networks": sorted(told, key=lambda one: str(one["network"])),
        "seconds": {"painting": round(painted), "all": round(time.perf_counter() - started)},
        "machine": {"processor": platform.machine(), "torch": torch.__version__},
    }
    write_text(output / "training.json", json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
