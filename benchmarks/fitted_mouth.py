"""A mouth that is fitted to the bundled lip-sync network, and what tells of it: the table of design/035.

    python -m benchmarks.fitted_mouth --work FOLDER [--people 4] [--seconds 3.2] [--limits 6,20,60]

The photo of a puppet stands still but for what is added to its mouth: up to so many grey levels at each of 40 by 40
points, chosen by gradient descent so that the network takes the lips for those of the official speech. That network
judges the result as a lip-sync metric does, through an encoder. The second estimator knows nothing of it: the
correlation of the opening of the inner lips, by landmarks, with the opening that the loudness of the speech asks for.

FOLDER keeps videos, scorecards and the cache. The real videos, the still photo and ``warp`` stand beside.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
import torch
from numpy.typing import NDArray

import evalkit
from evalkit.challenges.model import load_challenge
from evalkit.media.audio import read_audio
from evalkit.media.decode import iter_frames
from evalkit.media.encode import write_video
from evalkit.media.stills import read_still
from evalkit.metrics.binding.mouths import mouth_opening
from evalkit.metrics.features.audio import to_int16
from evalkit.metrics.networks.small.base import open_small
from evalkit.metrics.networks.small.inputs import MOUTH_COLUMNS, MOUTH_ROWS, mouth
from evalkit.metrics.networks.small.models import LIP_FRAMES, LIP_SIDE
from evalkit.metrics.networks.small.runners import SmallBoxes, SmallDetector, SmallLandmarks, SmallSync
from evalkit.metrics.sync.distances import SHIFTS, window_count
from evalkit.metrics.sync.mfcc import mfcc
from evalkit.metrics.sync.tracks import CROP, crop
from evalkit.reference_models.generation.submission import make_submission
from evalkit.reference_models.generators.warp.speech import RATE, mouth_motion
from evalkit.reference_models.puppet.motion import FPS
from evalkit.reference_models.puppet.testset import PuppetTestSet, write_puppet_testset
from evalkit.scoring.scorecard import Scorecard
from evalkit.testsets.loading import load_testset
from evalkit.testsets.model import Sample, TestSet

SEED = 91
CRF = 18
STEPS, PACE = 200, 0.15
METRICS = ["sync.latentsync.conf", "sync.latentsync.dist", "identity.strict.arc"]  # the last one reads faces
WEIGHTS = Path(evalkit.__file__).parent / "reference_models" / "bundled" / "weights"
BESIDE = {"the real video": "truth", "`warp`": "warp", "the photo, still": "still"}


def opened(kind: str, network: type[Any]) -> Any:
    """Return a bundled network behind its interface."""
    path = WEIGHTS / f"{kind}.safetensors"
    return network(path, hashlib.sha256(path.read_bytes()).hexdigest())


@dataclass(frozen=True)
class Place:
    """Where the network looks for the mouth: rows and columns of the picture, as real numbers."""

    top: float
    left: float
    height: float
    width: float

    def add(self, picture: NDArray[np.uint8], change: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Return the picture (H, W, 3) with a change (40, 40, 3) at this place."""
        matrix = np.array([[self.width / LIP_SIDE, 0, self.left], [0, self.height / LIP_SIDE, self.top]])
        size = (picture.shape[1], picture.shape[0])
        shown = cv2.warpAffine(change, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        return np.asarray(np.clip(np.rint(picture + shown), 0, 255), np.uint8)


def place_of(photo: NDArray[np.uint8], boxes: SmallBoxes) -> tuple[Place, NDArray[np.uint8]]:
    """Return the place of the mouth in a photo, and the mouth (40, 40, 3) BGR as the network sees it."""
    size = (photo.shape[1], photo.shape[0])
    x1, y1, x2, y2 = boxes.detect([boxes.small(photo)], [size])[0][0][:4]
    x, y, half = (x1 + x2) / 2, (y1 + y2) / 2, max(x2 - x1, y2 - y1) / 2
    cut = crop(np.ascontiguousarray(photo[:, :, ::-1]), x, y, half)
    scale = 2 * half * (1 + CROP.margin) / CROP.size
    rows, columns = MOUTH_ROWS, MOUTH_COLUMNS
    place = Place(
        y - half + scale * rows.start,
        x - half * (1 + CROP.margin) + scale * columns.start,
        scale * (rows.stop - rows.start),
        scale * (columns.stop - columns.start),
    )
    return place, mouth(cut)


def fitted(still: NDArray[np.uint8], speech: NDArray[np.float32], frames: int, limit: float) -> NDArray[np.float32]:
    """Return what to add to the mouth in each frame (T, 40, 40, 3) RGB, at most ``limit`` grey levels."""
    path = WEIGHTS / "sync.safetensors"
    network: Any = open_small("sync", path, hashlib.sha256(path.read_bytes()).hexdigest(), "cpu")
    samples = to_int16(speech)
    windows = window_count(frames, len(samples))
    sound = torch.from_numpy(opened("sync", SmallSync).audio(mfcc(samples), windows))
    padded = torch.nn.functional.pad(sound, (0, 0, SHIFTS, SHIFTS))
    base = torch.from_numpy(still.astype(np.float32)).permute(2, 0, 1)
    edge = torch.from_numpy(np.hanning(LIP_SIDE + 2)[1:-1].astype(np.float32)).clamp(max=0.3) / 0.3
    window = edge[:, None] * edge[None, :]
    torch.manual_seed(0)
    free = (0.1 * torch.randn(frames, 3, LIP_SIDE, LIP_SIDE)).requires_grad_()
    optimiser = torch.optim.Adam([free], lr=PACE)
    for _ in range(STEPS):
        seen = (base + limit * window * torch.tanh(free)).clamp(0, 255) / 255.0
        runs = torch.cat([seen[at : at + windows] for at in range(LIP_FRAMES)], dim=1)
        lips = network.embed_lips(runs)
        curve = torch.stack([(lips - padded[k : k + windows]).norm(dim=1).mean() for k in range(2 * SHIFTS + 1)])
        loss = curve[SHIFTS] - 0.5 * curve.mean()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    change = (limit * window * torch.tanh(free)).detach().permute(0, 2, 3, 1).numpy()
    return np.ascontiguousarray(change[..., ::-1])


def write_fitted(testset: TestSet, folder: Path, limit: float) -> None:
    """Write the fitted videos of a test set where they are missing."""
    folder.mkdir(exist_ok=True)
    boxes = opened("detector", SmallBoxes)
    for sample in testset.samples:
        path = folder / f"{sample.id}.mp4"
        if path.exists():
            continue
        photo = read_still(testset.path(sample.reference_images[0]))
        speech = read_audio(testset.path(str(sample.audio)), RATE)
        place, seen = place_of(photo, boxes)
        change = fitted(seen, speech, round(len(speech) / RATE * FPS), limit)
        part = path.with_suffix(".part.mp4")
        write_video(part, [place.add(photo, one) for one in change], FPS, speech, RATE, crf=CRF)
        part.rename(path)


def correlation(video: Path, speech: NDArray[np.float32]) -> float:
    """Return the correlation of the opening of the lips with what the loudness asks for; 0 where nothing moves."""
    detector, landmarks = opened("detector", SmallDetector), opened("landmarks", SmallLandmarks)
    opening = []
    for frame in iter_frames(video):
        faces = detector.detect(frame)
        opening.append(mouth_opening(landmarks.points(frame, faces[0].box)) if faces else np.nan)
    asked, seen = mouth_motion(speech, len(opening), FPS).opening, np.array(opening)
    known = np.isfinite(seen)
    if known.sum() < FPS or seen[known].std() < 1e-6:
        return 0.0
    return float(np.corrcoef(seen[known], asked[known])[0, 1])


class Bench:
    """Makes and scores one kind of videos after the other."""

    def __init__(self, place: Path, people: int, seconds: float) -> None:
        self.place = place
        puppets = PuppetTestSet(place / "testset", SEED, people, seconds=seconds)
        if not (puppets.folder / "samples.jsonl").exists():
            write_puppet_testset(puppets, 1)
        self.testset = load_testset(puppets.folder)

    def line(self, label: str, submission: Path) -> str:
        """Return the row of a submission."""
        kept = submission.with_suffix(".json")
        if not kept.exists():
            card = evalkit.score(
                submission, load_challenge("talking-head"), self.testset, metrics=METRICS, backbones="bundled",
                workers=1, cache=self.place / "cache",
            )  # fmt: skip
            kept.write_text(card.to_json(), encoding="utf-8")
        card = Scorecard.from_json(kept.read_text(encoding="utf-8"), label)
        by_sample = [correlation(self.video(submission, one), self.speech(one)) for one in self.testset.samples]
        rules = [str(finding["rule"]) for video in card.videos for finding in video.findings]
        named = sorted({rule for rule in rules if rule.startswith("gaming.") or rule == "content.frozen"})
        found = ", ".join(f"{rule.removeprefix('gaming.')} {rules.count(rule)}" for rule in named)
        values = [card.metrics[name] for name in METRICS[:2]]
        numbers = " | ".join("-" if one.value is None else f"{one.value:.2f}" for one in values)
        shares = ", ".join(f"{one:.2f}" for one in by_sample)
        return f"| {label} | {numbers} | {shares} | {found} |"

    def video(self, submission: Path, sample: Sample) -> Path:
        """Return the file of a sample."""
        return submission / f"{sample.id}.mp4"

    def speech(self, sample: Sample) -> NDArray[np.float32]:
        """Return its speech."""
        return np.asarray(read_audio(self.testset.path(str(sample.audio)), RATE), np.float32)

    def lines(self, limits: list[float]) -> Iterator[str]:
        """Yield the rows of the table."""
        for label, name in BESIDE.items():
            folder = self.place / name
            if not folder.exists():
                archive = self.place / f"{name}.zip"
                make_submission(name, self.testset, archive, backbones="bundled", with_speed=False)
                _unpacked(archive, folder)
            yield self.line(label, folder)
        for limit in limits:
            folder = self.place / f"fitted-{limit:g}"
            write_fitted(self.testset, folder, limit)
            yield self.line(f"fitted, up to {limit:g} grey levels", folder)


def _unpacked(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as ours:
        ours.extractall(folder)


@click.command()
@click.option("--work", type=click.Path(path_type=Path), required=True, help="Keep all here, and go on from it.")
@click.option("--people", type=int, default=4, show_default=True)
@click.option("--seconds", type=float, default=3.2, show_default=True)
@click.option("--limits", default="6,20,60", show_default=True)
def main(work: Path, people: int, seconds: float, limits: str) -> None:
    """Print a Markdown table."""
    work.mkdir(parents=True, exist_ok=True)
    click.echo(
        "| videos | confidence (videos) | distance | correlation, each video | found in |\n|---|---|---|---|---|"
    )
    for line in Bench(work, people, seconds).lines([float(one) for one in limits.split(",")]):
        click.echo(line)


if __name__ == "__main__":
    main()
