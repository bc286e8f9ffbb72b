"""The nodes of a Ray cluster, as the driver sees them: each is an actor (`evalkit.cluster.ray.node`)."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from evalkit.cluster.identity import code_identity, differences, listed_differences
from evalkit.cluster.ray.node import Node, feature_identity
from evalkit.errors import MachineError
from evalkit.scoring.jobs import Config
from evalkit.scoring.provenance import software
from evalkit.text import escape_for_display
from evalkit.workers.process import Start

PIECE = 8 << 20  # bytes of a file that are sent at once
_CALL_SECONDS = 300.0  # for everything but a job
_CLOSE_SECONDS = 10.0
_MOST_STARTS = 3  # of the process on a node


class NodeLostError(Exception):
    """A node, or evalkit's process on it, is gone."""


class RemoteNode:
    """One node of the cluster. Its methods raise `NodeLostError` when it is gone.

    Args:
        ray: the package.
        place: what `ray.nodes` says of it.
        workers: processes that read videos there.
        shared_files: whether it may use files at the paths that they have here.

    Attributes:
        shown: its address, for messages.
        lost: whether it is gone for good.
        home: the folder of its process, which changes when that is started again.
    """

    def __init__(self, ray: Any, place: Mapping[str, Any], workers: int, *, shared_files: bool) -> None:
        self._ray = ray
        self._id = str(place["NodeID"])
        self.shown = escape_for_display(f"{place.get('NodeManagerAddress')} ({self._id[:8]})", 80)
        self.workers = workers
        self.lost = False
        self.home = ""
        self._shared_files = shared_files
        self._lock = threading.RLock()
        self._starts = 0
        self._said: int | None = None
        self._start_actor()

    def check_versions(self) -> None:
        """Make sure that the node computes with the same versions as this machine.

        Raises:
            MachineError: naming what differs.
        """
        phrases = differences(self._first_call(self._actor.identity.remote()), code_identity(software()))
        if phrases:
            raise MachineError(
                f"The node {self.shown} has other versions than this machine.",
                found=listed_differences(phrases),
                fix="Install the same versions on all nodes, with -c constraints.txt.",
            )

    def begin(self, start: Start) -> None:
        """Prepare new workers, and send their weights.

        Raises:
            MachineError: when the node computes a feature otherwise.
        """
        handler, config, limits = start
        with self._lock:
            weights = {
                role: replace(file, path=Path(self.place(file.path, file.sha256)))
                for role, file in config.weights.items()
            }
            self.home = self.call("cache_folder")
            # What the node's cache holds was sent for this run, so all of it counts there.
            own: Config = replace(config, weights=weights, cache=Path(self.home), fresh=False, started=None)
            there = self.call("begin", (handler, own, limits), self.workers)
            phrases = differences(there, feature_identity(config.features, config.weights))
        if phrases:
            raise MachineError(
                f"The node {self.shown} computes features otherwise than this machine.",
                found=listed_differences(phrases),
                fix="Install the same versions of evalkit, of plugins and of the programs they start on all nodes.",
            )

    def prepare(self, start: Start) -> bool:
        """Do what `begin` does, also on a node whose process is gone; return whether the node serves."""
        if self.lost:
            return False
        try:
            self.begin(start)
        except NodeLostError:
            return self.revive(start)
        return True

    def revive(self, start: Start) -> bool:
        """Start the process on the node again when it is gone but the node is not; return whether it serves."""
        with self._lock:
            if self.lost:
                return False
            with suppress(NodeLostError):
                if self.call("serves"):  # another thread of this node has started it again
                    return True
            while self._starts < _MOST_STARTS and self._is_alive():
                try:
                    self._start_actor()
                    self.begin(start)
                except NodeLostError:  # counted; after the last start the node counts as lost, which is said
                    continue
                return True
            self.lost = True
            return False

    def say_lost(self) -> bool:
        """Return whether nobody has reported the present loss yet."""
        with self._lock:
            new, self._said = self._said != self._starts, self._starts
            return new

    def call(self, method: str, *arguments: Any, seconds: float | None = _CALL_SECONDS) -> Any:
        """Return what a method of `Node` returns."""
        errors = self._ray.exceptions
        actor = self._actor
        try:
            return self._ray.get(getattr(actor, method).remote(*arguments), timeout=seconds)
        except errors.RayTaskError as error:
            raise MachineError(
                f"The node {self.shown} failed.", found=escape_for_display(str(error).strip().splitlines()[-1], 500)
            ) from None
        except errors.RayError as error:
            first = (str(error).strip().splitlines() or [""])[0]
            raise NodeLostError(f"{type(error).__name__}: {first}"[:300]) from None

    def place(self, path: Path, sha256: str) -> str:
        """Return where the node has a file with the contents of ``path``; send it first if it has none."""
        known = (str(path), sha256)
        with self._lock:
            if known not in self._placed:
                size = path.stat().st_size if self._shared_files else -1
                self._placed[known] = self.call("find", str(path), size, sha256) or self.send(path, sha256, sha256)
            return self._placed[known]

    def send(self, path: Path, sha256: str, name: str) -> str:
        """Send a file under a name that no other file there has; return where the node has it."""
        with path.open("rb") as stream:
            offset = 0
            while True:
                piece = stream.read(PIECE)
                self.call("write", name, offset, piece)
                offset += len(piece)
                if len(piece) < PIECE:
                    break
        found = self.call("finish", name, str(path), sha256)
        if found is None:
            raise MachineError(f"{path} changed while it was sent to the node {self.shown}.", fix="Run again.")
        return str(found)

    def store(self, entries: Sequence[tuple[str, str, Path]]) -> None:
        """Send cache entries, as feature, key and file, that the node does not have yet."""
        new = [entry for entry in entries if entry[:2] not in self._stored]
        for name, key, file in new:
            self.call("store", [(name, key, file.read_bytes())])
            self._stored.add((name, key))

    def stop_workers(self) -> None:
        """End the workers, also in the middle of their jobs."""
        with suppress(NodeLostError, MachineError):  # gone, and its workers with it
            if not self.lost:
                self.call("stop_workers", seconds=_CLOSE_SECONDS)

    def close(self) -> None:
        """End everything on the node."""
        with suppress(NodeLostError, MachineError):  # gone already
            if not self.lost:
                self.call("close", seconds=_CLOSE_SECONDS)
        with suppress(Exception):  # it is gone already
            self._ray.kill(self._actor)

    def _start_actor(self) -> None:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        self._starts += 1
        self._placed: dict[tuple[str, str], str] = {}
        self._stored: set[tuple[str, str]] = set()
        options = {
            "num_cpus": self.workers,
            "max_concurrency": self.workers + 4,
            "scheduling_strategy": NodeAffinitySchedulingStrategy(self._id, soft=False),
        }
        self._actor = self._ray.remote(**options)(Node).remote()

    def _first_call(self, reference: Any) -> Any:
        errors = self._ray.exceptions
        try:
            return self._ray.get(reference, timeout=_CALL_SECONDS)
        except errors.GetTimeoutError:
            raise MachineError(
                f"The node {self.shown} has no {self.workers} free cores.",
                fix="Wait for what else runs on the cluster, or ask for fewer with --workers.",
            ) from None
        except errors.RayError as error:
            last = (str(error).strip().splitlines() or [type(error).__name__])[-1]
            raise MachineError(
                f"evalkit can't be started on the node {self.shown}.",
                found=escape_for_display(last, 500),
                fix="Install evalkit for the Python that Ray uses there.",
            ) from None

    def _is_alive(self) -> bool:
        return any(place["NodeID"] == self._id and place["Alive"] for place in self._ray.nodes())


def start_nodes(ray: Any, workers: int | None, *, shared_files: bool) -> list[RemoteNode]:
    """Start a process on every node that has cores, and compare versions.

    Args:
        ray: the package, connected.
        workers: of each node at most; ``None`` for one per core.
        shared_files: see `RemoteNode`.

    Raises:
        MachineError: when a node can't take part, or there is none.
    """
    nodes: list[RemoteNode] = []
    for place in sorted(ray.nodes(), key=lambda one: str(one["NodeID"])):
        cores = int(place.get("Resources", {}).get("CPU", 0))
        if place["Alive"] and cores:
            nodes.append(RemoteNode(ray, place, min(cores, workers or cores), shared_files=shared_files))
    if not nodes:
        raise MachineError("The Ray cluster has no node with cores.")
    try:
        for node in nodes:
            node.check_versions()
    except BaseException:
        for node in nodes:
            node.close()
        raise
    return nodes
