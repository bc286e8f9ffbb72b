"""``make train-bundled``: render the training dataset, train the bundled networks, write them and a record.

    python -m training.train --seed 1 --work FOLDER --output FOLDER

The same seed gives the same files on the same kind of processor; tests check it with short trainings. Each network is
trained by one thread in a process of its own, and MKL_CBWR keeps the order of sums independent of memory alignment.
Processors with other vector units sum in another order, which moves the last digits and with them the digest.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import click
import torch
from safetensors.torch import save

from evalkit.errors import MachineError
from evalkit.files import atomic_write, write_text
from evalkit.metrics.networks.small.models import fused
from evalkit.workers.pool import Workers
from training.dataset import make_dataset
from training.quality import PEOPLE as PEOPLE_OF_QUALITY
from training.tasks.base import TrainingOptions, TrainingTask
from training.tasks.detector import train_detector
from training.tasks.embeddings import train_actions, train_clips, train_faces, train_frames, train_text
from training.tasks.landmarks import train_landmarks
from training.tasks.sync import train_sync

HANDLER = "training.train:NetworkTrainer"
QUALITY, QUALITY_HANDLER = "quality", "training.quality:QualityTrainer"
PEOPLE, TAKES = 1600, 600
TRAINING_SECONDS = 3 * 3600.0
# The longest first, so that two workers end together.
TASKS: dict[str, TrainingTask] = {
    "actions": train_actions,
    "landmarks": train_landmarks,
    "clips": train_clips,
    "frames": train_frames,
    "detector": train_detector,
    "faces": train_faces,
    "text": train_text,
    "sync": train_sync,
}
# What each reads of the dataset, if not images.
FORMS: dict[str, tuple[str, ...]] = {"actions": ("actions",), "clips": ("clips",), "sync": ("clips", "crops")}


# Options and the folder for the network. Not a class of this module: with "python -m" it would be a class of __main__,
# which a worker can't load.
TrainerConfig = tuple[TrainingOptions, Path]


class NetworkTrainer:
    """Trains one network in a worker process and writes its file."""

    def __init__(self, config: TrainerConfig) -> None:
        self.options, self.output = config

    def __call__(self, name: str) -> dict[str, Any]:
        """Return figures of the training."""
        started = time.perf_counter()
        network, figures = TASKS[name](self.options)
        state = {key: value.detach().half().contiguous() for key, value in fused(network).state_dict().items()}
        with atomic_write(self.output / f"{name}.safetensors") as stream:
            # One metadata entry: safetensors writes several in an order that changes from run to run.
            stream.write(save(state, {"evalkit": f"{name}, seed {self.options.seed}"}))
        size = sum(value.numel() for value in state.values())
        return {"network": name, "parameters": size, "seconds": round(time.perf_counter() - started, 1), **figures}


def _train_one(config: TrainerConfig, name: str) -> dict[str, Any]:
    """Train one network in a fresh process, so that nothing that ran before can influence it."""
    return _run(HANDLER, config, name, name)


@contextmanager
def same_sums() -> Iterator[None]:
    """Have MKL add numbers up in one order in the processes that are started: it would follow the place in memory.

    The variable is put back, because it also moves the last digits of what workers of a scoring run compute.
    """
    before = os.environ.get("MKL_CBWR")
    os.environ["MKL_CBWR"] = "AVX2,STRICT"
    try:
        yield
    finally:
        os.environ.pop("MKL_CBWR")
        if before is not None:
            os.environ["MKL_CBWR"] = before


def _run(handler: str, config: object, job: object, name: str) -> dict[str, Any]:
    (result,) = Workers(handler, config, 1, TRAINING_SECONDS).run([job])
    if result.failure is not None:
        raise MachineError(f"'{name}' could not be trained.", found=f"{result.failure}: {result.detail}")
    figures: dict[str, Any] = result.value
    return figures


@click.command()
@click.option("--seed", type=int, default=1, show_default=True, help="Of people, voices and initial weights.")
@click.option("--output", type=click.Path(path_type=Path), required=True, help="Folder for the networks.")
@click.option("--work", type=click.Path(path_type=Path), required=True, help="Folder for the training dataset.")
@click.option("--people", type=int, default=PEOPLE, show_default=True, help="Rendered as images.")
@click.option("--takes", type=int, default=TAKES, show_default=True, help="Rendered as clips.")
@click.option("--effort", type=float, default=1.0, show_default=True, help="Share of the usual steps.")
@click.option("--workers", type=int, default=2, show_default=True, help="Processes.")
@click.option("--only", multiple=True, type=click.Choice([*TASKS, QUALITY]), help="Train only this; repeatable.")
def main(  # noqa: PLR0917 - click passes options by name
    seed: int, output: Path, work: Path, people: int, takes: int, effort: float, workers: int, only: tuple[str, ...]
) -> None:
    """Train the bundled networks."""
    started = time.perf_counter()
    dataset = work / f"dataset-{seed}-{people}-{takes}"
    output.mkdir(parents=True, exist_ok=True)

    def report(file: str) -> None:
        click.echo(f"rendered {file}", err=True)

    chosen = only or (*TASKS, QUALITY)
    networks_chosen = [name for name in chosen if name != QUALITY]
    forms = {form for name in networks_chosen for form in FORMS.get(name, ("images",))}
    make_dataset(dataset, seed, people, takes, workers=workers, forms=forms, progress=report)
    rendering = time.perf_counter() - started
    config = (TrainingOptions(dataset, seed, effort), output)
    networks: list[dict[str, Any]] = []
    with same_sums(), ThreadPoolExecutor(workers) as threads:
        for figures in threads.map(partial(_train_one, config), networks_chosen):
            networks.append(figures)
            click.echo(json.dumps(figures), err=True)
    quality = {}
    if QUALITY in chosen:
        with same_sums():
            quality = _run(QUALITY_HANDLER, (seed, output), min(PEOPLE_OF_QUALITY, people), QUALITY)
        click.echo(json.dumps(quality), err=True)
    record = {
        "seed": seed,
        "people": people,
        "takes": takes,
        "effort": effort,
        "networks": sorted(networks, key=lambda figures: str(figures["network"])),
        "quality": quality,
        "seconds": {"rendering": round(rendering), "all": round(time.perf_counter() - started)},
        "machine": {"processor": platform.machine(), "torch": torch.__version__},
    }
    path = output / "training.json"
    if only and path.exists():
        record = completed(record, json.loads(path.read_text(encoding="utf-8")))
    write_text(path, json.dumps(record, indent=1) + "\n")


def completed(record: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """Return the record of some networks with what an earlier one says of the others and of their time."""
    networks = {one["network"]: one for one in (*before["networks"], *record["networks"])}
    seconds = {name: value + before["seconds"][name] for name, value in record["seconds"].items()}
    return {
        **before,
        **record,
        "networks": [networks[name] for name in sorted(networks)],
        "quality": record["quality"] or before["quality"],
        "seconds": seconds,
    }


if __name__ == "__main__":
    main()
