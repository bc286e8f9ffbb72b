"""Who uses a feature cache: runs share it, and entries are removed only while no run is there.

A run looks once whether an entry exists and reads it later, perhaps in another process. So nothing may vanish in
between. The lock is one of the operating system (``flock``), which a killed process gives back.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from evalkit.errors import MachineError

_FILE = ".in-use"


@contextmanager
def cache_in_use(root: Path) -> Iterator[None]:
    """Keep the entries of the cache in the folder ``root`` until the block ends; waits while some are being removed.

    Where there is no folder to write to, or no lock, the block runs without: whoever can't write there can't prune.
    """
    descriptor = _opened(root)
    try:
        if descriptor is not None:
            with suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


@contextmanager
def cache_alone(root: Path, *, wait: bool = False) -> Iterator[None]:
    """Keep all runs away from the cache in the folder ``root`` until the block ends.

    Args:
        root: an existing folder.
        wait: until the runs that use it have ended, instead of raising.

    Raises:
        MachineError: a run uses the cache, or the folder can't be locked.
    """
    descriptor = _opened(root)
    if descriptor is None:
        raise MachineError(f"The cache {root} can't be locked.", fix="Use an account that may write there.")
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise MachineError(
                f"The cache {root} is in use.",
                found="a run that may read any of its entries",
                fix="Try again when the run has ended, or let the command wait for that with --wait.",
            ) from None
        except OSError as error:
            raise MachineError(
                f"The cache {root} can't be locked.",
                found=str(error.strerror or error),
                fix="Run the command on a machine that has the folder on a disk of its own.",
            ) from None
        yield
    finally:
        os.close(descriptor)


def _opened(root: Path) -> int | None:
    try:
        root.mkdir(parents=True, exist_ok=True)
        return os.open(root / _FILE, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    except OSError:
        return None
