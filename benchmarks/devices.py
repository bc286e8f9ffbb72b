"""The networks on CPU and GPU: how much the numbers differ, and how much faster the GPU is.

Needs a CUDA device and a CUDA build of PyTorch; weights are random (``tests/*_checkpoint.py``). ``python -m
benchmarks.devices`` prints, for every network and way, the largest distance of a vector from the float32 vector of the
CPU, relative to its length, then items per second and their ratio. At the end it
scores a made-up challenge on both devices with the bundled networks and compares the scorecards.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import clip_checkpoint
import face_checkpoints
import i3d_checkpoint
import inception_checkpoint
import sync_networks

Way = Callable[[], NDArray[Any]]
Make = Callable[[str, torch.dtype], Way]
WAYS = (
    ("cpu float32, one thread", "cpu", torch.float32),
    ("cuda float32", "cuda", torch.float32),
    ("cuda bfloat16", "cuda", torch.bfloat16),
    ("cuda float16", "cuda", torch.float16),
)
SECONDS = 4.0  # of each way, at least


def images(count: int, side: int) -> NDArray[np.uint8]:
    """Return smooth colour images, (count, side, side, 3)."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (count, 12, 12, 3), dtype=np.uint8)
    return np.stack([cv2.resize(one, (side, side), interpolation=cv2.INTER_CUBIC) for one in small])


def inception(folder: Path) -> Make:
    """FID's Inception, 48 frames."""
    from evalkit.metrics.networks.fid_inception import FidInception

    path = inception_checkpoint.write_checkpoint(folder / "inception.pth", inception_checkpoint.random_inception())

    def make(device: str, precision: torch.dtype) -> Way:
        network = FidInception(path, device, precision)
        frames = [network.prepare(frame) for frame in images(48, 256)]
        return lambda: network.embed(frames)

    return make


def i3d(folder: Path) -> Make:
    """FVD's I3D, 4 clips of 16 frames."""
    from evalkit.metrics.networks.i3d_clips import StateDictI3D

    path = i3d_checkpoint.write_checkpoint(folder / "i3d.pt", i3d_checkpoint.random_i3d())

    def make(device: str, precision: torch.dtype) -> Way:
        network = StateDictI3D(path, device, precision=precision)
        clips = [[network.prepare(frame) for frame in images(16, 224)] for _ in range(4)]
        return lambda: np.stack([network.embed(clip) for clip in clips])

    return make


def syncnet(folder: Path) -> Make:
    """SyncNet's video branch, 48 windows."""
    from evalkit.metrics.sync.syncnet import SyncNet

    path = sync_networks.random_syncnet(folder / "syncnet.model")

    def make(device: str, precision: torch.dtype) -> Way:
        network, crops = SyncNet(path, device, precision), images(52, 224)
        return lambda: network.lips(crops)

    return make


def s3fd(folder: Path) -> Make:
    """S3FD's confidences and boxes of the first level, 16 frames of 256 pixels."""
    from evalkit.metrics.sync.s3fd import S3fd

    path = sync_networks.random_s3fd(folder / "s3fd.pth")

    def make(device: str, precision: torch.dtype) -> Way:
        network = S3fd(path, device, precision)
        smalls = np.stack([network.small(frame) for frame in images(16, 256)])

        def way() -> NDArray[Any]:
            offsets, scores, _ = network.raw(smalls)
            return np.concatenate([offsets, scores[..., None]], axis=2)

        return way

    return make


def clip(folder: Path) -> Make:
    """CLIP ViT-B/32, 64 images."""
    from evalkit.metrics.networks.clip import Clip

    state = clip_checkpoint.random_state(clip_checkpoint.BASE)
    path = folder / "clip.pt"
    digest = clip_checkpoint.write_archive(path, clip_checkpoint.as_published(state, clip_checkpoint.BASE))

    def make(device: str, precision: torch.dtype) -> Way:
        network, squares = Clip(path, device, digest, precision), list(images(64, 224))
        return lambda: network.embed_images(squares)

    return make


def curricularface(folder: Path) -> Make:
    """CurricularFace's IR-101, 32 crops."""
    from evalkit.metrics.networks.ir101 import CurricularFace

    crops = images(32, 224)
    network = face_checkpoints.random_ir101(face_checkpoints.as_pixels(crops, 112))
    path = folder / "face.bin"
    torch.save(face_checkpoints.state_of(network), path)

    def make(device: str, precision: torch.dtype) -> Way:
        ours = CurricularFace(path, device, precision)
        return lambda: ours.embed(crops)

    return make


