"""Ways to run a network: each one compared with evalkit's, as ratios in one run.

``make bench-networks`` runs this and `benchmarks.five_metrics`. Weights are random; one thread, as in a worker.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy.linalg
import torch
from torch.nn import functional

from evalkit.metrics.distances.distributions import frechet, frechet_from_features
from evalkit.metrics.networks import i3d as i3d_network
from evalkit.metrics.networks.fid_inception import FidInception
from evalkit.metrics.networks.i3d_clips import StateDictI3D
from evalkit.metrics.networks.runners import TorchRunner
from evalkit.metrics.sync.s3fd import S3fd, S3fdModel, build_s3fd

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import i3d_checkpoint
import inception_checkpoint
import sync_networks

SECONDS = 8.0  # of each way, at least


def rate(items: int, action: Callable[[], object]) -> float:
    """Return items per second of processor time, after one run to warm up."""
    action()
    rounds, started = 0, time.process_time()
    while (taken := time.process_time() - started) < SECONDS:
        action()
        rounds += 1
    return items * rounds / taken


def show(title: str, unit: str, rates: dict[str, float]) -> None:
    """Print one table, as ratios to the first way."""
    first = next(iter(rates.values()))
    print(f"\n{title}")
    for name, value in rates.items():
        print(f"  {name:52} {value:8.2f} {unit}   {value / first:5.2f}")


def inception(folder: Path, rng: np.random.Generator) -> None:
    """The FID's Inception."""
    plain = inception_checkpoint.random_inception()
    ours = FidInception(inception_checkpoint.write_checkpoint(folder / "inception.pth", plain))
    frames = [ours.prepare(rng.integers(0, 256, (256, 256, 3), dtype=np.uint8)) for _ in range(48)]

    def loop(batch: int) -> Callable[[], object]:
        def run() -> None:
            with torch.inference_mode():
                for start in range(0, 48, batch):
                    plain(torch.stack(frames[start : start + batch]))

        return run

    rates = {"reference, batches of 48": rate(48, loop(48)), "reference, batches of 16": rate(48, loop(16))}
    rates |= {"reference, one by one": rate(48, loop(1)), "evalkit's": rate(48, lambda: ours.embed(frames))}
    show("FID Inception, 299x299", "frames/s", rates)


def s3fd(folder: Path, rng: np.random.Generator) -> None:
    """The detector of lip sync, on the quarter of 256x256."""
    path = sync_networks.random_s3fd(folder / "s3fd.pth")
    ours, plain = S3fd(path), S3fd(path)
    published = build_s3fd()
    published.load_state_dict(torch.load(path, weights_only=True))
    plain._runner = TorchRunner(S3fdModel(published), torch.device("cpu"))
    smalls = rng.integers(0, 256, (16, 64, 64, 3), dtype=np.uint8)

    def one_by_one() -> None:
        for small in smalls:
            plain.raw(small[None])

    rates = {
        "reference, one by one": rate(16, one_by_one),
        "reference, 16 at once": rate(16, lambda: plain.raw(smalls)),
    }
    show("S3FD, 64x64", "frames/s", rates | {"evalkit's": rate(16, lambda: ours.raw(smalls))})


def i3d(folder: Path, rng: np.random.Generator) -> None:
    """The video network of FVD."""
    plain = i3d_checkpoint.random_i3d()
    ours = StateDictI3D(i3d_checkpoint.write_checkpoint(folder / "i3d.pt", plain))
    frames = [ours.prepare(rng.integers(0, 256, (224, 224, 3), dtype=np.uint8)) for _ in range(16)]
    clip = torch.stack(frames, dim=1)[None]

    def library_pool(x: torch.Tensor, kernel: tuple[int, ...], stride: tuple[int, ...]) -> torch.Tensor:
        edges = [i3d_network.same_padding(*sizes) for sizes in zip(x.shape[2:], kernel, stride, strict=True)]
        padded = functional.pad(
            x, [side for edge in reversed(edges) for side in edge]
        )  # after a ReLU nothing is below 0
        return functional.max_pool3d(padded, kernel, stride)

    def as_written() -> None:
        own, i3d_network.max_pool = i3d_network.max_pool, library_pool
        try:
            with torch.inference_mode():
                plain(clip)
        finally:
            i3d_network.max_pool = own

    show(
        "I3D, 16 frames",
        "clips/s",
        {"reference, PyTorch's pooling": rate(1, as_written), "evalkit's": rate(1, lambda: ours.embed(frames))},
    )


def distance(rng: np.random.Generator) -> None:
    """The Fréchet distance at the FID's 2048 dimensions."""
    many, few = rng.normal(size=(2, 2500, 2048)), rng.normal(size=(2, 600, 2048))

    def moments() -> list[tuple[np.ndarray, np.ndarray]]:
        return [(side.mean(axis=0), np.cov(side, rowvar=False)) for side in many]

    (m1, s1), (m2, s2) = moments()
    ways: dict[str, Callable[[], object]] = {
        "trace of scipy's square root": lambda: np.trace(scipy.linalg.sqrtm(s1 @ s2)),
        "evalkit's, from moments": lambda: frechet(m1, s1, m2, s2),
        "evalkit's, from 600 vectors a side": lambda: frechet_from_features(few[0], few[1]),
    }
    print("\nFréchet distance, 2048 dimensions")
    taken = {}
    for name, way in ways.items():
        started = time.process_time()
        way()
        taken[name] = time.process_time() - started
        first = next(iter(taken.values()))
        print(f"  {name:52} {taken[name]:8.2f} s          {first / taken[name]:5.2f}")


def main() -> None:
    """Print the tables."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        for part in (inception, s3fd, i3d):
            part(Path(name), rng)
    distance(rng)


if __name__ == "__main__":
    main()
