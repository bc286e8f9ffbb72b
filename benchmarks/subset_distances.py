"""How far a distance of a subset lies from that of the whole: ``python -m benchmarks.subset_distances``.

Puppets and the bundled networks. The "model" darkens and blurs the real videos, more for some people than for others.
Features are computed once; then FID, KID, FVD and KVD of picks of several sizes, with several seeds, are held against
those of all videos.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

import evalkit
from evalkit.media.decode import iter_frames
from evalkit.metrics.base import VideoInputs
from evalkit.reference_models.puppet.testset import PuppetTestSet, write_puppet_testset
from evalkit.scorer.requests import ScorerSample

METRICS = "fid,kid,fvd,kvd"


def made(frames: NDArray[np.uint8], number: int) -> NDArray[np.uint8]:
    """Return what the model makes of a video."""
    sigma = 0.8 + 0.4 * (number % 4)
    return np.stack([(cv2.GaussianBlur(frame, (0, 0), sigma) * 0.9 + 5).astype(np.uint8) for frame in frames])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=64)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--counts", default="8,16,32")
    parser.add_argument("--metrics", default=METRICS)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        options = PuppetTestSet(Path(name) / "testset", 11, chosen.videos, seconds=2.12, size=chosen.size)
        testset = evalkit.load_testset(write_puppet_testset(options, 2))
        place = {sample.id: number for number, sample in enumerate(testset)}

        def generate(sample: ScorerSample) -> NDArray[np.uint8]:
            path = testset.path(str(testset.samples[place[sample.id]].reference_video))
            return made(np.stack(list(iter_frames(path))), place[sample.id])

        with evalkit.Scorer(
            "talking-head", testset, metrics=chosen.metrics, backbones="bundled", cache=Path(name) / "cache"
        ) as scorer:
            whole = scorer.run(generate).scores()
            # The features are the scorer's own: another way would compute them anew for every subset.
            inputs = {row.sample: VideoInputs(row.sample, row.features) for row in scorer._rows.values()}
            metrics = dict(scorer._plan.metrics)
        print(f"| metric | all {chosen.videos} videos | " + " | ".join(f"{n} videos" for n in chosen.counts.split(",")))
        for metric, value in whole.items():
            cells = []
            for count in (int(word) for word in chosen.counts.split(",")):
                found = []
                for seed in range(chosen.seeds):
                    part = evalkit.pick(count, seed=seed).of(testset)
                    found.append(metrics[metric].score_set(iter([inputs[sample.id] for sample in part])).value)
                numbers = np.array([one for one in found if one is not None])
                shown = (
                    f"{numbers.mean():.3g} ({numbers.min():.3g} to {numbers.max():.3g})" if len(numbers) else "unscored"
                )
                cells.append(shown)
            print(f"| {metric} | {value:.4g} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
