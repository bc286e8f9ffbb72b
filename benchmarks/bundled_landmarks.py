"""How far the bundled landmarks are from the truth on unseen puppets, and whether metrics grow with a fault.

    python -m benchmarks.bundled_landmarks [--weights FOLDER] [--identities 6] [--frames 40] [--seeds 3]

Prints the tables of "Landmarks" in the model card. Frames are rendered, changed and measured in memory: no file lies
between. Errors are by the distance between the eyes, the means of six points each.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from importlib import resources
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.base import FeatureData, VideoInputs, metric_registry
from evalkit.metrics.features.base import WeightFile
from evalkit.metrics.landmarks.arithmetic import eye_distances
from evalkit.metrics.landmarks.features import DETECTOR, ROLE, LandmarkFinder, LandmarkOptions, make_finder
from evalkit.reference_models.puppet.landmarks import landmarks68
from evalkit.reference_models.puppet.renderer import PuppetRenderer
from evalkit.reference_models.puppet.scene import Scene, draw_scene
from evalkit.weights.store import file_sha256

SEED = 90210  # of the first test set; the networks saw none of its people
METRICS = ("landmark.m_lmd", "landmark.f_lmd", "landmark.akd", "landmark.organiser_akd")
SIZES = (0, 1, 2, 4)
LATE = (0, 1, 2, 4, 8)
PARTS = {"jaw": (0, 17), "brows": (17, 27), "nose": (27, 36), "eyes": (36, 48), "mouth": (48, 68)}
Picture = NDArray[np.uint8]
Points = NDArray[np.float64]
Change = Callable[[Picture, np.random.Generator], Picture]


def open_finder(folder: Path) -> LandmarkFinder:
    """Return the finder with the networks of a folder."""
    files = {ROLE: ("landmarks", {}), DETECTOR: ("detector", {"threshold": 0.5})}
    weights = {}
    for role, (name, options) in files.items():
        path = folder / f"{name}.safetensors"
        weights[role] = WeightFile(role, path, file_sha256(path), {"format": "bundled", **options})
    return make_finder(weights, LandmarkOptions())


def blurred(sigma: float) -> Change:
    """Return what blurs a frame."""
    return lambda rgb, _: np.asarray(cv2.GaussianBlur(rgb, (0, 0), sigma), np.uint8) if sigma else rgb


def shifted(sigma: float) -> Change:
    """Return what shifts a frame at random, as the control ``jitter``."""

    def change(rgb: Picture, rng: np.random.Generator) -> Picture:
        x, y = rng.normal(0, sigma, 2) if sigma else (0.0, 0.0)
        matrix, size = np.array([[1, 0, x], [0, 1, y]]), (rgb.shape[1], rgb.shape[0])
        moved = cv2.warpAffine(rgb, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
        return np.asarray(moved, np.uint8)

    return change


def compressed(quality: int) -> Change:
    """Return what compresses a frame as JPEG."""

    def change(rgb: Picture, _: np.random.Generator) -> Picture:
        return np.asarray(cv2.imdecode(cv2.imencode(".jpg", rgb, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], 1), np.uint8)

    return change


def resized(side: int) -> Change:
    """Return what makes a frame smaller or larger; the points are measured in the frame of before."""
    return lambda rgb, _: np.asarray(cv2.resize(rgb, (side, side), interpolation=cv2.INTER_AREA), np.uint8)


CHANGES: dict[str, Change] = {
    "as rendered": blurred(0),
    **{f"blur {size}": blurred(size) for size in SIZES[1:]},
    **{f"jitter {size}": shifted(size) for size in SIZES[1:]},
    "JPEG, quality 30": compressed(30),
    "128 pixels": resized(128),
    "512 pixels": resized(512),
}


def found_in(finder: LandmarkFinder, frames: list[Picture], change: Change) -> Points:
    """Return the landmarks of changed frames (T, 68, 2) in pixels of the frames as they were."""
    rng = np.random.default_rng(1)
    rows = []
    for rgb in frames:
        made = change(rgb, rng)
        ratio = rgb.shape[0] / made.shape[0]
        rows.append((finder.find(made)[0].astype(np.float64) + 0.5) * ratio - 0.5)
    return np.stack(rows)


def errors(finder: LandmarkFinder, scenes: list[Scene], step: int) -> None:
    """Print the distance from the truth by region, in every ``step``-th frame of each scene."""
    print(f"| frames | missed | all | {' | '.join(PARTS)} | 95 % below |")
    print("|---" * (len(PARTS) + 4) + "|")
    pictures, truth = [], []
    for scene in scenes:
        renderer = PuppetRenderer(scene.look, scene.size)
        for pose in scene.poses[::step]:
            pictures.append(renderer.render(pose))
            truth.append(landmarks68(scene.look, pose, scene.size))
    wanted = np.stack(truth)
    for name, change in CHANGES.items():
        if name.startswith("jitter"):
            continue  # the truth moves along, by what only the change knows
        found = found_in(finder, pictures, change)
        there = np.isfinite(found).all(axis=(1, 2))
        apart = np.linalg.norm(found - wanted, axis=2)[there] / eye_distances(wanted[there])[:, None]
        parts = [apart.mean(), *(apart[:, first:last].mean() for first, last in PARTS.values())]
        numbers = " | ".join(f"{value:.4f}" for value in (*parts, np.quantile(apart.mean(axis=1), 0.95)))
        print(f"| {name} | {int((~there).sum())} of {len(there)} | {numbers} |", flush=True)


def measured(candidate: Points, reference: Points) -> dict[str, float]:
    """Return the metrics of one video; NaN where it has none."""
    count = len(reference)
    arrays = {"candidate": candidate, "reference": reference, "compared": np.array([count, count, 0.0])}
    inputs = VideoInputs("s", {"landmarks68": FeatureData(arrays)})
    values = {name: metric_registry()[name].score_video(inputs).value for name in METRICS}
    return {name: np.nan if value is None else value for name, value in values.items()}


def orders(finder: LandmarkFinder, seed: int, scenes: list[Scene], count: int) -> None:
    """Print what each control of a test set scores, and how well values and sizes of a fault agree in rank."""
    from scipy.stats import spearmanr

    rows: dict[str, list[dict[str, float]]] = {}
    for scene in scenes:
        renderer = PuppetRenderer(scene.look, scene.size)
        frames = [renderer.render(pose) for pose in scene.poses[: count + max(LATE)]]
        clean = found_in(finder, frames, CHANGES["as rendered"])
        reference = clean[max(LATE) :]
        ours: Mapping[str, Points] = {
            **{f"late {by}": clean[max(LATE) - by : len(clean) - by] for by in LATE},
            "still": np.repeat(reference[:1], len(reference), axis=0),
            **{
                f"{kind} {size}": found_in(finder, frames[max(LATE) :], CHANGES[f"{kind} {size}"])
                for kind in ("blur", "jitter")
                for size in SIZES[1:]
            },
        }
        for name, points in ours.items():
            rows.setdefault(name, []).append(measured(points, reference))
    rows = {"truth": rows.pop("late 0"), **rows}
    print(f"\n| seed {seed} | {' | '.join(METRICS)} |")
    print("|---" * (len(METRICS) + 1) + "|")
    for name, values in rows.items():
        print(f"| {name} | {' | '.join(f'{np.mean([one[metric] for one in values]):.3f}' for metric in METRICS)} |")
    for kind, sizes in (("blur", SIZES), ("jitter", SIZES), ("late", LATE)):
        levels = ["truth", *(f"{kind} {size}" for size in sizes[1:])]
        ranks = [
            np.mean([
                spearmanr(sizes, [rows[level][video][metric] for level in levels]).statistic
                for video in range(len(scenes))
            ])
            for metric in METRICS
        ]  # fmt: skip
        print(
            f"| rank correlation with the size of {kind} | {' | '.join(f'{rank:.2f}' for rank in ranks)} |", flush=True
        )


def main() -> None:
    """Measure the networks of a folder."""
    bundled = Path(str(resources.files("evalkit"))) / "reference_models" / "bundled" / "weights"
    parser = argparse.ArgumentParser()
    parser.add_argument("--weights", type=Path, default=bundled)
    parser.add_argument("--identities", type=int, default=6)
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    finder = open_finder(arguments.weights)
    seeds = [SEED + row for row in range(arguments.seeds)]
    scenes = {seed: [draw_scene(seed, number) for number in range(arguments.identities)] for seed in seeds}
    errors(finder, [scene for found in scenes.values() for scene in found], step=10)
    for seed, found in scenes.items():
        orders(finder, seed, found, arguments.frames)


if __name__ == "__main__":
    main()
