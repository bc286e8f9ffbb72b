"""What runs cost as they grow: videos per second, CPU time and memory, from ten videos to ten thousand.

    python -m benchmarks.scaling [--videos 10,100,1000,10000] [--workers 1,2] [--plot FILE]

The videos are small (six frames, 64x64) and differ in a box that nobody reads, so that the cost of a video's own
pixels does not hide what evalkit adds to each. Each number of videos is run with nothing cached and then with
everything cached. The memory of all is the sum of proportional set sizes, which counts a shared page
once; that of the parent is what the system recorded as its largest resident set.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evalkit.files import write_text
from evalkit.media.encode import write_video

FRAMES, SIDE = 6, 64
MIB = 1 << 20
POLL_SECONDS = 0.25
WIDTH, HEIGHT, EDGE = 800, 300, 60


@dataclass(frozen=True)
class Cost:
    """What one run cost: seconds, CPU seconds of all processes, bytes of the parent and of all processes at most."""

    videos: int
    workers: int
    cached: bool
    wall: float
    cpu: float
    parent: int
    everything: int


def write_set(folder: Path, videos: int) -> tuple[Path, Path]:
    """Write a test set and a submission of ``videos`` small videos; return ZIP and test set."""
    random = np.random.default_rng(0)
    frames = random.integers(0, 255, (FRAMES, SIDE, SIDE, 3), dtype=np.uint8)
    audio = (0.1 * random.standard_normal(4000)).astype(np.float32)
    testset = folder / "testset"
    testset.mkdir(parents=True)
    write_video(testset / "reference.mp4", frames, 25, audio=audio, audio_rate=16000)
    write_video(folder / "video.mp4", frames // 2, 25, audio=audio, audio_rate=16000)
    video = (folder / "video.mp4").read_bytes()
    names = [f"v{at:06}" for at in range(videos)]
    with zipfile.ZipFile(folder / "team.zip", "w") as archive:
        for name in names:
            archive.writestr(f"{name}.mp4", video + b"\x00\x00\x00\x0ffree" + name.encode())
    rows = [json.dumps({"id": name, "reference_video": "reference.mp4"}) for name in names]
    (testset / "samples.jsonl").write_text("\n".join(rows), encoding="utf-8")
    return folder / "team.zip", testset


def run(command: list[str], environment: dict[str, str]) -> tuple[float, float, int, int]:
    """Run a command; return wall seconds, CPU seconds, the parent's most bytes and those of all processes."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    parent = everything = 0
    while process.poll() is None:
        parent = max(parent, _status(process.pid, "VmHWM"))
        everything = max(everything, sum(_proportional(pid) for pid in (process.pid, *_children(process.pid))))
        time.sleep(POLL_SECONDS)
    wall = time.perf_counter() - started
    if process.returncode not in {0, 3}:
        raise SystemExit(f"the run failed with exit code {process.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, parent, everything


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(word) for word in task.read_text().split()]
        except OSError:  # the thread is gone
            continue
    return found


def _status(pid: int, key: str, file: str = "status") -> int:
    try:
        lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
    except OSError:  # the process is gone
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{key}:")), 0)


def _proportional(pid: int) -> int:
    return _status(pid, "Pss", "smaps_rollup") or _status(pid, "VmRSS")


def measure(folder: Path, videos: int, workers: int, more: list[str]) -> list[Cost]:
    """Score ``videos`` videos with nothing cached, and again."""
    archive, testset = write_set(folder, videos)
    command = [sys.executable, "-m", "evalkit", "score", str(archive), "-c", "talking-head", "--testset", str(testset)]
    command += ["-b", "bundled", "-o", str(folder / "out"), "--quiet", "--workers", str(workers), *more]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"EVALKIT_CACHE": str(folder / "cache")}
    return [Cost(videos, workers, cached, *run(command, environment)) for cached in (False, True)]


