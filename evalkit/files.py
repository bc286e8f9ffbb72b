"""Write files so that a reader never sees half of one."""

from __future__ import annotations

import errno
import os
import tempfile
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
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        temporary = Path(name)
        with os.fdopen(descriptor, "wb") as stream:
            yield stream
            stream.flush()
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        raise storage_error(path, error) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8, all or nothing.

    Raises:
        StorageError: see `atomic_write`.
    """
    with atomic_write(path) as stream:
        stream.write(text.encode("utf-8"))


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
