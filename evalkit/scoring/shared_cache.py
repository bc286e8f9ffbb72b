"""A feature cache that several machines share, at any address that fsspec opens: a bucket, a server, a network folder.

Each machine has a local folder for each address. What it computes goes there and, in the background, to the address;
what is not there is looked for at the address and copied. Workers know the local folder alone: they have no network.
A cache is not the result, so a store that fails is given up for the rest of the run, with one warning.
"""

from __future__ import annotations

import hashlib
import io
import os
import queue
import re
import threading
import time
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import platformdirs

from evalkit.errors import MachineError, UsageError
from evalkit.files import write_bytes
from evalkit.metrics.base import FeatureData
from evalkit.metrics.features.base import feature_registry
from evalkit.metrics.features.declared_arrays import array_mismatch
from evalkit.scoring.cache import CorruptEntryError, FeatureCache, cache_folder
from evalkit.text import escape_for_display

MOST_BYTES = 256 << 20  # of an entry: what the arrays of a worker's answer may have, and the entry's own headers
TRIES = 3
TRY_SECONDS = 60.0  # for one request
_PAUSE_SECONDS = 0.5  # before the second try; twice as long before the third
_UPLOADS = 4  # at once
_MOST_MISSES = 1_000_000  # that are remembered
_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_USER = re.compile(r"(?<=//)[^/@]*@")
_LOCAL = ("file", "local")
_Result = TypeVar("_Result")
_stores: dict[Path, SharedStore] = {}


def is_url(place: str | Path) -> bool:
    """Return whether ``place`` is an address for fsspec and not a path."""
    return isinstance(place, str) and _URL.match(place) is not None


def open_place(cache: str | Path | None, warn: Callable[[str], None] | None = None) -> Path:
    """Return the local folder of the feature cache, and share it where an address was given.

    Args:
        cache: a folder or an address; ``None`` for ``EVALKIT_CACHE``, else the platform's cache folder.
        warn: told once when the address fails.

    Raises:
        MachineError: when fsspec, or what it needs for the address, is not installed.
        UsageError: when the address is of no kind that fsspec knows.
    """
    chosen = cache or os.environ.get("EVALKIT_CACHE") or cache_folder()
    if not is_url(chosen):
        return Path(chosen)
    url = str(chosen)
    folder = local_folder(url)
    _stores[folder] = SharedStore(url, warn or (lambda _: None))
    return folder


def open_cache(root: Path) -> FeatureCache:
    """Return the cache in the folder ``root``, which is shared when `open_place` returned it for an address."""
    store = _stores.get(root)
    return FeatureCache(root) if store is None else SharedFeatureCache(root, store)


def flush(root: Path) -> None:
    """Wait until all entries stored in the folder ``root`` have reached the address, or the store was given up."""
    if root in _stores:
        _stores[root].flush()


def local_folder(url: str) -> Path:
    """Return the folder for what came from an address; no other cache trusts it."""
    name = hashlib.sha256(url.rstrip("/").encode()).hexdigest()[:32]
    return Path(platformdirs.user_cache_dir("evalkit")) / "shared" / name


class SharedFeatureCache(FeatureCache):
    """A folder of features in front of a `SharedStore`."""

    def __init__(self, root: Path, shared: SharedStore) -> None:
        super().__init__(root)
        self._shared = shared

    def load(self, name: str, key: str) -> FeatureData | None:
        """Return the entry, copied from the address if need be; see `FeatureCache.load`."""
        data = super().load(name, key)
        if data is not None:
            return data
        content = self._shared.fetch(f"{name}/{key[:2]}/{key}.npz")
        if content is None:
            return None
        path = self.path(name, key)
        if not _is_plain(content):
            raise CorruptEntryError(path, f"at {self._shared.shown} lies something that is no entry")
        write_bytes(path, content)
        data = super().load(name, key)
        kind = feature_registry().get(name)
        if data is not None and data.arrays is not None and kind is not None:
            mismatch = array_mismatch(kind.record, data.arrays)
            if mismatch is not None:
                path.unlink(missing_ok=True)
                raise CorruptEntryError(path, mismatch)
        return data

    def store(self, name: str, key: str, data: FeatureData, version: int | None = None) -> None:
        """Write an entry here, and to the address in the background; see `FeatureCache.store`."""
        super().store(name, key, data, version)
        self._shared.push(f"{name}/{key[:2]}/{key}.npz", self.path(name, key))


