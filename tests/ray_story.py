"""Runs on a cluster of two nodes, for test_ray: ``python -m ray_story FOLDER ZIP TESTSET`` prints what happened.

One cluster for all runs, since it takes longer to start than they take. The last run loses a node.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from builders.ray_cluster import StartedNode, ray_nodes

from evalkit import api
from evalkit.challenges.model import load_challenge
from evalkit.cluster.ray import nodes as nodes_module
from evalkit.cluster.ray.engine import RayEngine
from evalkit.errors import MachineError
from evalkit.progress import Progress
from evalkit.scoring.plan import make_plan
from evalkit.scoring.run import RunOptions
from evalkit.submission.model import Submission
from evalkit.testsets.loading import load_testset
from evalkit.weights.manifest import load_backbones

METRICS = ("psnr", "identity", "duration")
PIXELS = ("psnr", "duration")  # no networks: for runs in which it matters where they are


class Watch(Progress):
    """Acts when the first video is done; remembers warnings."""

    def __init__(self, act: Any = None) -> None:
        self._act = act
        self._title = ""
        self.warnings: list[str] = []

    def start(self, title: str, total: int | None, done: int = 0, unit: str = "") -> None:
        self._title = title

    def advance(self, count: int = 1) -> None:
        if self._act is not None and self._title == "scoring":
            act, self._act = self._act, None
            act()

    def warn(self, line: str) -> None:
        self.warnings.append(line)


class Story:
    def __init__(self, folder: Path, zip_: Path, testset: Path, address: str) -> None:
        self.folder, self.zip, self.testset, self.address = folder, zip_, testset, address

    def score(
        self, name: str, watch: Watch, *, metrics: tuple[str, ...] = PIXELS, kill_process: bool = False, **options: Any
    ) -> dict[str, Any]:
        """Score with an engine of its own, write the results to ``folder/name``, and say what was noticed."""
        rules = load_challenge("talking-head")
        plan = make_plan(rules, load_backbones("bundled"), names=metrics)
        with RayEngine(self.address, warn=watch.warn, **options) as engine:
            if kill_process:
                watch._act = lambda: self._kill_process(engine)
            api.run_score(
                Submission.open(self.zip, rules.submission.archive),
                rules,
                load_testset(self.testset),
                plan,
                out=self.folder / name,
                options=RunOptions(cache=self.folder / f"{name}-cache", engine=engine, progress=watch),
            )
            told = {"workers": engine.workers, "nodes": len(engine._nodes), "warnings": watch.warnings}
            folders = [Path(node.call("cache_folder")).parent for node in engine._nodes if not node.lost]
        return {**told, "left": [str(folder) for folder in folders if folder.exists()]}

    @staticmethod
    def _kill_process(engine: RayEngine) -> None:
        """Kill evalkit's process on one node, not the node."""
        import ray

        number = ray.get(engine._nodes[0]._actor.__ray_call__.remote(lambda node: os.getpid()))
        os.kill(number, signal.SIGKILL)

    def command(self, *words: str) -> dict[str, Any]:
        command = [sys.executable, "-m", "evalkit", "score", str(self.zip), "-c", "talking-head", "-b", "bundled"]
        command += ["--testset", str(self.testset), "-m", ",".join(PIXELS), "--quiet", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return {"code": done.returncode, "err": done.stderr}

    def refused(self, name: str, value: Any) -> str:
        """Return what the engine says where this machine believes to have ``value`` for the function ``name``."""
        own = getattr(nodes_module, name)
        setattr(nodes_module, name, value(own))
        try:
            self.score("refused", Watch())
        except MachineError as error:
            return str(error)
        finally:
            setattr(nodes_module, name, own)
        return ""


def tell(folder: Path, zip_: Path, testset: Path, address: str, nodes: list[StartedNode]) -> dict[str, Any]:
    import ray

    story = Story(folder, zip_, testset, address)
    told: dict[str, Any] = {}
    told["command"] = story.command("--engine", "ray", "--address", address, "--cache", str(folder / "command-cache"),
                                    "-o", str(folder / "command"))  # fmt: skip
    ray.init(address=address, logging_level="ERROR", log_to_driver=False)
    until = time.monotonic() + 60
    while sum(node["Alive"] for node in ray.nodes()) < len(nodes) and time.monotonic() < until:
        time.sleep(0.2)
    told["shipped"] = story.score("shipped", Watch(), metrics=METRICS, shared_files=False)
    told["late"] = story.score("late", Watch(), timeout=0.001)
    told["versions"] = story.refused("software", lambda own: lambda: {**own(), "python": "3.0.0"})
    other = {"feature paired_pixels": "[0, {}]"}
    told["features"] = story.refused("feature_identity", lambda own: lambda *given: {**own(*given), **other})
    told["restarted"] = story.score("restarted", Watch(), kill_process=True)
    told["lost"] = story.score("lost", Watch(nodes[1].kill))
    told["alive"] = sum(node["Alive"] for node in ray.nodes())
    ray.shutdown()
    return told


if __name__ == "__main__":
    places = [Path(word) for word in sys.argv[1:4]]
    with ray_nodes(2) as (address, nodes):
        told = tell(*places, address, nodes)
    print(json.dumps(told))
