"""Other people's programs and evalkit on the same clips, weights and core, in turn: ``make bench-peers``.

Each peer is its package with the script that a user of it writes; it needs the oracle environment (``make oracles``).
evalkit is the command ``evalkit score`` with one worker and an empty cache, both sides included. Seconds are of
processor time, of the command and of all that it started, on one core for both. The floor is one decode and the
forward passes alone (`benchmarks.peers.floor`). *Pack* is the same command with a reference pack of the test set
(``evalkit testset prepare``), for families that have a reference side; what making it costs is printed below.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.command import Spent, run
from benchmarks.peers.job import ORACLES, SCRIPTS, Work, write_work


@dataclass(frozen=True)
class Family:
    """One number or pair of numbers that both compute.

    Args:
        peer: name and version are read from the oracle environment.
        metrics: evalkit's ids of the same numbers.
    """

    name: str
    peer: str
    metrics: tuple[str, ...]


FAMILIES = (
    Family("identity", "insightface", ("identity.consisid.arc",)),
    Family("lip_sync", "syncnet-python", ("sync.mocha.conf", "sync.mocha.dist")),
    Family("fvd", "cd-fvd", ("fvd.cd_i3d",)),
    Family("fid", "pytorch-fid", ("fid.pytorch",)),
    Family("clipscore", "clip-anytorch", ("clipscore.logits100",)),
)
WITH_PACK = ("fvd", "fid")  # families that compare with the reference videos
LINE = "{:10} {:16} {:>9} {:>9} {:>7} {:>9} {:>7} {:>9} {:>7} {:>9} {:>7}"


class Bench:
    """Runs both programs on one job.

    Args:
        folder: for caches, logs and results.
        cores: which processor cores a command may use.
    """

    def __init__(self, folder: Path, work: Work, cores: list[int]) -> None:
        self._folder, self._work, self._cores = folder, work, cores
        self._runs = 0

    def peer(self, family: Family) -> tuple[Spent, dict[str, float]]:
        """Return what the peer's script costs, and its numbers."""
        result = self._folder / f"{family.name}.json"
        command = [ORACLES, SCRIPTS / f"{family.name}.py", self._work.job, result]
        spent = run(command, self._folder / f"{family.name}.log", self._cores, {})
        values: dict[str, float] = json.loads(result.read_text())["values"]
        return spent, values

    def evalkit(self, metrics: tuple[str, ...], *options: str) -> tuple[Spent, dict[str, float]]:
        """Return what ``evalkit score`` costs from an empty cache, and its numbers."""
        self._runs += 1
        name = f"evalkit{self._runs}"
        out = self._folder / name
        command = [*self._score(metrics, out), *options]
        spent = run(command, self._folder / f"{name}.log", self._cores, self._environment(name))
        card = json.loads((out / "scorecard.json").read_text())
        return spent, {metric: card["metrics"][metric]["value"] for metric in metrics}

    def pack(self, metrics: tuple[str, ...]) -> tuple[Spent, Path]:
        """Return what ``evalkit testset prepare`` costs from an empty cache, and the pack."""
        self._runs += 1
        name = f"pack{self._runs}"
        file = self._folder / f"{name}.pack"
        command: list[str | Path] = [sys.executable, "-m", "evalkit", "testset", "prepare", self._work.testset]
        command += ["--challenge", "talking-head", "--backbones", self._work.manifest, "--workers", "1"]
        command += ["--metrics", ",".join(metrics), "-o", file, "--quiet"]
        return run(command, self._folder / f"{name}.log", self._cores, self._environment(name)), file

    def floor(self) -> dict[str, dict[str, float]]:
        """Return the seconds that each family can't do without, by what they are spent on."""
        result = self._folder / "floor.json"
        names = [family.name for family in FAMILIES]
        command = [sys.executable, "-m", "benchmarks.peers.floor", self._work.job, self._work.manifest, *names, result]
        run(command, self._folder / "floor.log", self._cores, self._environment("floor"))
        found: dict[str, dict[str, float]] = json.loads(result.read_text())
        return found

    def _score(self, metrics: tuple[str, ...], out: Path) -> list[str | Path]:
        score = [sys.executable, "-m", "evalkit", "score", self._work.submission, "--challenge", "talking-head"]
        score += ["--testset", self._work.testset, "--backbones", self._work.manifest, "--workers", "1"]
        return [*score, "--metrics", ",".join(metrics), "-o", out, "--quiet"]

    def _environment(self, name: str) -> dict[str, str]:
        weights = str(self._work.manifest.parent)
        return {"EVALKIT_WEIGHTS": weights, "EVALKIT_CACHE": str(self._folder / "caches" / name)}


