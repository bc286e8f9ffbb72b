"""The parent of a run alone: ``python -m benchmarks.parent [--videos 100,1000,10000] [--metrics psnr,fid]``.

One worker reads the first video; for all others its answer is repeated, with their own digest. What is left is what
the parent does and holds: reading the archive, checking answers, writing and reading the cache, comparing the videos
with each other, aggregating, writing the results. Then the same from the cache. Each run is a process of its own.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.scaling import MIB, write_set
from evalkit import api
from evalkit.challenges.model import load_challenge
from evalkit.scoring.engine import Engine, LocalEngine
from evalkit.scoring.jobs import Config, Job, VideoAnswer
from evalkit.scoring.plan import make_plan
from evalkit.scoring.run import RunOptions
from evalkit.submission.model import Submission
from evalkit.testsets.loading import load_testset
from evalkit.weights.manifest import load_backbones
from evalkit.workers.pool import Accept, JobResult


class Repeating(Engine):
    """An engine that reads the first video and gives its answer for all."""

    name = "repeating"

    def run(self, config: Config, jobs: Sequence[Job], accept: Accept) -> Iterator[JobResult]:
        """Yield a result per job."""
        (first,) = LocalEngine(1).run(config, jobs[:1], lambda index, answer: answer)
        if not isinstance(first.value, VideoAnswer):
            raise SystemExit(f"the first video could not be read: {first.failure} {first.detail}")
        for index, job in enumerate(jobs):
            digest = None if job.member is None else job.member.sha256()
            yield JobResult(index, accept(index, replace(first.value, sha256=digest)))


def score(folder: Path, metrics: str) -> None:
    """Score what lies in ``folder``; print CPU seconds, wall seconds, and MiB at most of this process."""
    challenge, started = load_challenge("talking-head"), time.perf_counter()
    plan = make_plan(challenge, load_backbones("bundled"), names=metrics.split(","))
    submission = Submission.open(folder / "team.zip", challenge.submission.archive)
    options = RunOptions(cache=folder / "cache", engine=Repeating())
    samples = load_testset(folder / "testset")
    api.run_score(submission, challenge, samples, plan, out=folder / "out", options=options, replace=True)
    used = resource.getrusage(resource.RUSAGE_SELF)
    wall = time.perf_counter() - started
    print(f"{used.ru_utime + used.ru_stime:.1f} {wall:.1f} {used.ru_maxrss * 1024 / MIB:.0f}")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", default="100,1000,10000")
    parser.add_argument("--metrics", default="psnr,fid")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.folder:
        score(chosen.folder, chosen.metrics)
        return
    print(f"metrics: {chosen.metrics}")
    print("| videos | cached | CPU ms/video | CPU s | wall s | MiB at most |\n|---|---|---|---|---|---|")
    for videos in (int(word) for word in chosen.videos.split(",")):
        with tempfile.TemporaryDirectory() as name:
            write_set(Path(name), videos)
            command = [sys.executable, "-m", "benchmarks.parent", "--folder", name, "--metrics", chosen.metrics]
            for cached in ("no", "yes"):
                done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
                cpu, wall, most = done.stdout.split()[-3:]
                print(
                    f"| {videos:,} | {cached} | {1000 * float(cpu) / videos:.1f} | {cpu} | {wall} | {most} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