def plot(costs: list[Cost]) -> str:
    """Return a drawing: the parent's memory over the number of videos, and CPU milliseconds per video."""
    cold = [cost for cost in costs if cost.workers == max(one.workers for one in costs)]
    sizes = sorted({cost.videos for cost in cold})
    spread = np.log10(sizes[-1] / sizes[0]) or 1.0
    half = WIDTH // 2
    parts = []
    panels = (
        ("MiB at most (dashed: all processes)", [("parent", MIB, ""), ("everything", MIB, "6 4")]),
        ("CPU ms per video", [("cpu", 0, "")]),
    )
    for at, (title, series) in enumerate(panels):
        left, right = at * half + EDGE, (at + 1) * half - 20
        values = {
            (name, cached): [_value(cost, name, unit) for cost in cold if cost.cached == cached]
            for name, unit, _ in series
            for cached in (False, True)
        }
        top = 1.1 * max(max(found) for found in values.values())
        parts.append(f'<text x="{left}" y="20">{title}</text>')
        for step in np.linspace(0, top, 5):
            y = HEIGHT - EDGE - step / top * (HEIGHT - 2 * EDGE)
            parts.append(f'<path d="M{left} {y:.1f}H{right}" stroke="#ddd"/>')
            parts.append(f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{step:.0f}</text>')
        xs = [left + np.log10(size / sizes[0]) / spread * (right - left) for size in sizes]
        for size, x in zip(sizes, xs, strict=True):
            parts.append(f'<text x="{x:.1f}" y="{HEIGHT - EDGE + 20}" text-anchor="middle">{size:,}</text>')
        for name, _, dashes in series:
            for cached, colour in ((False, "#3e7cb1"), (True, "#e08e45")):
                ys = [HEIGHT - EDGE - one / top * (HEIGHT - 2 * EDGE) for one in values[name, cached]]
                points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(xs, ys, strict=True))
                dash = f' stroke-dasharray="{dashes}"' if dashes else ""
                parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>')
    parts.append(f'<text x="{EDGE}" y="{HEIGHT - 8}" fill="#3e7cb1">nothing cached</text>')
    parts.append(f'<text x="{EDGE + 110}" y="{HEIGHT - 8}" fill="#e08e45">everything cached</text>')
    parts.append(f'<text x="{EDGE + 240}" y="{HEIGHT - 8}">by number of videos</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" '
        f'font-size="12"><rect width="100%" height="100%" fill="#fff"/>{"".join(parts)}</svg>\n'
    )


def _value(cost: Cost, name: str, unit: int) -> float:
    return float(getattr(cost, name)) / unit if unit else 1000 * cost.cpu / cost.videos


def main() -> None:
    """Measure, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", default="10,100,1000")
    parser.add_argument("--workers", default="1,2")
    parser.add_argument("--metrics", default="psnr")
    parser.add_argument("--memory", help="budget for evalkit score, such as 4G")
    parser.add_argument("--plot", type=Path)
    chosen = parser.parse_args()
    more = ["--metrics", chosen.metrics, *(["--memory", chosen.memory] if chosen.memory else [])]
    costs = []
    print(f"metrics: {chosen.metrics}; {FRAMES} frames of {SIDE}x{SIDE} a video")
    print("| videos | workers | cached | videos/s | CPU ms/video | CPU s | parent MiB | all MiB |")
    print("|---|---|---|---|---|---|---|---|")
    for videos in (int(word) for word in chosen.videos.split(",")):
        for workers in (int(word) for word in chosen.workers.split(",")):
            with tempfile.TemporaryDirectory() as folder:
                for cost in measure(Path(folder), videos, workers, more):
                    costs.append(cost)
                    cells = [
                        f"{cost.videos:,}", str(workers), "yes" if cost.cached else "no", f"{videos / cost.wall:.1f}",
                        f"{1000 * cost.cpu / videos:.1f}", f"{cost.cpu:.1f}", f"{cost.parent / MIB:.0f}",
                        f"{cost.everything / MIB:.0f}",
                    ]  # fmt: skip
                    print(f"| {' | '.join(cells)} |", flush=True)
    if chosen.plot:
        write_text(chosen.plot, plot(costs))


if __name__ == "__main__":
    main()
