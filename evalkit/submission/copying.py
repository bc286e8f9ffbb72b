"""Write the contents of a member to a new file: within a limit, of the stated length, completely or not at all."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from evalkit.errors import StorageError, SubmissionError

MARGIN = 16 << 20  # bytes that must stay free on the disk after the copy


def write_checked(chunks: Iterable[bytes], destination: Path, *, size: int, limit: int, shown: str) -> str:
    """Write ``chunks`` to the new file ``destination`` and return their SHA-256 as hex.

    Args:
        chunks: the contents; reading stops as soon as there is too much.
        destination: must not exist.
        size: bytes that the contents should have.
        limit: most bytes that they may have.
        shown: the member's name, for errors.

    Raises:
        SubmissionError: when the contents are larger than ``limit`` or not ``size`` bytes long.
        StorageError: when ``destination`` exists or can't be written, or the disk has no room for ``size`` bytes and
            `MARGIN`, which is checked before reading. After any error no partial file remains.
    """
    _refuse_without_room(destination, min(size, limit), shown)
    digest, total = hashlib.sha256(), 0
    with _new_file(destination) as target:
        for chunk in chunks:
            total += len(chunk)
            if total > limit:
                raise too_large(shown, total, limit)
            if total > size:
                break
            digest.update(chunk)
            target.write(chunk)
        if total != size:
            more = "more than " if total > size else ""
            raise SubmissionError(
                f"The contents of '{shown}' are not as long as the archive states.",
                found=f"{more}{min(total, size)} bytes",
                expected=f"{size} bytes",
                fix="Make the ZIP again.",
            )
    return digest.hexdigest()


def too_large(shown: str, size: int, limit: int) -> SubmissionError:
    """Return the error for contents above the limit, in bytes."""
    return SubmissionError(f"'{shown}' is too large.", found=f"{size} bytes", expected=f"at most {limit} bytes")


def _refuse_without_room(destination: Path, size: int, shown: str) -> None:
    try:
        free = shutil.disk_usage(destination.parent).free
    except OSError as error:
        raise _unwritable(destination, error) from error
    if free < size + MARGIN:
        raise StorageError(
            f"The disk has no room to extract '{shown}' from the submission.",
            found=f"{free} bytes free in {destination.parent}",
            expected=f"{size} bytes for the file and {MARGIN} more",
            fix="Free some space, or set TMPDIR to a folder on a larger disk.",
        )


@contextmanager
def _new_file(destination: Path) -> Iterator[BinaryIO]:
    try:
        target = destination.open("xb")
    except OSError as error:
        raise _unwritable(destination, error) from error
    try:
        with target:
            yield target
    except OSError as error:
        destination.unlink(missing_ok=True)
        raise _unwritable(destination, error) from error
    except BaseException:
        destination.unlink(missing_ok=True)
        raise


def _unwritable(destination: Path, error: OSError) -> StorageError:
    return StorageError(
        f"{destination} can't be written.",
        found=error.strerror or str(error),
        fix="Free some space or choose another folder.",
    )
