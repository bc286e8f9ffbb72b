"""What a family must cost: its videos decoded once, and the forward passes, without anything around them.

    python -m benchmarks.peers.floor JOB.json MANIFEST FAMILY... RESULT.json

Networks run as evalkit runs them, with everything prepared and in memory. The
number of passes is evalkit's own. Seconds are of this process' processor time; loading is not counted.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import yaml

from evalkit.media.decode import iter_frames
from evalkit.metrics.clip import embeddings as clip
from evalkit.metrics.embeddings import clips as i3d
from evalkit.metrics.embeddings import inception
from evalkit.metrics.faces import embeddings as faces
from evalkit.metrics.faces.scrfd import Scrfd
from evalkit.metrics.features.base import WeightFile
from evalkit.metrics.sync import networks as sync
from evalkit.weights.store import file_sha256

FRAMES_OF_SECOND = 25
SAMPLED = 16
CHUNK = 64  # items of one measured run; the seconds of the rest follow from it


def seconds_of(action: Callable[[], object]) -> float:
    """Return the seconds of processor time of ``action``, after one run to warm up."""
    action()
    started = time.process_time()
    action()
    return time.process_time() - started


class Floor:
    """The families of one job."""

    def __init__(self, job: Mapping[str, Any], manifest: Path) -> None:
        self._clips = job["clips"]
        roles = yaml.safe_load(manifest.read_text())["roles"]
        self._weights = {
            role: WeightFile(role, path, file_sha256(path), roles[role].get("options", {}))
            for role, path in ((role, Path(name)) for role, name in job["weights"].items())
        }
        self._random = np.random.default_rng(0)
        self._decoded: dict[str, tuple[float, int]] = {}

    def _pictures(self, count: int, side: int) -> np.ndarray:
        return self._random.integers(0, 256, (count, side, side, 3), dtype=np.uint8)

    def decode(self, sides: Sequence[str], most: int | None = None) -> tuple[float, int]:
        """Return the seconds of decoding the clips of the sides to RGB, up to ``most`` frames, and their frames."""
        started, frames = time.process_time(), 0
        for side in sides:
            for one in self._clips:
                for number, _ in enumerate(iter_frames(Path(one[side])), 1):
                    frames += 1
                    if number == most:
                        break
        return time.process_time() - started, frames

    def seconds_of_sound(self) -> float:
        """Return how long the generated clips are together, by their frames at the rate of the files."""
        captures = [cv2.VideoCapture(one["generated"]) for one in self._clips]
        return sum(c.get(cv2.CAP_PROP_FRAME_COUNT) / c.get(cv2.CAP_PROP_FPS) for c in captures)

    def fid(self) -> dict[str, float]:
        """Both sides, every frame at 25 frames/s."""
        network = inception.open_network(self._weights["inception"], "cpu")
        prepared = [network.prepare(one) for one in self._pictures(CHUNK, 256)]
        each = seconds_of(lambda: network.embed(prepared)) / CHUNK
        passes = 2 * self.seconds_of_sound() * FRAMES_OF_SECOND
        return {"decode": self.decode(("real", "generated"))[0], "inception": each * passes}

    def fvd(self) -> dict[str, float]:
        """Both sides, the first 16 frames."""
        network = i3d.open_network(self._weights["i3d_state"], "cpu")
        prepared = [network.prepare(one) for one in self._pictures(SAMPLED, 256)]
        each = seconds_of(lambda: network.embed(prepared))
        decode = self.decode(("real", "generated"), SAMPLED)[0]
        return {"decode": decode, "i3d": each * 2 * len(self._clips)}

    def identity(self) -> dict[str, float]:
        """16 frames of each video and its reference image: one detection and one vector each."""
        detector = Scrfd(self._weights["face_detector"].path)
        embedder = faces.open_arcface(self._weights["arcface"], "cpu")
        frame, crops = self._pictures(1, 256)[0], self._pictures(SAMPLED, 112)
        detections = (SAMPLED + 1) * len(self._clips)
        found = seconds_of(lambda: [detector.detect(frame) for _ in range(SAMPLED)]) / SAMPLED
        embedded = seconds_of(lambda: embedder.embed(crops)) / SAMPLED
        decode = self.decode(("generated",))[0]
        return {"decode": decode, "face_detector": found * detections, "arcface": embedded * detections}

    def lip_sync(self) -> dict[str, float]:
        """A detection and a run of five pictures and of 20 rows of sound for every frame at 25 frames/s."""
        detector = sync.open_detector(self._weights["sync_detector"], "cpu")
        network = sync.open_syncnet(self._weights["syncnet"], "cpu")
        smalls = [detector.small(one) for one in self._pictures(CHUNK, 256)]
        found = seconds_of(lambda: detector.detect(smalls, [(256, 256)] * CHUNK)) / CHUNK
        crops, rows = self._pictures(CHUNK + 4, 224), self._random.normal(size=(4 * CHUNK + 16, 13))
        run = seconds_of(lambda: (network.lips(crops), network.audio(rows, CHUNK))) / CHUNK
        frames = self.seconds_of_sound() * FRAMES_OF_SECOND
        decode = self.decode(("generated",))[0]
        return {"decode": decode, "sync_detector": found * frames, "syncnet": run * frames}

    def clipscore(self) -> dict[str, float]:
        """16 frames and one text of each video."""
        network = clip.open_network(self._weights["clip_vit_b32"], "cpu")
        options = clip.FrameOptions()
        images = clip.ClipImages(network, options, "clip_vit_b32")
        squares = [images.prepare(one) for one in self._pictures(SAMPLED, 256)]
        tokens = self._random.integers(1, 1000, (1, 77))
        each = seconds_of(lambda: (images.embed(squares), network.embed_texts(tokens)))
        return {"decode": self.decode(("generated",))[0], "clip_vit_b32": each * len(self._clips)}


def main() -> None:
    """Write the seconds of each family by what they are spent on."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    job, manifest, *families, result = sys.argv[1:]
    floor = Floor(json.loads(Path(job).read_text()), Path(manifest))
    found = {family: getattr(floor, family)() for family in families}
    Path(result).write_text(json.dumps(found))


if __name__ == "__main__":
    main()
