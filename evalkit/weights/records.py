"""Small JSON files in the weights folder that several processes may change, and the locks that let them.

A lock is the operating system's own (``flock``), so that a process that was killed leaves none behind; the empty file
that stays under ``.locks`` has no meaning.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from evalkit.errors import StorageError, WeightsError
from evalkit.files import write_text
from evalkit.jsonio import parse_json

LOCKS = ".locks"


def unwritable_error(folder: Path, error: OSError | StorageError) -> StorageError:
    """Return the error for a weights folder that can't be written; ``error`` is the system's, or caused by it."""
    cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
    if isinstance(cause, OSError) and cause.errno in {errno.ENOSPC, errno.EDQUOT}:
        return StorageError(
            f"There is no space left for the weights in {folder}.",
            fix="Free some disk space, or set EVALKIT_WEIGHTS to a folder on another disk. "
            "The bytes received so far are kept; the same command continues from there.",
        )
    return StorageError(
        f"The weights folder {folder} can't be written.",
        found=cause.found or cause.what if isinstance(cause, StorageError) else cause.strerror or str(cause),
        fix="Set EVALKIT_WEIGHTS to a folder that you may write to.",
    )


@contextmanager
def locked(folder: Path, name: str, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold the lock ``name`` of the weights folder; only one process does at a time.

    Args:
        folder: the weights folder; made when it is not there.
        name: a file name without folders.
        waiting: called once when another process holds the lock, before waiting for it without end.

    Raises:
        StorageError: when the folder can't be written.
    """
    from filelock import FileLock, Timeout

    try:
        (folder / LOCKS).mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCKS / f"{name}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if waiting is not None:
                waiting()
            lock.acquire()
    except OSError as error:
        raise unwritable_error(folder, error) from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def locked_if_free(folder: Path, name: str) -> Iterator[bool]:
    """Hold the lock ``name`` when it is free and the folder can be written; yield whether it is held."""
    from filelock import FileLock

    lock = FileLock(folder / LOCKS / f"{name}.lock")
    try:
        lock.acquire(timeout=0)
    except OSError:  # filelock's Timeout is one
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def read_record(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file, an empty one when there is no file.

    Raises:
        WeightsError: when the file can't be read or holds something else.
    """
    try:
        document = parse_json(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:
        raise _damaged(path, str(error)) from None
    if not isinstance(document, dict):
        raise _damaged(path, "something else")
    return document


def _damaged(path: Path, found: str) -> WeightsError:
    return WeightsError(
        f"The record {path} can't be read.",
        found=found,
        expected="a JSON object",
        fix="Make it readable, or remove it: digests that were trusted and licences that were accepted are then asked "
        "for again.",
    )


def update_record(path: Path, change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Let ``change`` edit the record in place, and write it whole or not at all; return what it became.

    Raises:
        StorageError: when the folder can't be written.
        WeightsError: see `read_record`.
    """
    with locked(path.parent, path.name):
        document = read_record(path)
        before = json.dumps(document, sort_keys=True)
        change(document)
        if json.dumps(document, sort_keys=True) != before:
            write_record(path, document)
        return document


def write_record(path: Path, document: dict[str, Any]) -> None:
    """Write a record, whole or not at all.

    Raises:
        StorageError: when the folder can't be written.
    """
    try:
        write_text(path, json.dumps(document, indent=1, sort_keys=True) + "\n")
    except StorageError as error:
        raise unwritable_error(path.parent, error) from error