class SharedStore:
    """Entries at an address. It gives up after `TRIES` failures of one request, and never raises for one.

    Args:
        url: the address.
        warn: told once when the store is given up.

    Raises:
        MachineError, UsageError: see `open_place`.
    """

    def __init__(self, url: str, warn: Callable[[str], None]) -> None:
        self.shown = escape_for_display(_USER.sub("", url), 200)
        self._system, base = _file_system(url, self.shown)
        self._base = base.rstrip("/")
        self._warn = warn
        self._failed = False
        self._lock = threading.Lock()
        self._missing: set[str] = set()
        self._waiting: queue.SimpleQueue[tuple[str, Path]] = queue.SimpleQueue()
        self._open = 0  # uploads that have not ended
        self._ended = threading.Condition(self._lock)
        self._threads = 0

    def fetch(self, place: str) -> bytes | None:
        """Return the bytes at ``place``, ``None`` when there are none or more than `MOST_BYTES`."""
        if self._failed or place in self._missing:
            return None
        content: bytes | None = self._tried(lambda: self._read(f"{self._base}/{place}"))
        if content is None and len(self._missing) < _MOST_MISSES:
            self._missing.add(place)  # a run asks for the same entry more than once
        return content

    def push(self, place: str, file: Path) -> None:
        """Copy ``file`` to ``place``, in the background."""
        if self._failed:
            return
        self._missing.discard(place)
        with self._lock:
            self._open += 1
            start = self._threads < min(_UPLOADS, self._open)
            self._threads += start
        self._waiting.put((place, file))
        if start:
            threading.Thread(target=self._upload, daemon=True).start()

    def flush(self) -> None:
        """Wait for the uploads."""
        with self._ended:
            self._ended.wait_for(lambda: self._open == 0)

    def _upload(self) -> None:
        while True:
            with self._lock:
                if self._waiting.empty():
                    self._threads -= 1
                    return
                place, file = self._waiting.get()
            try:
                if not self._failed:
                    self._tried(partial(self._write, f"{self._base}/{place}", file))
            finally:
                with self._ended:
                    self._open -= 1
                    self._ended.notify_all()

    def _read(self, path: str) -> bytes | None:
        try:
            size = self._system.info(path).get("size")
            if not isinstance(size, int) or not 0 < size <= MOST_BYTES:
                return None
            content = self._system.cat_file(path, start=0, end=MOST_BYTES + 1)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return None
        return content if isinstance(content, bytes) and len(content) <= MOST_BYTES else None

    def _write(self, path: str, file: Path) -> None:
        try:
            content = file.read_bytes()
        except FileNotFoundError:
            return  # it was damaged and is computed again, or the user emptied the folder
        if self._protocol in _LOCAL:
            write_bytes(Path(path), content)  # whole or not at all, which a network folder does not promise
            return
        try:
            self._system.pipe_file(path, content)
        except FileNotFoundError:
            self._system.makedirs(path.rpartition("/")[0], exist_ok=True)
            self._system.pipe_file(path, content)

    @property
    def _protocol(self) -> str:
        protocol = self._system.protocol
        return str(protocol if isinstance(protocol, str) else protocol[0])

    def _tried(self, action: Callable[[], _Result]) -> _Result | None:
        """Return what ``action`` returns; ``None`` after `TRIES` failures, which end the sharing."""
        pause = _PAUSE_SECONDS
        for attempt in range(1, TRIES + 1):
            try:
                return _in_time(action)
            except Exception as error:  # noqa: BLE001 - each file system raises errors of its own
                if attempt == TRIES:
                    self._give_up(error)
                elif not self._failed:
                    time.sleep(pause)
                    pause *= 2
            if self._failed:
                break
        return None

    def _give_up(self, error: Exception) -> None:
        with self._lock:
            first, self._failed = not self._failed, True
        if first:
            reason = escape_for_display(_USER.sub("", f"{type(error).__name__}: {error}"), 300)
            self._warn(
                f"The shared cache {self.shown} does not answer ({reason}). The run goes on with the local cache "
                f"alone; its results are the same."
            )


def _in_time(action: Callable[[], _Result]) -> _Result:
    """Return what ``action`` returns or raise what it raises; a request may hang longer than its library says."""
    result: list[_Result] = []
    problem: list[Exception] = []

    def work() -> None:
        try:
            result.append(action())
        except Exception as error:  # noqa: BLE001 - raised below, in the caller's thread
            problem.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(TRY_SECONDS)
    if problem:
        raise problem[0]
    if not result:
        raise TimeoutError(f"no answer in {TRY_SECONDS:g} s")
    return result[0]


def _is_plain(content: bytes) -> bool:
    """Whether a ZIP's members are stored and no larger than the file: reading them all takes no more memory than it."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
    except Exception:  # noqa: BLE001 - damaged bytes raise nearly anything in zipfile
        return False
    stored = all(member.compress_type == zipfile.ZIP_STORED for member in members)
    return stored and sum(member.file_size for member in members) <= len(content)


def _file_system(url: str, shown: str) -> tuple[Any, str]:
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        raise MachineError(
            "A feature cache at an address needs the package fsspec.",
            found=shown,
            fix="Run: pip install 'evalkit-video[cluster]'",
        ) from None
    try:
        system, path = url_to_fs(url)
    except ImportError as error:
        raise MachineError(
            "A package for the address of the feature cache is missing.",
            found=f"{shown}: {error}",
            fix="Install it: s3fs for s3://, gcsfs for gs://, adlfs for abfs://.",
        ) from None
    except ValueError as error:
        raise UsageError(
            "The address of the feature cache is of no known kind.",
            found=f"{shown}: {_USER.sub('', str(error))}",
            expected="a folder, or such as s3://BUCKET/FOLDER, gs://BUCKET/FOLDER, file:///FOLDER",
        ) from None
    except Exception as error:  # noqa: BLE001 - each file system raises errors of its own
        raise MachineError(
            "The address of the feature cache can't be opened.",
            found=f"{shown}: {_USER.sub('', f'{type(error).__name__}: {error}')}",
            fix="Check the address and the credentials, or use a folder.",
        ) from None
    return system, str(path)
