"""Read one member of a submission, from any process that has its `MemberRef`, and copy it to a new file.

A copy has the stated length, is within a limit, and is written completely or not at all.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

from evalkit.errors import StorageError, SubmissionChangedError, SubmissionError
from evalkit.submission.members import READABLE_METHODS, Member
from evalkit.submission.zip.contents import open_strictly
from evalkit.submission.zip.listing import Stamp, changed, opened, stamp_of
from evalkit.submission.zip.scan import DAMAGE_ERRORS

CHUNK = 1 << 20  # bytes read at once
MARGIN = 16 << 20  # bytes that must stay free on the disk after a copy
FIX_ZIP = "Make the ZIP again and test it with 'unzip -t'."
FIX_FILE = "Make the file readable."


@dataclass(frozen=True, slots=True)
class MemberRef:
    """A member and the path of its archive: small, picklable, readable from any process.

    ``stamp`` is the archive's state when it was listed; an archive that has changed since, or while a member is read,
    is refused. It is ``None`` for a folder.
    """

    archive: Path
    member: Member
    stamp: Stamp | None

    def open(self) -> IO[bytes]:
        """Return a stream of the contents; reading damaged contents to their end raises ``zipfile.BadZipFile``.

        Raises:
            SubmissionError: when the member is not readable, or the archive changed or contradicts itself about it.
        """
        shown = self.member.path
        if self.member.kind != "file":
            raise SubmissionError(f"'{shown}' is not a file.", found=self.member.kind, expected="a regular file")
        if self.member.encrypted:
            raise SubmissionError(f"'{shown}' is encrypted.", fix="Make the ZIP without a password.")
        if self.member.faults:
            fault = self.member.faults[0]
            raise SubmissionError(
                f"The archive contradicts itself about '{shown}'.",
                found=fault.found,
                expected=fault.expected,
                fix="Make the ZIP again from the original files.",
            )
        if self.member.method not in READABLE_METHODS:
            raise SubmissionError(
                f"'{shown}' is compressed with a method that evalkit does not read.",
                found=f"ZIP method {self.member.method}",
                expected="stored or deflate",
                fix="Make the ZIP again with plain deflate, as 'zip' does.",
            )
        try:
            return self._open_in_folder() if self.stamp is None else self._open_in_zip(self.stamp)
        except (*DAMAGE_ERRORS, OSError) as error:
            raise unreadable(shown, error, self._fix) from None

    def sha256(self) -> str:
        """Return the SHA-256 of the contents as hex.

        Raises:
            SubmissionError: when they can't be read, or are not as long as stated.
        """
        digest, total = hashlib.sha256(), 0
        with self.open() as stream:
            for chunk in read_chunks(stream, self.member.path, self._fix):
                total += len(chunk)
                if total > self.member.size:
                    break
                digest.update(chunk)
        if total != self.member.size:
            raise _wrong_length(self.member.path, total, self.member.size)
        self._refuse_changed()
        return digest.hexdigest()

    def is_current(self) -> bool:
        """Whether the archive is as it was when it was listed; a folder's files are looked at when they are opened."""
        try:
            return self.stamp is None or stamp_of(self.archive) == self.stamp
        except OSError:  # it is gone
            return False

    @property
    def _fix(self) -> str:
        return FIX_FILE if self.stamp is None else FIX_ZIP

    def copy(self, destination: Path, limit: int) -> str:
        """Write the contents to the new file ``destination`` and return their SHA-256 as hex.

        Args:
            destination: a path that the caller chose, not one from the archive; it must not exist.
            limit: most bytes that the contents may have.

        Raises:
            SubmissionError: when the contents are larger than ``limit``, not as long as stated, damaged, encrypted or
                compressed with a method that evalkit does not read.
            SubmissionChangedError: when the archive is no longer what was listed.
            StorageError: when ``destination`` exists or can't be written, for instance because the disk is full.
                After any error no partial file remains.
        """
        shown = self.member.path
        if self.member.size > limit:
            raise _too_large(shown, self.member.size, limit)
        try:
            with self.open() as source:
                chunks = read_chunks(source, shown, self._fix)
                digest = _write_checked(chunks, destination, size=self.member.size, limit=limit, shown=shown)
        except SubmissionError:  # such as a wrong checksum, of an archive that is being written over
            self._refuse_changed()
            raise
        try:
            self._refuse_changed()
        except SubmissionChangedError:
            destination.unlink(missing_ok=True)
            raise
        return digest

    def _refuse_changed(self) -> None:
        if not self.is_current():
            raise changed(self.archive)

    def _open_in_zip(self, stamp: Stamp) -> IO[bytes]:
        self._refuse_changed()
        archive, listed = opened(os.getpid(), self.archive, stamp)
        return open_strictly(archive, listed[self.member.header_offset or 0, self.member.raw_name])

    def _open_in_folder(self) -> IO[bytes]:
        *folders, name = self.member.raw_name.split(b"/")
        # One folder at a time, because O_NOFOLLOW checks only the last part: a folder may have become a link.
        at = os.open(self.archive, os.O_RDONLY | os.O_DIRECTORY)
        try:
            for folder in folders:
                inner = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=at)
                os.close(at)
                at = inner
            handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=at)
        finally:
            os.close(at)
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise ValueError("no longer a regular file")
        return os.fdopen(handle, "rb")


def read_chunks(source: IO[bytes], shown: str, fix: str) -> Iterator[bytes]:
    """Yield the contents of a member in pieces of `CHUNK` bytes; ``shown`` is the name that errors call it.

    Raises:
        SubmissionError: when the contents are damaged or can't be read.
    """
    while chunk := _read(source, shown, fix):
        yield chunk


def _read(source: IO[bytes], shown: str, fix: str) -> bytes:
    try:
        return source.read(CHUNK)
    except (*DAMAGE_ERRORS, OSError) as error:
        raise unreadable(shown, error, fix) from None


def unreadable(shown: str, error: BaseException, fix: str) -> SubmissionError:
    """Return the error for a file or member that can't be read."""
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return SubmissionError(f"'{shown}' can't be read.", found=reason or type(error).__name__, fix=fix)


def _write_checked(chunks: Iterable[bytes], destination: Path, *, size: int, limit: int, shown: str) -> str:
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
                raise _too_large(shown, total, limit)
            if total > size:
                break
            digest.update(chunk)
            target.write(chunk)
        if total != size:
            raise _wrong_length(shown, total, size)
    return digest.hexdigest()


def _wrong_length(shown: str, total: int, size: int) -> SubmissionError:
    more = "more than " if total > size else ""
    return SubmissionError(
        f"The contents of '{shown}' are not as long as the archive states.",
        found=f"{more}{min(total, size)} bytes",
        expected=f"{size} bytes",
        fix="Make the ZIP again.",
    )


def _too_large(shown: str, size: int, limit: int) -> SubmissionError:
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


def in_one_sentence(error: SubmissionError) -> str:
    """Return what happened and what was found, without the remedy: the finding has one of its own."""
    facts = (("found", error.found), ("expected", error.expected))
    details = ", ".join(f"{word} {text}" for word, text in facts if text is not None)
    return f"{error.what.rstrip('.')}: {details}" if details else error.what.rstrip(".")