def show(family: str, peer: str, *, theirs: Spent, ours: Spent, floor: float, packed: Spent | None) -> None:
    """Print one line of the table."""
    cells = [f"{theirs.cpu:.1f}", f"{theirs.wall:.1f}", f"{ours.cpu:.1f}", f"{ours.wall:.1f}"]
    cells += [f"{theirs.cpu / ours.cpu:.2f}", f"{floor:.1f}", f"{ours.cpu / floor:.2f}"]
    cells += [f"{packed.cpu:.1f}", f"{theirs.cpu / packed.cpu:.2f}"] if packed else ["", ""]
    print(LINE.format(family, peer, *cells), flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=6, help="of about 5 s, 256 x 256 pixels (at most 20)")
    parser.add_argument("--cores", type=int, default=1, help="that a command may use")
    parser.add_argument("--family", choices=[family.name for family in FAMILIES], action="append")
    chosen = parser.parse_args()
    families = [family for family in FAMILIES if not chosen.family or family.name in chosen.family]
    cores = sorted(os.sched_getaffinity(0))[: chosen.cores]
    print(f"{chosen.clips} clips, cores {cores}; load at the start {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bench = Bench(folder, write_work(folder, chosen.clips), cores)
        floor = bench.floor()
        head = ("CPU s", "wall s", "evalkit", "wall s", "ratio", "floor", "x floor", "pack", "ratio")
        print(LINE.format("", "peer", *head))
        peers = Spent(0.0, 0.0)
        made: list[str] = []
        for family in families:
            theirs, their_values = bench.peer(family)
            ours, our_values = bench.evalkit(family.metrics)
            packed = None
            if family.name in WITH_PACK:
                making, pack = bench.pack(family.metrics)
                packed, packed_values = bench.evalkit(family.metrics, "--reference-pack", str(pack))
                if packed_values != our_values:
                    raise SystemExit(f"{family.name}: {packed_values} with a pack, {our_values} without")
                made.append(f"{family.name} {making.cpu:.1f}")
            peers = Spent(peers.cpu + theirs.cpu, peers.wall + theirs.wall)
            least = sum(floor[family.name].values())
            show(family.name, family.peer, theirs=theirs, ours=ours, floor=least, packed=packed)
            for metric, value in our_values.items():
                print(f"           {metric:26} {their_values[metric]:12.5f}   evalkit {value:12.5f}", flush=True)
        metrics = tuple(metric for family in families for metric in family.metrics)
        together, _ = bench.evalkit(metrics)
        making, pack = bench.pack(metrics)
        packed, _ = bench.evalkit(metrics, "--reference-pack", str(pack))
        made.append(f"all {making.cpu:.1f}")
        decode = max(floor[family.name]["decode"] for family in families)
        least = decode + sum(sum(floor[f.name].values()) - floor[f.name]["decode"] for f in families)
        show("all", "in sum", theirs=peers, ours=together, floor=least, packed=packed)
        print("\nmaking the packs, CPU s: " + ", ".join(made))
        print("\nfloor, by what it is spent on")
        for family in families:
            print(f"  {family.name:10} " + ", ".join(f"{part} {s:.1f}" for part, s in floor[family.name].items()))
        print(f"load at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
