"""Write files so that a reader never sees half of one, and folders that outlive no process for long.

Whoever writes holds the operating system's lock (``flock``) on the temporary file or folder. A process that was killed
holds none any more: that is how the next one knows what it may remove.
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
_begun: set[Path] = set()  # the parts of this process


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file beside ``path`` that takes its name when the block ends well, and vanishes otherwise.

    Its name is ``.NAME.XXXXXXXX.part``. What writers of ``path`` that were killed have left is removed.

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
            _begun.discard(temporary)
    except OSError as error:
        raise storage_error(path, error) from error


def abandon_parts() -> None:
    """Remove every part that this process has begun and not finished, because it leaves at once.

    A signal may come between the making of a part and the block that removes it.
    """
    while _begun:
        _remove_part(_begun.pop())


def part_name(path: Path) -> Path:
    """Return a new name beside ``path`` for what is written before it gets that name."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")


def sweep_parts(path: Path) -> None:
    """Remove what writers of ``path`` left that were killed; what somebody still writes stays."""
    pattern = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{8}}\.part", re.DOTALL)
    try:
        with os.scandir(path.parent) as entries:
            found = [Path(entry.path) for entry in entries if pattern.fullmatch(entry.name)]
    except OSError:
        return
    for part in found:
        descriptor = _abandoned(part, os.O_RDWR)
        if descriptor is not None:
            _remove_part(part)
            os.close(descriptor)


@contextmanager
def part_beside(path: Path) -> Iterator[Path]:
    """Yield a name beside ``path`` for what another library makes; it and ``NAME-...`` are removed at the end.

    Nothing has that name yet. `sweep_parts` removes what a killed process left of it.

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
    _begun.discard(part)


def _new_part(path: Path) -> tuple[Path, BinaryIO]:
    """Return a new file that this process holds the lock of, and its name."""
    for _ in range(_TRIES):
        part = part_name(path)
        _begun.add(part)
        try:
            stream = part.open("xb")
        except OSError:
            _begun.discard(part)
            raise
        try:
            held = _hold(stream.fileno(), part)
        except BaseException:
            stream.close()
            _remove_part(part)
            raise
        if held:
            return part, stream
        stream.close()  # somebody who swept was quicker, and removes it
        _begun.discard(part)
    raise OSError(errno.EAGAIN, "another process removes what this one writes")


class OwnFolder:
    """A folder for temporary files that is removed by `remove`, or by `sweep_folders` once this process is gone.

    Args:
        prefix: how its name begins; no other program's folders may begin so.

    Raises:
        OSError: when it can't be made.
    """

    def __init__(self, prefix: str) -> None:
        for _ in range(_TRIES):
            self.path = Path(tempfile.mkdtemp(prefix=prefix))
            self._descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
            if _hold(self._descriptor, self.path):
                return
            os.close(self._descriptor)
        raise OSError(errno.EAGAIN, "another process removes the folders that this one makes")

    def remove(self) -> None:
        """Remove it with everything in it; what can't be removed stays for a later sweep."""
        shutil.rmtree(self.path, ignore_errors=True)
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def sweep_folders(prefix: str) -> None:
    """Remove the `OwnFolder` folders of this user whose process is gone."""
    root = Path(tempfile.gettempdir())
    try:
        found = [path for path in root.iterdir() if path.name.startswith(prefix)]
    except OSError:
        return
    for path in found:
        descriptor = _abandoned(path, os.O_RDONLY | os.O_DIRECTORY)
        if descriptor is not None:
            if os.fstat(descriptor).st_uid == os.geteuid():
                shutil.rmtree(path, ignore_errors=True)
            os.close(descriptor)


def _hold(descriptor: int, path: Path) -> bool:
    """Take the lock of a file that was just made; return whether it is this process's and still there."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # a file system without locks: nobody sweeps there either
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    return os.path.samestat(there, os.fstat(descriptor))


def _abandoned(path: Path, flags: int) -> int | None:
    """Return a descriptor that holds the lock of ``path`` when nobody else does, else ``None``."""
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
    """Write ``data``, all or nothing.

    Raises:
        StorageError: see `atomic_write`.
    """
    with atomic_write(path) as stream:
        stream.write(data)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8, all or nothing.

    Raises:
        StorageError: see `atomic_write`.
    """
    write_bytes(path, text.encode("utf-8"))


def storage_error(path: Path, error: OSError) -> StorageError:
    """Return what to tell a person when ``path`` can't be written."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return StorageError(
            f"There is no space left to write {path}.",
            fix="Free some disk space, or choose another place with --output, EVALKIT_CACHE or TMPDIR. "
            "What is finished is kept; run the same command again to go on.",
        )
    return StorageError(
        f"{path} can't be written.", found=str(error.strerror or error), fix="Choose a folder that you may write to."
    )
