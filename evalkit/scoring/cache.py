"""The feature cache: what was computed for a video is not computed again.

The key is the content, not the name: extractor, its version, the digests of its weights, the options that change the
result, and the digests of the files that it looked at. An entry is one ``.npz`` file, written under a temporary name
and then renamed; an entry that can't be read is treated as absent.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import shutil
import threading
import zipfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

import numpy as np
import platformdirs
from numpy.typing import NDArray

from evalkit.files import atomic_write, storage_error
from evalkit.jsonio import parse_json
from evalkit.metrics.base import FeatureData
from evalkit.metrics.features.base import FeatureRecord, WeightFile

FORMAT = 3
_KEY = "__key__"
_MOST_SMALL = 4096  # bytes of the member that says what an entry was made by
_PREFIX = 10  # bytes of a .npy file before its header: magic, version 1.0, the header's length
_UNAVAILABLE = "__unavailable__"
_MADE_BY = "__made_by__"  # format of the cache, version of the feature: a key does not say which


def cache_folder() -> Path:
    """Return where features are kept: ``EVALKIT_CACHE``, else the platform's cache folder."""
    chosen = os.environ.get("EVALKIT_CACHE")
    return Path(chosen) if chosen else Path(platformdirs.user_cache_dir("evalkit")) / "features"


def feature_key(
    record: FeatureRecord, weights: Mapping[str, WeightFile], inputs: Mapping[str, Any], needs: Mapping[str, str]
) -> str:
    """Return the key of a feature of certain inputs.

    Args:
        record: gives name, version and options.
        weights: the files in use; their digests and options count, their places don't.
        inputs: digests of the files looked at, by their part in the item.
        needs: keys of the features that this one reads.
    """
    content = {
        "format": FORMAT,
        "feature": record.name,
        "version": record.version,
        "options": record.options.as_dict(),
        "weights": {role: [file.sha256, dict(file.options)] for role, file in weights.items()},
        "inputs": dict(inputs),
        "needs": dict(needs),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


class FeatureCache:
    """A folder of features. Safe for several processes: the last writer of equal bytes wins."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, name: str, key: str) -> Path:
        """Return the file that holds, or would hold, the entry."""
        return self.root / name / key[:2] / f"{key}.npz"

    def load(self, name: str, key: str) -> FeatureData | None:
        """Return the entry, or ``None`` when there is none.

        Raises:
            CorruptEntryError: when there is one that can't be read.
        """
        path = self.path(name, key)
        try:
            stream = path.open("rb")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise CorruptEntryError(path, str(error)) from None
        try:
            with stream:
                content = stream.read()
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                arrays = {entry.removesuffix(".npy"): _array(archive.read(entry)) for entry in archive.namelist()}
            if arrays.pop(_KEY).tolist() != [key, *sorted(arrays)]:
                raise ValueError("the entry belongs to another key, or lacks an array")  # noqa: TRY301
            arrays.pop(_MADE_BY, None)
            unavailable = arrays.pop(_UNAVAILABLE, None)
            if unavailable is not None:
                reason, detail = parse_json(str(unavailable))
                return FeatureData(None, reason, detail)
        except Exception as error:  # noqa: BLE001 - damaged bytes raise nearly anything in zipfile and numpy
            raise CorruptEntryError(path, f"{type(error).__name__}: {error}") from None
        return FeatureData(arrays)

    def now(self) -> int:
        """Return the time in nanoseconds by the clock that stamps the entries, which may be a file server's.

        Raises:
            StorageError: when the folder can't be written.
        """
        clock = self.root / f".clock-{os.getpid()}-{threading.get_ident()}"
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            clock.write_bytes(b"")
            found = clock.stat().st_mtime_ns
            clock.unlink()
        except OSError as error:
            raise storage_error(self.root, error) from error
        return found

    def written_since(self, name: str, key: str, time: int) -> bool:
        """Whether there is an entry that was written at or after ``time``, as `now` gives it."""
        try:
            return self.path(name, key).stat().st_mtime_ns >= time
        except OSError:
            return False

    def store(self, name: str, key: str, data: FeatureData, version: int | None = None) -> None:
        """Write an entry; a reader sees all of it or nothing.

        Args:
            name: of the feature.
            key: of the entry.
            data: what it holds.
            version: of the feature, for `evalkit cache`, which finds entries that nothing reads any more.

        Raises:
            StorageError: when it can't be written.
        """
        content: dict[str, NDArray[Any]] = {}
        if data.arrays is None:
            content[_UNAVAILABLE] = np.array(json.dumps([data.reason, data.detail]))
        else:
            content |= data.arrays
        if version is not None:
            content[_MADE_BY] = np.array([FORMAT, version], dtype=np.int64)
        # The names too: damage to the ZIP's table of contents can hide an array, and no checksum notices.
        content[_KEY] = np.array([key, *sorted(content)])
        path = self.path(name, key)
        _clear(path)
        with atomic_write(path) as stream:
            _write_arrays(stream, content)


def _write_arrays(stream: IO[bytes], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write what ``numpy.savez`` writes, without pickles; NumPy before 2.1 has no option for that."""
    with zipfile.ZipFile(stream, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)


def made_by(path: Path) -> tuple[int, int] | None:
    """Return the cache's format and the feature's version of an entry; ``None`` where it doesn't say, or is damaged.

    The time of the last access stays as it is.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW
    try:
        try:
            descriptor = os.open(path, flags | getattr(os, "O_NOATIME", 0))
        except PermissionError:  # only the owner may read without leaving a trace
            descriptor = os.open(path, flags)
        with os.fdopen(descriptor, "rb") as stream, zipfile.ZipFile(stream) as archive:
            member = archive.getinfo(f"{_MADE_BY}.npy")
            if member.file_size > _MOST_SMALL or member.compress_type != zipfile.ZIP_STORED:
                return None
            found = _array(archive.read(member))
    except Exception:  # noqa: BLE001 - damaged bytes raise nearly anything in zipfile and numpy
        return None
    if found.shape != (2,) or found.dtype != np.int64:
        return None
    return int(found[0]), int(found[1])


def _array(data: bytes) -> NDArray[Any]:
    """Return the array of a ``.npy`` file; `numpy.load` parses the same few headers again for every video.

    Raises:
        ValueError: the bytes are not those of one array of numbers or text.
    """
    start = _PREFIX + int.from_bytes(data[_PREFIX - 2 : _PREFIX], "little")
    if data[: _PREFIX - 2] != np.lib.format.magic(1, 0):
        raise ValueError("not an array")
    shape, fortran, dtype = _header(data[_PREFIX - 2 : start])
    if dtype.hasobject or len(data) - start != dtype.itemsize * math.prod(shape):
        raise ValueError("an array of objects, or of another size than its header says")
    if len(data) == start:  # no element, or empty texts
        return np.zeros(shape, dtype)
    found = np.frombuffer(data, dtype, math.prod(shape), start)
    return found.reshape(shape, order="F" if fortran else "C").copy(order="K")


@lru_cache(maxsize=4096)
def _header(data: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    return np.lib.format.read_array_header_1_0(io.BytesIO(data))


def _clear(path: Path) -> None:
    """Remove a folder in the place of an entry: no file can be renamed over it."""
    if path.is_dir() and not path.is_symlink():
        try:
            shutil.rmtree(path)
        except OSError as error:
            raise storage_error(path, error) from error


class CorruptEntryError(Exception):
    """A cache entry exists but can't be read; compute it again."""

    def __init__(self, path: Path, detail: str) -> None:
        self.path = path
        self.detail = detail
        super().__init__(f"{path}: {detail}")
