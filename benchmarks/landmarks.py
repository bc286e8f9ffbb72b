"""Landmark distances of real videos and of their controls, with dlib's published weights or the bundled networks.

``python -m benchmarks.landmarks`` prints the table of docs/definitions/landmarks.md, with ``--backbones bundled`` that
of the model card. It takes runs of neighbouring frames spread over each clip under EVALKIT_SHARED/data/talking-heads,
since dlib would take an hour for every frame.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.media.decode import iter_frames
from evalkit.media.inspect import scan_times
from evalkit.metrics.base import FeatureData, VideoInputs, metric_registry
from evalkit.metrics.features.base import WeightFile
from evalkit.metrics.landmarks.features import DETECTOR, ROLE, LandmarkFinder, LandmarkOptions, make_finder
from evalkit.scoring.pairing import pair_indices
from evalkit.weights.manifest import load_backbones
from evalkit.weights.store import find_weights

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("EVALKIT_SHARED", ROOT.parent / "shared")) / "data/talking-heads"
METRICS = ("landmark.er_lmd", "landmark.m_lmd", "landmark.f_lmd", "landmark.organiser_akd", "landmark.jitter")
ZIPS = ("faithful", "blurred", "frozen", "swapped")
LATE_SECONDS = 0.2
Found = dict[int, NDArray[np.float32]]


def main() -> None:
    """Print a row per control."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--frames", type=int, default=8, help="of each run")
    parser.add_argument("--backbones", default="published")
    arguments = parser.parse_args()
    backbones = load_backbones(arguments.backbones)
    weights = {}
    for role in (ROLE, DETECTOR):
        if role in backbones.roles:
            file = find_weights(backbones, role)
            weights[role] = WeightFile(role, file.path, file.sha256, backbones.roles[role].options)
    finder = make_finder(weights, LandmarkOptions())
    rows: dict[str, list[dict[str, float | None]]] = {name: [] for name in ("faithful", "late", *ZIPS[1:])}
    with tempfile.TemporaryDirectory() as folder:
        for name in ZIPS:
            with zipfile.ZipFile(SHARED / f"submissions/{name}.zip") as archive:
                archive.extractall(Path(folder) / name)
        for video in sorted((SHARED / "testset/videos").glob("*.mp4")):
            measure_clip(video, Path(folder), finder, rows, runs=arguments.runs, length=arguments.frames)
    print_rows(rows)


def measure_clip(
    video: Path, folder: Path, finder: LandmarkFinder, rows: dict[str, Any], *, runs: int, length: int
) -> None:
    """Append what each control of one clip scores."""
    times = scan_times(video)
    delay = round(LATE_SECONDS * (len(times) - 1) / (times[-1] - times[0]))
    starts = np.linspace(delay, len(times) - length - 1, runs).astype(int)
    chosen = [start + step for start in starts for step in range(length)]
    reference = landmarks(video, [*chosen, *(at - delay for at in chosen)], finder)
    for control, scores in rows.items():
        if control == "late":
            ours = [reference[at - delay] for at in chosen]
        else:
            file = folder / control / video.name
            matches = pair_indices(scan_times(file), times)
            wanted = [int(matches[at]) if at < len(matches) else -1 for at in chosen]
            found = landmarks(file, [at for at in wanted if at >= 0], finder)
            nothing = np.full((68, 2), np.nan, np.float32)
            ours = [found.get(at, nothing) for at in wanted]
        scores.append(score(ours, [reference[at] for at in chosen], length))


def landmarks(video: Path, frames: Iterable[int], finder: LandmarkFinder) -> Found:
    """Return frame number -> landmarks; a frame that repeats the one before is not searched again."""
    wanted, found = set(frames), Found()
    last: tuple[NDArray[np.uint8], NDArray[np.float32]] | None = None
    for number, rgb in enumerate(iter_frames(video)):
        if number in wanted:
            if last is None or not np.array_equal(last[0], rgb):
                last = (rgb.copy(), finder.find(rgb)[0])
            found[number] = last[1]
        if number >= max(wanted):
            break
    return found


def score(ours: list[NDArray[np.float32]], theirs: list[NDArray[np.float32]], length: int) -> dict[str, float | None]:
    """Return the metrics, with a gap between the runs so that no step leads from one to the next."""
    candidate, reference = (
        np.insert(np.stack(points), range(length, len(points), length), np.nan, axis=0) for points in (ours, theirs)
    )
    count = len(ours)
    arrays: Mapping[str, NDArray[Any]] = {
        "candidate": candidate,
        "reference": reference,
        "compared": np.array([count, count, 0.0]),
    }
    inputs = VideoInputs("s", {"landmarks68": FeatureData(arrays)})
    found = {name: metric_registry()[name].score_video(inputs).value for name in METRICS}
    there = [np.isfinite(points).all(axis=(1, 2)) for points in (candidate, reference)]
    return {
        **found,
        "frames": count,
        "missed": int((there[1] & ~there[0]).sum()),
        "no_reference": count - int(there[1].sum()),
    }


def print_rows(rows: Mapping[str, list[dict[str, float | None]]]) -> None:
    """Print the table in Markdown."""
    print(f"| control | {' | '.join(f'`{name}`' for name in METRICS)} | unscored by `m_lmd` | frames missed |")
    print("|---" * (len(METRICS) + 3) + "|")
    for control, scores in rows.items():
        means = []
        for name in METRICS:
            values = [value for one in scores if (value := one[name]) is not None]
            means.append(f"{np.mean(values):.4f}" if values else "-")
        lost = sum(one["landmark.m_lmd"] is None for one in scores)
        frames, missed, absent = (
            int(sum(one[key] or 0 for one in scores)) for key in ("frames", "missed", "no_reference")
        )
        print(f"| {control} | {' | '.join(means)} | {lost} of {len(scores)} | {missed} of {frames - absent} |")


if __name__ == "__main__":
    main()
