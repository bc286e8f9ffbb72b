"""The limits of the lip-sync network: which face crops are like those of its training.

    python -m training.tasks.known_faces DATASET NETWORKS   # put them into NETWORKS/sync.safetensors, trained before

Only rendered puppets take part. The limit lies above the strangest of the people that are kept back.
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
import torch
from numpy.typing import NDArray

from evalkit.files import atomic_write
from evalkit.metrics.networks.checkpoints import fill, load_state_dict
from evalkit.metrics.networks.small.inputs import face_colours, face_shape
from evalkit.metrics.networks.small.models import COLOUR_AXES, SHAPE_AXES, KnownFaces, SyncNets, fused
from training.dataset import load_arrays
from training.loop import to_tensor
from training.tasks.base import Figures

KEPT_BACK = 6  # one person of so many
ROOM = 1.1  # the limit, relative to the strangest person that was kept back


def fit_known_faces(known: KnownFaces, dataset: Path) -> Figures:
    """Set mean, axes, usual rest and limit from the crops of a dataset, and return the limit."""
    (crops,) = load_arrays(dataset, "crops", "crops")
    kept_back = np.arange(len(crops)) % KEPT_BACK == KEPT_BACK - 1
    seen = crops[~kept_back].reshape(-1, *crops.shape[2:])
    for name, view, count in (("shape", face_shape, SHAPE_AXES), ("colour", face_colours, COLOUR_AXES)):
        rows = np.stack([view(crop) for crop in (*seen, *seen[:, :, ::-1])]).astype(np.float64)
        known.get_buffer(f"{name}_mean").copy_(to_tensor(rows.mean(axis=0)))
        known.get_buffer(f"{name}_axes").copy_(to_tensor(_main_axes(rows, count)))
    others = crops[kept_back]
    views = [
        to_tensor(np.stack([view(crop) for crop in others.reshape(-1, *crops.shape[2:])]))
        for view in (face_shape, face_colours)
    ]
    with torch.no_grad():
        known.get_buffer("usual").copy_(known.rest(*views).median(dim=0).values)
        known.get_buffer("limit").fill_(1.0)
        people = known(*views).reshape(len(others), -1).median(dim=1).values
        known.get_buffer("limit").fill_(ROOM * float(people.max()))
    return {"limit": float(known.get_buffer("limit"))}


def _main_axes(rows: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Return (count, D), the axes of the largest variances of rows (N, D), the largest first."""
    _, axes = np.linalg.eigh(np.cov(rows.T))
    return np.ascontiguousarray(axes[:, ::-1][:, :count].T)


@click.command()
@click.argument("dataset", type=click.Path(exists=True, path_type=Path))
@click.argument("networks", type=click.Path(exists=True, path_type=Path))
def main(dataset: Path, networks: Path) -> None:
    """Put the limits into a trained lip-sync network that lacks them or has others."""
    from safetensors.torch import save

    path = networks / "sync.safetensors"
    network = fused(SyncNets())
    state = load_state_dict(path)
    own = network.state_dict()
    fill(network, {**{name: own[name] for name in own if name.startswith("known_faces.")}, **state}, path)
    click.echo(fit_known_faces(network.known_faces, dataset))  # type: ignore[arg-type]
    halves = {name: value.detach().half().contiguous() for name, value in network.state_dict().items()}
    with atomic_write(path) as stream:
        stream.write(save(halves, {"evalkit": _metadata(path)}))


def _metadata(path: Path) -> str:
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        return str(file.metadata()["evalkit"])


if __name__ == "__main__":
    main()
