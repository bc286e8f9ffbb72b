"""Write files atomically, and make temporary folders that are removed even after a crash.

A writer holds an operating system lock (``flock``) on its temporary file or folder. The lock of a killed process is
released: so the next process knows what it may remove.
"""

from __future__ import annotations

import errno
import fcntl
import glob
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from evalkit.errors import StorageError

_TRIES = 20
_unfinished: set[Path] = set()  # the parts of this process


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file beside ``path`` that is renamed to it when the block succeeds, and removed otherwise.

    Its name is ``.NAME.XXXXXXXX.part``. Parts left by killed writers of ``path`` are removed.

    Raises:
        StorageError: when the folder can't be made or written, or the disk is full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep_parts(path)
        temporary, stream = _new_part(path)
        try:
            with stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
                temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
            _unfinished.discard(temporary)
    except OSError as error:
        raise storage_error(path, error) from error


def abandon_parts() -> None:
    """Remove the unfinished parts of this process, which is about to exit.

    A signal may arrive between the creation of a part and the block that removes it.
    """
    while _unfinished:
        _remove_part(_unfinished.pop())


def part_name(path: Path) -> Path:
    """Return a new name beside ``path`` for a file that is renamed to it when it is complete."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")


def sweep_parts(path: Path) -> None:
    """Remove parts left by killed writers of ``path``; those still being written stay."""
    pattern = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{8}}\.part", re.DOTALL)
    try:
        with os.scandir(path.parent) as entries:
            found = [Path(entry.path) for entry in entries if pattern.fullmatch(entry.name)]
    except OSError:
        return
    for part in found:
        descriptor = _lock_abandoned(part, os.O_RDWR)
        if descriptor is not None:
            _remove_part(part)
            os.close(descriptor)


@contextmanager
def part_beside(path: Path) -> Iterator[Path]:
    """Yield a name beside ``path`` for a file that another library writes; it and ``NAME-...`` are removed at the end.

    The name is unused. `sweep_parts` removes it after a killed process.

    Raises:
        OSError: when the folder can't be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep_parts(path)
    part, stream = _new_part(path)
    with stream:
        try:
            yield part.with_name(f"{part.name}-file")
        finally:
            _remove_part(part)


def _remove_part(part: Path) -> None:
    with suppress(OSError):
        for path in (*part.parent.glob(f"{glob.escape(part.name)}-*"), part):
            path.unlink(missing_ok=True)
    _unfinished.discard(part)


def _new_part(path: Path) -> tuple[Path, BinaryIO]:
    """Return a new file that this process has locked, and its name."""
    for _ in range(_TRIES):
        part = part_name(path)
        _unfinished.add(part)
        try:
            stream = part.open("xb")
        except OSError:
            _unfinished.discard(part)
            raise
        try:
            locked = _lock(stream.fileno(), part)
        except BaseException:
            stream.close()
            _remove_part(part)
            raise
        if locked:
            return part, stream
        stream.close()  # another process locked it first, and removes it
        _unfinished.discard(part)
    raise OSError(errno.EAGAIN, "another process keeps removing this one's files")


class OwnFolder:
    """A folder for temporary files that is removed by `remove`, or by `sweep_folders` after this process has ended.

    Args:
        prefix: start of its name, which no other program may use.

    Raises:
        OSError: when it can't be created.
    """

    def __init__(self, prefix: str) -> None:
        for _ in range(_TRIES):
            self.path = Path(tempfile.mkdtemp(prefix=prefix))
            try:
                self._descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
            except FileNotFoundError:  # another process swept it before there was a lock
                continue
            if _lock(self._descriptor, self.path):
                return
            os.close(self._descriptor)
        raise OSError(errno.EAGAIN, "another process keeps removing this one's folders")

    def remove(self) -> None:
        """Remove it with its contents; what can't be removed is left for `sweep_folders`."""
        shutil.rmtree(self.path, ignore_errors=True)
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def sweep_folders(prefix: str) -> None:
    """Remove the `OwnFolder` folders of this user whose process has ended."""
    root = Path(tempfile.gettempdir())
    try:
        found = [path for path in root.iterdir() if path.name.startswith(prefix)]
    except OSError:
        return
    for path in found:
        descriptor = _lock_abandoned(path, os.O_RDONLY | os.O_DIRECTORY)
        if descriptor is not None:
            if os.fstat(descriptor).st_uid == os.geteuid():
                shutil.rmtree(path, ignore_errors=True)
            os.close(descriptor)


def lock_for_this_process(descriptor: int) -> bool:
    """Lock an open file or folder until it is closed; return False when another process has it.

    Where the file system has no locks, nobody is kept out: refusing all work there would help nobody.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _lock(descriptor: int, path: Path) -> bool:
    """Lock a file that was just created; return whether this process has the lock and the file still exists."""
    if not lock_for_this_process(descriptor):
        return False
    try:
        there = path.stat()
    except FileNotFoundError:  # swept between its creation and the lock
        return False
    return os.path.samestat(there, os.fstat(descriptor))


def _lock_abandoned(path: Path, flags: int) -> int | None:
    """Lock ``path`` and return its descriptor; ``None`` when another process has the lock."""
    try:
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def write_bytes(path: Path, data: bytes) -> None:
    """Write ``data`` atomically.

    Raises:
        StorageError: see `atomic_write`.
    """
    with atomic_write(path) as stream:
        stream.write(data)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8, atomically.

    Raises:
        StorageError: see `atomic_write`.
    """
    write_bytes(path, text.encode("utf-8"))


def storage_error(path: Path, error: OSError) -> StorageError:
    """Return the error for a ``path`` that can't be written."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return StorageError(
            f"There is no space left to write {path}.",
            fix="Free some disk space, or choose another folder with --output, EVALKIT_CACHE or TMPDIR. "
            "Finished work is kept; run the same command again to continue.",
        )
    return StorageError(
        f"{path} can't be written.", found=str(error.strerror or error), fix="Choose a folder that you may write to."
    )
