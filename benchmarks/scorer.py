"""Seconds of one evaluation during training: ``python -m benchmarks.scorer [--videos 16] [--threads 1]``.

Puppets of 256 x 256 and the bundled networks; the videos are the real ones, darker. The first evaluation loads
networks and computes the references, the later ones don't. CPU seconds stand beside wall time: on a busy machine only
the former and the ratio mean something.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import evalkit
from evalkit.media.decode import iter_frames
from evalkit.reference_models.puppet.testset import PuppetTestSet, write_puppet_testset


def measured(action: Callable[[], Any]) -> tuple[float, float]:
    """Return wall and CPU seconds of ``action``."""
    wall, cpu = time.perf_counter(), time.process_time()
    action()
    return time.perf_counter() - wall, time.process_time() - cpu


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=2.12)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--metrics", default="identity;psnr,ssim;kid;kvd;lse_c,lse_d;identity,psnr,ssim,kid,kvd,lse_c,m_lmd"
    )
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        options = PuppetTestSet(folder / "testset", 5, chosen.videos, seconds=chosen.seconds, size=chosen.size)
        testset = evalkit.load_testset(write_puppet_testset(options, 2))
        videos = {
            one.id: np.stack([frame // 2 + 40 for frame in iter_frames(testset.path(str(one.reference_video)))])
            for one in testset
        }
        print("| metrics | first: wall s | CPU s | later: wall s | CPU s | later : first (CPU) |\n" + "|---" * 6 + "|")
        for number, metrics in enumerate(chosen.metrics.split(";")):
            with evalkit.Scorer(
                "talking-head",
                testset,
                metrics=metrics,
                backbones="bundled",
                cache=folder / f"cache{number}",
                threads=chosen.threads,
            ) as scorer:
                first = measured(lambda scorer=scorer: scorer.run(lambda sample: videos[sample.id]))
                later = measured(lambda scorer=scorer: scorer.run(lambda sample: videos[sample.id]))
            shown = " | ".join(f"{one:.1f}" for one in (*first, *later))
            print(f"| {metrics.replace(',', ', ')} | {shown} | {later[1] / first[1]:.2f} |", flush=True)


if __name__ == "__main__":
    main()
