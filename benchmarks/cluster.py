"""What Ray costs where it gains nothing: many small videos on one machine, by the engines local and ray.

    python benchmarks/cluster.py --videos 1000

Both engines score the same ZIP with as many workers, each with an empty cache. Processor time is that of all processes
that take part: the command, its workers, and for Ray the processes of the node, which are looked at twice a second, so
that up to half a second of each is missing. Needs the extra 'cluster', and root or user namespaces: Ray gets a network
of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests")]

import shapes  # noqa: E402
from builders.ray_cluster import in_own_network, ray_nodes  # noqa: E402

METRICS = "psnr,duration"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--videos", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=0.4, help="length of a video")
    parser.add_argument("--inside", metavar="FOLDER", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inside:
        measure(Path(arguments.inside))
        return
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        shapes.write_testset(place / "testset", arguments.videos, arguments.seconds, 64)
        shapes.write_submission(place / "team.zip", arguments.videos, arguments.seconds, shapes.blur(1.0), 64)
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}
        command = in_own_network(sys.executable, __file__, "--inside", folder)
        subprocess.run(command, check=True, env=environment)


def measure(folder: Path) -> None:
    local = score(folder, "local")
    with ray_nodes(1, cores=1) as (address, _):
        time.sleep(3)
        with Usage() as idle:
            time.sleep(10)
        with Usage() as usage:
            ray = score(folder, "ray", "--engine", "ray", "--address", address)
        ray["cpu"] += usage.seconds
        print(f"an idle node: {idle.seconds / 10:.2f} CPU seconds a second")
    for name, found in (("local", local), ("ray", ray)):
        print(f"{name}: {found['wall']:.0f} s, {found['cpu']:.0f} CPU seconds")
    print(
        f"ray / local: {ray['wall'] / local['wall']:.2f} of the time, {ray['cpu'] / local['cpu']:.2f} of the processor"
    )
    cards = [json.loads((folder / name / "scorecard.json").read_text()) for name in ("local", "ray")]
    for card in cards:
        del card["timing"]
    print("same scorecard:", json.dumps(cards[0]) == json.dumps(cards[1]))


def score(folder: Path, name: str, *words: str) -> dict[str, float]:
    """Score in a process of its own; return wall and processor seconds of it and its children."""
    command = [sys.executable, "-m", "evalkit", "score", str(folder / "team.zip"), "-c", "talking-head", "--quiet"]
    command += ["--testset", str(folder / "testset"), "-m", METRICS, "-b", "bundled", "-o", str(folder / name)]
    command += ["--cache", str(folder / f"{name}-cache"), "--workers", "1", *words]
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall": time.monotonic() - started, "cpu": cpu}


class Usage:
    """Processor seconds of all processes below this one but those that `score` started, while the block runs."""

    def __enter__(self) -> Usage:
        self._first = _seen()
        self._last = dict(self._first)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()
        ticks = sum(value - self._first.get(key, 0) for key, value in self._last.items())
        self.seconds = ticks / os.sysconf("SC_CLK_TCK")

    def _look(self) -> None:
        while not self._stop.wait(0.5):
            self._last |= _seen()
        self._last |= _seen()


def _seen() -> dict[tuple[int, int], int]:
    """Return (process, start) -> its ticks so far, of the nodes' processes and what they started."""
    parents: dict[int, int] = {}
    ticks: dict[int, tuple[int, int]] = {}
    nodes: set[int] = set()
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError):
            fields = (place / "stat").read_text().rpartition(")")[2].split()
            number = int(place.name)
            parents[number] = int(fields[1])
            ticks[number] = (int(fields[19]), int(fields[11]) + int(fields[12]))
            words = (place / "cmdline").read_bytes().split(b"\0")
            if int(fields[1]) == os.getpid() and b"start" in words and b"--block" in words:
                nodes.add(number)
    found = {}
    for number, (start, used) in ticks.items():
        above = number
        while above not in nodes and above in parents:
            above = parents[above]
        if above in nodes:
            found[number, start] = used
    return found


if __name__ == "__main__":
    main()
