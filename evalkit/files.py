"""Write files so that a reader never sees half of one."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from evalkit.errors import StorageError


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file beside ``path`` that takes its name when the block ends well, and vanishes otherwise.

    Raises:
        StorageError: when the folder can't be made or written, or the disk is full.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("xb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise storage_error(path, error) from error


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
