"""What the motion metrics without weights say of real videos and of faults whose size is known.

``python -m benchmarks.motion`` prints the table of docs/definitions/motion.md, from six clips under
EVALKIT_SHARED/data/talking-heads: the clip itself, slowed to half its speed, frozen, and shaken by up to 1, 2, 4 and 8
pixels, three times each.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from evalkit.media.decode import iter_frames
from evalkit.media.inspect import scan_times
from evalkit.metrics.base import FeatureData, VideoInputs, metric_registry
from evalkit.metrics.features.base import Extractor, Item, Session, feature_registry

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("EVALKIT_SHARED", ROOT.parent / "shared")) / "data/talking-heads"
METRICS = ("motion.flow", "motion.dynamic_degree.dis", "temporal.flicker")
SHAKES = (1, 2, 4, 8)
SEEDS = (1, 2, 3)
Picture = NDArray[np.uint8]


def main() -> None:
    """Print a row per control."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--clips", type=int, default=6)
    arguments = parser.parse_args()
    rows: dict[str, list[dict[str, float]]] = {}
    for video in sorted((SHARED / "testset/videos").glob("*.mp4"))[: arguments.clips]:
        frames, times = [frame.copy() for frame in iter_frames(video)], scan_times(video)
        for name, shown in controls(frames):
            rows.setdefault(name, []).append(score(shown, times[: len(shown)]))
    print(f"| video | {' | '.join(f'`{name}`' for name in METRICS)} | largest 5 % |")
    print("|---" * (len(METRICS) + 2) + "|")
    for name, scores in rows.items():
        means = [np.mean([one[key] for one in scores]) for key in (*METRICS, "largest")]
        print(f"| {name} | {' | '.join(f'{mean:.3f}' for mean in means)} |")


def controls(frames: Sequence[Picture]) -> Iterator[tuple[str, list[Picture]]]:
    """Yield each control's name and frames; a shaken one comes once for each seed."""
    yield "the clip", list(frames)
    yield "half as fast", [frames[index // 2] for index in range(len(frames))]
    yield "frozen", [frames[0]] * len(frames)
    for pixels in SHAKES:
        for seed in SEEDS:
            moves = np.random.default_rng(seed).integers(-pixels, pixels + 1, (len(frames), 2))
            shaken = [_moved(frame, pixels, move) for frame, move in zip(frames, moves, strict=True)]
            yield f"shaken by up to {pixels} px", shaken


def _moved(frame: Picture, pixels: int, move: NDArray[np.int64]) -> Picture:
    padded = np.pad(frame, ((pixels, pixels), (pixels, pixels), (0, 0)), mode="edge")
    down, across = move + pixels
    return np.ascontiguousarray(padded[down : down + frame.shape[0], across : across + frame.shape[1]])


def score(frames: Sequence[Picture], times: NDArray[np.float64]) -> dict[str, float]:
    """Return the metrics, and the median of the dynamic degree's flow in pixels."""
    found: dict[str, float] = {}
    for name in METRICS:
        metric = metric_registry()[name]
        (feature,) = metric.record.features
        extractor: Extractor = feature_registry()[feature]({})
        session = cast("Session", extractor.open(Item("s", Path()), {}))
        for index in np.flatnonzero(session.plan(times)):
            session.frame(int(index), float(times[index]), frames[index])
        arrays = session.finish()
        value = metric.score_video(VideoInputs("s", {feature: FeatureData(arrays)})).value
        found[name] = float("nan") if value is None else value
        if "largest" in arrays:
            found["largest"] = float(np.median(arrays["largest"]))
    return found


if __name__ == "__main__":
    main()
