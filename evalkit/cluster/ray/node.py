"""What runs on a node of a Ray cluster, outside of the sandbox: files of the run, and confined workers on this machine.

A node trusts its driver, as every part of a Ray cluster trusts every other. The videos are read by worker processes as
on one machine (`evalkit.workers.process`); what they answer is passed on as plain data and judged by the driver.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evalkit.cluster.identity import Identity, code_identity
from evalkit.errors import EvalkitError
from evalkit.files import OwnFolder, storage_error, sweep_folders
from evalkit.metrics.features.base import WeightFile, feature_registry
from evalkit.scoring.cache import FeatureCache
from evalkit.scoring.preload import preload_modules
from evalkit.scoring.provenance import software
from evalkit.weights.store import file_sha256
from evalkit.workers.batch_clock import BatchClock, Shares
from evalkit.workers.messages import encode
from evalkit.workers.process import FOLDERS as WORKER_FOLDERS
from evalkit.workers.process import Start, WorkerProcess

FOLDERS = "evalkit-node-"  # how the names of nodes' temporary folders begin
_STOP_SECONDS = 1.0  # for workers in the middle of a job to clean up


class Node:
    """A node of a cluster, for one driver. Ray calls its methods in several threads."""

    def __init__(self) -> None:
        os.environ.pop("RAY_AUTH_TOKEN", None)  # Ray has read it; the processes that read videos need not have it
        sweep_folders(FOLDERS)
        sweep_folders(WORKER_FOLDERS)
        try:
            self._folder = OwnFolder(FOLDERS)
        except OSError as error:
            raise storage_error(Path(FOLDERS), error) from error
        self.root = self._folder.path
        self._cache = FeatureCache(self.root / "cache")
        self._workers: list[_Worker] = []
        self._lock = threading.Lock()
        preload_modules()

    def identity(self) -> Identity:
        """Return the versions of what computes here."""
        return code_identity(software())

    def cache_folder(self) -> str:
        """Return the folder in which workers look for features."""
        self._cache.root.mkdir(exist_ok=True)
        return str(self._cache.root)

    def find(self, path: str, size: int, sha256: str) -> str | None:
        """Return where a file with these contents lies here: at the same path, or received before under its digest."""
        received = self._place(sha256, path)
        if received.exists():
            return str(received)
        there = Path(path)
        try:
            same = there.is_file() and there.stat().st_size == size and file_sha256(there) == sha256
        except OSError:  # not to be read here: it is sent
            return None
        return path if same else None

    def write(self, name: str, offset: int, data: bytes) -> None:
        """Write a piece of a file that the driver sends, under a name of its choice."""
        part = self._place(name, "sent.part")
        part.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as stream:
            stream.seek(offset)
            stream.write(data)

    def finish(self, name: str, path: str, sha256: str) -> str | None:
        """End a file that was sent, ``path`` at the driver; return where it lies, ``None`` when its bytes are wrong."""
        part = self._place(name, "sent.part")
        if file_sha256(part) != sha256:
            part.unlink()
            return None
        return str(part.rename(self._place(name, path)))

    def drop(self, name: str) -> None:
        """Remove a file that was sent."""
        shutil.rmtree(self._place(name, "").parent, ignore_errors=True)

    def store(self, entries: Sequence[tuple[str, str, bytes]]) -> None:
        """Keep cache entries, as feature, key and content, that jobs need."""
        for name, key, content in entries:
            path = self._cache.path(name, key)
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f"{path.name}.{threading.get_ident()}.part")
            part.write_bytes(content)
            part.rename(path)

    def begin(self, start: Start, count: int) -> Identity:
        """End the workers of before and prepare ``count`` new ones; return the features as they are here.

        No worker that had a video of before is used again.
        """
        self.stop_workers()
        config = start[1]
        self._workers = [_Worker(start) for _ in range(count)]
        return feature_identity(config.features, config.weights)

    def serves(self) -> bool:
        """Return whether there are workers."""
        return bool(self._workers)

    def run(self, home: str, worker: int, index: int, job: Any, seconds: float | None) -> bytes:
        """Do one job in a worker; return an encoded answer: failure, detail and the worker's own answer.

        Nothing is done, and nothing returned, for a job whose files were sent to another process: to this one they
        would be missing, which is a fault of no video. ``home`` is what that process said its cache folder is.
        """
        if home != str(self._cache.root):
            return b""
        try:
            result = self._workers[worker].call(index, job, seconds)
            answer = encode(("ok", (result.failure, result.detail, result.value), False))
        except EvalkitError as error:
            answer = encode(("stop", error, False))
        return b"".join(answer)

    def replace(self, worker: int) -> None:
        """End the process of a worker that gave a false answer."""
        self._workers[worker].stop()

    def close(self) -> None:
        """End all workers and remove all files."""
        self.stop_workers()
        self._folder.remove()

    def stop_workers(self) -> None:
        """End all workers, also in the middle of a job."""
        with self._lock:
            workers, self._workers = self._workers, []
        for worker in workers:
            worker.request_exit()
        until = time.monotonic() + _STOP_SECONDS
        for worker in workers:
            worker.close(until)

    def _place(self, name: str, path: str) -> Path:
        return self.root / "files" / name / f"file{Path(path).suffix}"


class _Worker(WorkerProcess):
    """A worker whose jobs each come with their own time limit."""

    def __init__(self, start: Start) -> None:
        self._own = _OwnClock()
        super().__init__(start, self._own, None)

    def call(self, index: int, job: Any, seconds: float | None = None) -> Any:
        self._own.seconds = seconds
        return super().call(index, job)


class _OwnClock(BatchClock):
    """The limit of the current job; the driver has the clock of the batch."""

    def __init__(self) -> None:
        super().__init__(None, None, Shares())
        self.seconds: float | None = None

    def own(self, index: int) -> float | None:
        return self.seconds


def feature_identity(features: Sequence[str], weights: Mapping[str, WeightFile]) -> Identity:
    """Return version and options of ``features`` as this machine has them; what no package registers is left out."""
    registry = feature_registry()
    records = {name: registry[name].resolved_record(weights) for name in features if name in registry}
    return {
        f"feature {name}": json.dumps([record.version, record.options.as_dict()], sort_keys=True, default=str)
        for name, record in records.items()
    }
