"""What a reference pack saves: ``python -m benchmarks.reference_packs [--clips 6]``.

FID and FVD of real clips with random weights of the published shapes, one worker. CPU seconds are of the whole command
and all processes that it started; ratios are to the first run. The values must not depend on the pack. At the end, what
moments of the references would save of the distances themselves, by the number of vectors.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.five_metrics import SHARED, write_weights
from evalkit.metrics.distances.distributions import Moments, frechet_from_features

METRICS = "fid.pytorch,fvd.styleganv"
DIMENSION = 2048


def spent(arguments: list[str], weights: Path) -> tuple[float, float]:
    """Return the CPU and the wall seconds of one command."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "evalkit", *arguments, "--quiet", "--json", "--workers", "1"],
        env={**os.environ, "EVALKIT_WEIGHTS": str(weights)},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, time.perf_counter() - started


def some_clips(folder: Path, count: int) -> tuple[Path, Path]:
    """Write the first clips of the real footage as a test set and a submission of their own."""
    heads = SHARED / "data" / "talking-heads"
    testset = folder / "testset"
    rows = [json.loads(line) for line in (heads / "testset" / "samples.jsonl").read_text().splitlines()][:count]
    for row in rows:
        for name in (*row["reference_images"], row["audio"], row["reference_video"]):
            (testset / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(heads / "testset" / name, testset / name)
    (testset / "samples.jsonl").write_text("\n".join(map(json.dumps, rows)))
    team = folder / "team.zip"
    with zipfile.ZipFile(heads / "submissions" / "faithful.zip") as whole, zipfile.ZipFile(team, "w") as part:
        for row in rows:
            part.writestr(f"{row['id']}.mp4", whole.read(f"{row['id']}.mp4"))
    return testset, team


def numbers(out: Path) -> dict[str, Any]:
    """Return what a run found, without what may differ."""
    card: dict[str, Any] = json.loads((out / "scorecard.json").read_text())
    return {part: card[part] for part in ("metrics", "videos", "features")}


def moments_share(vectors: int) -> tuple[float, float]:
    """Return the CPU seconds of a distance and, of these, what the moments of one side cost."""
    random = np.random.default_rng(0)
    x, y = (random.normal(size=(vectors, DIMENSION)).astype(np.float32) for _ in range(2))
    started = time.process_time()
    frechet_from_features(x, y)
    whole = time.process_time() - started
    started = time.process_time()
    side = Moments(DIMENSION)
    side.add(y)
    side.covariance()
    return whole, time.process_time() - started


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--clips", type=int, default=6)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        backbones = write_weights(folder)
        testset, team = some_clips(folder, parser.parse_args().clips)
        pack = folder / "testset.refpack"
        common = ["-c", "talking-head", "-b", str(backbones), "--metrics", METRICS]
        score = ["score", str(team), *common, "--testset", str(testset)]
        use = ["--reference-pack", str(pack)]
        runs = (
            ("score, nothing cached", [*score, "--cache", str(folder / "cold"), "-o", str(folder / "1")]),
            (
                "testset prepare",
                ["testset", "prepare", str(testset), *common, "--cache", str(folder / "made"), "-o", str(pack)],
            ),
            ("score with the pack", [*score, *use, "--cache", str(folder / "packed"), "-o", str(folder / "2")]),
            ("score, all cached", [*score, "--cache", str(folder / "cold"), "-o", str(folder / "3")]),
            ("all cached, with the pack", [*score, *use, "--cache", str(folder / "packed"), "-o", str(folder / "4")]),
        )
        unit = 0.0
        for title, command in runs:
            cpu, wall = spent(command, folder)
            unit = unit or cpu
            print(f"{title:28} {cpu:8.2f} CPU s {wall:8.2f} s   {cpu / unit:.3f}", flush=True)
        found = [numbers(folder / run) for run in "1234"]
        print(f"the pack: {pack.stat().st_size:,} bytes; equal numbers: {all(one == found[0] for one in found)}")
    for vectors in (1000, 2500, 5000):
        whole, part = moments_share(vectors)
        print(f"{vectors} x {DIMENSION}: distance {whole:.2f} CPU s, moments of one side {part:.2f} s")


if __name__ == "__main__":
    main()