NETWORKS: dict[str, tuple[int, Callable[[Path], Make]]] = {
    "FID Inception, frames": (48, inception),
    "I3D, clips of 16 frames": (4, i3d),
    "SyncNet lips, windows": (48, syncnet),
    "S3FD, frames of 256 pixels": (16, s3fd),
    "CLIP ViT-B/32, pictures": (64, clip),
    "CurricularFace IR-101, crops": (32, curricularface),
}


def rate(items: int, way: Way) -> float:
    """Return items per second, after two calls to warm up."""
    way(), way()
    rounds, started = 0, time.perf_counter()
    while (taken := time.perf_counter() - started) < SECONDS:
        way()
        rounds += 1
    return items * rounds / taken


def distance(found: NDArray[Any], wanted: NDArray[Any]) -> float:
    """Return the largest distance between two vectors, relative to the length of the expected one."""
    found, wanted = (np.asarray(part, np.float64).reshape(len(part), -1) for part in (found, wanted))
    return float((np.linalg.norm(found - wanted, axis=1) / np.linalg.norm(wanted, axis=1)).max())


def compare_networks(folder: Path) -> dict[str, Any]:
    """Print a table for each network and return the figures."""
    figures: dict[str, Any] = {}
    for title, (items, prepare) in NETWORKS.items():
        make, base, plain = prepare(folder), 0.0, np.empty(0)
        rows: dict[str, dict[str, Any]] = {}
        print(f"\n{title}", flush=True)
        for name, device, precision in WAYS:
            way = make(device, precision)
            output, again = way(), way()
            speed = rate(items, way)
            if not rows:
                base, plain = speed, output
            away = distance(output, plain)
            same = bool(np.array_equal(output, again))
            rows[name] = {"distance": away, "per_second": speed, "ratio": speed / base, "repeats": same}
            print(
                f"  {name:24} {away:9.1e} away {speed:10.1f}/s {speed / base:8.1f}x {'' if same else 'NOT '}repeatable"
            )
        figures[title] = rows
    return figures


def compare_scores(folder: Path, samples: int) -> dict[str, Any]:
    """Score one submission on both devices, from empty caches, and return how much the numbers differ."""
    from evalkit import api
    from evalkit.reference_models.demo_challenge import TEAMS, DemoChallenge
    from evalkit.workers.pool import default_workers

    show, workers = DemoChallenge(folder / "show", samples=samples), default_workers()
    show.claim()
    testset = show.testset(workers)
    blurred = next(team for team in TEAMS if team.name == "blur")
    show.submission(blurred, testset, workers)
    team = show.submission_file(blurred)
    cards, seconds = {}, {}
    for name in ("cpu", "cuda"):
        started = time.perf_counter()
        cards[name] = api.score(
            team, show.challenge(), testset, backbones="bundled", device=name, cache=folder / f"cache-{name}"
        )
        seconds[name] = time.perf_counter() - started
    found = {}
    for metric in cards["cpu"].metrics:
        scores = [card.metrics[metric] for card in cards.values()]
        found[metric] = {name: card.metrics[metric].value for name, card in cards.items()}
        told = (str(score.reason if score.value is None else score.value) for score in scores)
        print(f"  {metric:28}" + "".join(f"{word:>24}" for word in told))
    print(f"  seconds: {seconds}")
    return {"metrics": found, "seconds": seconds, "timing": {name: card.timing for name, card in cards.items()}}


def main() -> None:
    """Run both comparisons."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=24, help="videos of the made-up challenge")
    parser.add_argument("-o", "--output", type=Path, help="write the figures as JSON")
    parser.add_argument("--scores-only", action="store_true", help="leave the networks by themselves out")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        figures: dict[str, Any] = {"torch": torch.__version__, "device": torch.cuda.get_device_name()}
        if not chosen.scores_only:
            figures["networks"] = compare_networks(Path(name))
        print("\nscores: processor, graphics card")
        figures["scores"] = compare_scores(Path(name), chosen.samples)
    if chosen.output:
        chosen.output.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
