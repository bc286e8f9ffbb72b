"""The five neural metrics over 20 real clips, with random weights of the published shapes: ``make bench-networks``.

Wall time, the share of the networks' forward passes in it, the memory of all processes, and the same with a warm cache.
Only the times have a meaning here, not the values of the metrics. The detector's weights are made so that it finds one
face in every frame; otherwise SyncNet would have nothing to do.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import TracebackType

import yaml

from evalkit import api
from evalkit.metrics.networks.tokenizer import MERGES, byte_letters
from evalkit.scoring.scorecard import Scorecard
from evalkit.weights.store import file_sha256

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("EVALKIT_SHARED", ROOT.parent / "shared"))
METRICS = (
    "fid.pytorch",
    "kid.torchfidelity",
    "fvd.styleganv",
    "sync.latentsync.conf",
    "sync.latentsync.dist",
    "identity.strict.arc",
    "identity.strict.cur",
    "clipscore.logits100",
)


class PeakMemory:
    """The largest sum of resident memory of this process and its descendants, sampled every quarter of a second."""

    def __init__(self) -> None:
        self.bytes = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.25):
            self.bytes = max(self.bytes, resident())


def resident() -> int:
    """Return the resident bytes of this process and its descendants (Linux)."""
    parents: dict[int, int] = {}
    sizes: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            after_name = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(entry.name)] = int(after_name[1])
        sizes[int(entry.name)] = int(after_name[21]) * os.sysconf("SC_PAGE_SIZE")
    family = {os.getpid()}
    while more := {child for child, parent in parents.items() if parent in family} - family:
        family |= more
    return sum(sizes.get(process, 0) for process in family)


def write_weights(folder: Path) -> Path:
    """Write random checkpoints and their manifest; the face detector and the small face network are real."""
    sys.path.insert(0, str(ROOT / "tests"))
    import clip_checkpoint
    import face_checkpoints
    import i3d_checkpoint
    import inception_checkpoint
    import sync_networks
    import torch

    small = yaml.safe_load((ROOT / "tests" / "backbones.yaml").read_text())["roles"]
    roles = {name: small[name] for name in ("face_detector", "face_detector_second", "arcface")}
    for entry in roles.values():
        (folder / entry["file"]).symlink_to(SHARED / "weights" / entry["file"])

    def add(role: str, name: str, **options: str) -> None:
        digest = file_sha256(folder / name)
        roles[role] = {"file": name, "sha256": digest, "licence": "none", "options": options}

    inception_checkpoint.write_checkpoint(folder / "inception.pth", inception_checkpoint.random_inception())
    add("inception", "inception.pth")
    i3d_checkpoint.write_program(folder / "i3d.pt", i3d_checkpoint.random_i3d())
    add("i3d", "i3d.pt", format="torchscript")
    sync_networks.planted_s3fd(folder / "s3fd.pth")
    add("sync_detector", "s3fd.pth")
    sync_networks.random_syncnet(folder / "syncnet.model")
    add("syncnet", "syncnet.model")
    torch.save(face_checkpoints.state_of(face_checkpoints.random_ir101()), folder / "ir101.bin")
    add("curricularface", "ir101.bin")
    state = clip_checkpoint.random_state(clip_checkpoint.BASE)
    clip_checkpoint.write_archive(folder / "clip.pt", clip_checkpoint.as_published(state, clip_checkpoint.BASE))
    add("clip_vit_b32", "clip.pt")
    letters = list(byte_letters().values())
    pairs = [(first, second) for first in letters for second in letters]  # as many made-up merges as the real file has
    clip_checkpoint.write_vocabulary(folder / "vocabulary.txt.gz", pairs[:MERGES])
    add("clip_vocabulary", "vocabulary.txt.gz")
    manifest = folder / "backbones.yaml"
    manifest.write_text(yaml.safe_dump({"name": "random", "title": "random weights", "roles": roles}))
    return manifest


def report(title: str, card: Scorecard, wall: float, memory: int, workers: int) -> None:
    """Print one run."""
    networks: dict[str, float] = card.timing["networks"]
    total = sum(networks.values())
    print(f"\n{title}: {wall:.1f} s wall, {len(card.videos)} videos, {workers} workers, peak {memory / 2**30:.2f} GiB")
    print(f"  forward passes {total:.1f} s over all workers; share of wall x workers {total / (wall * workers):.2f}")
    print(f"  extraction {card.timing['extracting_seconds']:.1f} s wall, the rest is metrics, page and start-up")
    for name, seconds in networks.items():
        print(f"    {name:22} {seconds:7.1f} s   {seconds / max(total, 1e-9):5.1%}")


def main() -> None:
    """Print the table."""
    workers = len(os.sched_getaffinity(0))
    heads = SHARED / "data" / "talking-heads"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        manifest = write_weights(folder)
        os.environ["EVALKIT_WEIGHTS"] = str(folder)
        for title in ("cache cold", "the same again, cache warm"):
            started = time.perf_counter()
            with PeakMemory() as memory:
                card = api.score(
                    heads / "submissions" / "faithful.zip",
                    "talking-head",
                    heads / "testset",
                    metrics=METRICS,
                    backbones=manifest,
                    workers=workers,
                    cache=folder / "cache",
                )
            report(title, card, time.perf_counter() - started, memory.bytes, workers)
        for metric, score in card.metrics.items():
            print(f"  {metric:24} n {score.n:3}  {'unscored: ' + str(score.reason) if score.value is None else ''}")


if __name__ == "__main__":
    main()
