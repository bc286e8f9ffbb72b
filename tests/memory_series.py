"""What a worker holds in memory after each of many videos of mixed sizes."""

from __future__ import annotations

import gc
import os
import random
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from evalkit.challenges.model import load_challenge
from evalkit.media.encode import write_video
from evalkit.metrics.features.base import Item, WeightFile
from evalkit.scoring.extract import Handler
from evalkit.scoring.jobs import Config, Job
from evalkit.submission.model import Submission
from evalkit.workers.pool import Workers
from evalkit.workers.sandbox import Limits

# Width, height and number of frames, and how many of 50 videos are so.
KINDS = {"64": (64, 64, 8), "256": (256, 256, 12), "1080p": (1920, 1080, 4), "4K": (3840, 2160, 3)}
SHARES = {"64": 32, "256": 10, "1080p": 4, "4K": 4}


@dataclass(frozen=True)
class Held:
    """Bytes that a worker held.

    Args:
        base: after the first videos of 64 and 256 pixels: what is loaded once is loaded then.
        kinds: of the other videos, in their order.
        after: (N,) int64, after each of them.
    """

    base: int
    kinds: tuple[str, ...]
    after: np.ndarray[Any, np.dtype[np.int64]]

    @property
    def growth(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """(N,) float64, MiB above the base."""
        return (self.after - self.base) / (1 << 20)


def measured(config: Config) -> Callable[[Job | None], list[Any]]:
    """Return a worker's handler that also says what the process held when the job began, and which features failed."""
    handler = Handler(config)

    def handle(job: Job | None) -> list[Any]:
        held = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
        failed = [] if job is None else sorted(handler(job).errors)
        gc.collect()
        return [held, failed]

    return handle


def measure(
    folder: Path, features: Sequence[str], weights: Mapping[str, WeightFile] | None = None, videos: int = 50
) -> Held:
    """Read ``videos`` in one confined worker, in a random order with a fixed seed."""
    for kind, (width, height, frames) in KINDS.items():
        small = np.random.default_rng(1).integers(0, 255, (height // 16, width // 16, 3), dtype=np.uint8)
        picture = cv2.resize(small, (width, height))
        write_video(
            folder / f"{kind}.mp4", (np.roll(picture, 4 * at, 1) for at in range(frames)), 25, preset="ultrafast"
        )
        Image.fromarray(picture[:256, :256]).save(folder / f"{kind}.png")
    with zipfile.ZipFile(folder / "team.zip", "w") as archive:
        for kind in KINDS:
            archive.write(folder / f"{kind}.mp4", f"{kind}.mp4")
    submission = Submission.open(folder / "team.zip")
    order = [kind for kind, share in SHARES.items() for _ in range(share * videos // 50)]
    random.Random(1).shuffle(order)
    order = ["64", "256", *order]
    jobs = [
        Job(
            kind,
            submission.ref(f"{kind}.mp4"),
            Item(
                kind,
                Path(),
                text="a disc",
                reference_video=folder / f"{kind}.mp4",
                reference_images=(folder / f"{kind}.png",),
            ),
        )
        for kind in order
    ]
    config = Config(folder / "cache", tuple(features), weights or {}, rules=load_challenge("talking-head").submission)
    found = sorted(
        Workers("memory_series:measured", config, 1, 600.0, Limits()).run([*jobs, None]), key=lambda one: one.index
    )
    for one in found:
        if one.failure is not None or one.value[1]:
            raise RuntimeError(f"{one.failure} {one.detail} {one.value}")
    held = np.array([one.value[0] for one in found], dtype=np.int64)
    return Held(int(held[2]), tuple(order[2:]), held[3:])
