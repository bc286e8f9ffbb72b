"""CPU time of whole commands when everything is cached: ``make bench-warm``.

CPU seconds are of the command and all processes that it started. Ratios are relative to the first line. Python's
bytecode is kept between the runs, as in an installation.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np
import shapes

from evalkit.media.encode import write_video

VIDEOS = 20
MANY = 1000  # videos of six frames, with distinct bytes
SECONDS = 5.0
REPEATS = 3


def spent(arguments: list[str], cache: Path) -> tuple[float, float]:
    """Return the CPU and the wall seconds of one command."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "evalkit", *arguments],
        env={**environment, "EVALKIT_CACHE": str(cache), "PYTHONPYCACHEPREFIX": str(cache.parent / "bytecode")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, time.perf_counter() - started


def write_many(folder: Path) -> list[str]:
    """Write many small videos that differ in a box that nobody reads; return the arguments that score them."""
    random = np.random.default_rng(0)
    frames = random.integers(0, 255, (6, 64, 64, 3), dtype=np.uint8)
    audio = (0.1 * random.standard_normal(4000)).astype(np.float32)
    (folder / "testset").mkdir(parents=True)
    write_video(folder / "testset" / "reference.mp4", frames, 25, audio=audio, audio_rate=16000)
    write_video(folder / "video.mp4", frames // 2, 25, audio=audio, audio_rate=16000)
    video = (folder / "video.mp4").read_bytes()
    names = [f"v{at:04}" for at in range(MANY)]
    with zipfile.ZipFile(folder / "many.zip", "w") as archive:
        for name in names:
            archive.writestr(f"{name}.mp4", video + b"\x00\x00\x00\x0dfree" + name.encode())
    rows = [json.dumps({"id": name, "reference_video": "reference.mp4"}) for name in names]
    (folder / "testset" / "samples.jsonl").write_text("\n".join(rows))
    score = ["score", str(folder / "many.zip"), "--challenge", "talking-head", "--testset", str(folder / "testset")]
    return [*score, "--metrics", "psnr", "-o", str(folder / "out"), "--quiet"]


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        testset = shapes.write_testset(folder / "testset", VIDEOS, SECONDS)
        team = shapes.write_submission(folder / "team.zip", VIDEOS, SECONDS, shapes.unchanged)
        score = ["score", str(team), "--challenge", "talking-head", "--testset", str(testset), "--metrics", "psnr"]
        score += ["-o", str(folder / "out"), "--quiet"]
        print(f"{VIDEOS} videos of {SECONDS:g} s at 256x256; minimum of {REPEATS} runs")
        unit, wall = spent(score, folder / "cache")
        print(f"{'score, nothing cached':24} {unit:6.2f} CPU s {wall:6.2f} s   1.000")
        for title, command in (
            ("score, all cached", score),
            ("metrics list", ["metrics", "list"]),
            ("--help", ["--help"]),
        ):
            cpu, wall = min(spent(command, folder / "cache") for _ in range(REPEATS))
            print(f"{title:24} {cpu:6.2f} CPU s {wall:6.2f} s   {cpu / unit:.3f}")
        many = write_many(folder / "many")
        for title in ("nothing cached", "all cached"):
            cpu, wall = spent(many, folder / "cache")
            print(f"{f'{MANY} videos, {title}':24} {cpu:6.2f} CPU s {wall:6.2f} s   {cpu / unit:.3f}")


if __name__ == "__main__":
    main()
