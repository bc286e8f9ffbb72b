"""What is in a feature cache, and what may go: by size, by age, and by the versions that nothing reads any more.

Only files with the names that the cache gives its entries are seen: nothing else in the folder is listed or removed.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from evalkit.errors import StorageError
from evalkit.files import storage_error
from evalkit.metrics.features.base import feature_registry
from evalkit.progress import Progress
from evalkit.scoring.cache import FORMAT, made_by
from evalkit.scoring.cache_lock import cache_alone
from evalkit.scoring.intake import LENGTH, LENGTH_VERSION
from evalkit.scoring.lookup import DIGESTS, FACTS
from evalkit.scoring.timings import ENTRY as TIMINGS

State = Literal["current", "obsolete", "unknown", "not installed"]
_KEY = re.compile(r"([0-9a-f]{64})\.npz")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
# What evalkit itself keeps beside the features; without a version, old ones are read for ever.
_OWN: dict[str, int | None] = {FACTS.name: FACTS.version, LENGTH: LENGTH_VERSION, DIGESTS: None, TIMINGS: None}


@dataclass(frozen=True)
class CacheEntry:
    """One file of the cache.

    Args:
        feature: what it holds: a feature's name, or ``facts``, ``length``, ``digests``, ``timings``.
        path: of the file.
        bytes: its size.
        written: when, in seconds since 1970.
        used: when it was last read, where the file system records that; at least ``written``.
        version: of the feature; ``None`` where the entry doesn't say.
        state: ``obsolete`` entries are of an older version or format than the installed one, so that nothing reads
            them; ``not installed`` ones of a feature that no package registers here.
    """

    feature: str
    path: Path
    bytes: int
    written: float
    used: float
    version: int | None
    state: State


@dataclass(frozen=True)
class CacheGroup:
    """The entries of one feature and version."""

    feature: str
    version: int | None
    state: State
    entries: int
    bytes: int
    oldest: float
    newest: float
    last_used: float


@dataclass(frozen=True)
class CacheContents:
    """What is in a cache.

    Args:
        folder: where it is.
        entries: the last used first.
    """

    folder: Path
    entries: tuple[CacheEntry, ...]

    @property
    def bytes(self) -> int:
        """Size of all entries."""
        return sum(entry.bytes for entry in self.entries)

    @property
    def groups(self) -> tuple[CacheGroup, ...]:
        """The entries by feature and version, by name."""
        found: dict[tuple[str, int, State], list[CacheEntry]] = {}
        for entry in self.entries:
            version = -1 if entry.version is None else entry.version
            found.setdefault((entry.feature, version, entry.state), []).append(entry)
        return tuple(
            CacheGroup(
                feature,
                None if version < 0 else version,
                state,
                len(entries),
                sum(entry.bytes for entry in entries),
                min(entry.written for entry in entries),
                max(entry.written for entry in entries),
                max(entry.used for entry in entries),
            )
            for (feature, version, state), entries in sorted(found.items())
        )

    def to_json(self) -> dict[str, Any]:
        """Return the document of ``evalkit cache list --json`` (schema 1)."""
        obsolete = [entry for entry in self.entries if entry.state == "obsolete"]
        return {
            "schema": 1,
            "folder": str(self.folder),
            "entries": len(self.entries),
            "bytes": self.bytes,
            "obsolete": {"entries": len(obsolete), "bytes": sum(entry.bytes for entry in obsolete)},
            "features": [
                {
                    "feature": group.feature,
                    "version": group.version,
                    "state": group.state,
                    "entries": group.entries,
                    "bytes": group.bytes,
                    "oldest": _utc(group.oldest),
                    "newest": _utc(group.newest),
                    "last_used": _utc(group.last_used),
                }
                for group in self.groups
            ],
        }


@dataclass(frozen=True)
class PruneReport:
    """What was removed, or would be.

    Args:
        folder: where the cache is.
        removed: entries.
        kept: entries that stay.
        dry_run: whether nothing was removed in fact.
    """

    folder: Path
    removed: tuple[CacheEntry, ...]
    kept: tuple[CacheEntry, ...] = field(repr=False)
    dry_run: bool

    @property
    def removed_bytes(self) -> int:
        """Size of what was removed."""
        return sum(entry.bytes for entry in self.removed)

    @property
    def kept_bytes(self) -> int:
        """Size of what stays."""
        return sum(entry.bytes for entry in self.kept)

    def to_json(self) -> dict[str, Any]:
        """Return the document of ``evalkit cache prune --json`` (schema 1)."""
        return {
            "schema": 1,
            "ok": True,
            "folder": str(self.folder),
            "dry_run": self.dry_run,
            "removed": {"entries": len(self.removed), "bytes": self.removed_bytes},
            "kept": {"entries": len(self.kept), "bytes": self.kept_bytes},
        }


def read_contents(root: Path, progress: Progress | None = None) -> CacheContents:
    """Return what is in the cache in the folder ``root``; one that doesn't exist is empty.

    Raises:
        StorageError: when the folder can't be read.
    """
    versions: dict[str, int | None] = {name: kind.record.version for name, kind in feature_registry().items()}
    versions |= _OWN
    found = []
    shown = progress or Progress()
    with shown.stage("reading the cache", None) as stage:
        for feature, path, status in _files(root):
            made = made_by(path)
            found.append(
                CacheEntry(
                    feature,
                    path,
                    status.st_size,
                    status.st_mtime,
                    max(status.st_mtime, status.st_atime),
                    made[1] if made else None,
                    _state(feature, made, versions),
                )
            )
            stage.advance()
    return CacheContents(root, tuple(sorted(found, key=lambda entry: (-entry.used, str(entry.path)))))


def prune(  # noqa: PLR0917
    root: Path,
    keep_bytes: int | None = None,
    older_than: float | None = None,
    obsolete: bool = False,
    dry_run: bool = False,
    wait: bool = False,
    progress: Progress | None = None,
) -> PruneReport:
    """Remove entries; each rule removes what it names, and the last used ones stay.

    Args:
        root: folder of the cache.
        keep_bytes: keep at most this much.
        older_than: remove what was not used for so many seconds.
        obsolete: remove what nothing reads any more.
        dry_run: remove nothing, and report what would be removed.
        wait: for runs that use the cache, instead of raising.
        progress: told how far it is.

    Raises:
        MachineError: a run uses the cache.
        StorageError: an entry can't be removed.
    """
    shown = progress or Progress()
    if dry_run or not root.is_dir():
        going, staying = _divided(read_contents(root, shown), keep_bytes, older_than, obsolete=obsolete)
        return PruneReport(root, tuple(going), tuple(staying), dry_run)
    with cache_alone(root, wait=wait):
        going, staying = _divided(read_contents(root, shown), keep_bytes, older_than, obsolete=obsolete)
        with shown.stage("removing entries", len(going)) as stage:
            for entry in going:
                try:
                    entry.path.unlink(missing_ok=True)
                except OSError as error:
                    raise storage_error(entry.path, error) from error
                with suppress(OSError):  # not empty
                    entry.path.parent.rmdir()
                stage.advance()
    return PruneReport(root, tuple(going), tuple(staying), dry_run)


def _divided(
    contents: CacheContents, keep_bytes: int | None, older_than: float | None, *, obsolete: bool
) -> tuple[list[CacheEntry], list[CacheEntry]]:
    """Return what goes and what stays."""
    now = time.time()
    going: list[CacheEntry] = []
    staying: list[CacheEntry] = []
    # What nothing reads leaves first when there is too much.
    wanted = sorted(contents.entries, key=lambda entry: entry.state == "obsolete")
    kept, full = 0, keep_bytes == 0
    for entry in wanted:
        goes = (obsolete and entry.state == "obsolete") or (older_than is not None and now - entry.used > older_than)
        full |= not goes and keep_bytes is not None and kept + entry.bytes > keep_bytes
        if goes or full:
            going.append(entry)
        else:
            staying.append(entry)
            kept += entry.bytes
    return going, staying


def _state(feature: str, made: tuple[int, int] | None, versions: dict[str, int | None]) -> State:
    if feature not in versions:
        return "not installed"
    installed = versions[feature]
    if installed is None:
        return "current"
    if made is None:
        return "unknown"
    return "obsolete" if made[0] < FORMAT or made[1] < installed else "current"


def _files(root: Path) -> Iterator[tuple[str, Path, os.stat_result]]:
    """Yield the cache's own files; no link is followed, and what vanishes meanwhile is left out."""
    for feature in _folders(root, required=True):
        if not _NAME.fullmatch(feature.name):
            continue
        for part in _folders(feature):
            for file in _listed(part):
                match = _KEY.fullmatch(file.name)
                if match is None or match[1][:2] != part.name or not file.is_file(follow_symlinks=False):
                    continue
                with suppress(FileNotFoundError):  # removed in this moment
                    yield feature.name, Path(file.path), file.stat(follow_symlinks=False)


def _folders(root: Path, *, required: bool = False) -> list[Path]:
    found = _listed(root, required=required)
    return [Path(entry.path) for entry in found if entry.is_dir(follow_symlinks=False)]


def _listed(folder: Path, *, required: bool = False) -> Sequence[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except FileNotFoundError:
        return ()
    except OSError as error:
        if not required:
            return ()
        raise StorageError(
            f"The cache {folder} can't be read.",
            found=str(error.strerror or error),
            fix="Give the folder of a cache with --cache.",
        ) from None


def _utc(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
