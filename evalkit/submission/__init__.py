"""Open what a team handed in: a ZIP from the internet, or a folder. Names in it are data, never places to write to.

`Submission.open` lists the members and reads none of them; `evalkit.validators.archive.rules` judges the list.
`Submission.copy` writes one member to a path that the caller chooses, within a limit, and checks it on the way. A
`MemberRef` does the same in another process.

The standard library's ``zipfile`` reads the table of contents, but only after `evalkit.submission.zip.scan` checked its
size.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Literal

from evalkit.challenges.model import ArchiveRules
from evalkit.errors import SubmissionError
from evalkit.submission.copying import too_large, write_checked
from evalkit.submission.inflating import open_strictly
from evalkit.submission.members import READABLE_METHODS, Fault, Inconsistency, Member, walk_folder
from evalkit.submission.zip.directory import Stamp, list_zip, stamp_of
from evalkit.submission.zip.directory import opened as _opened
from evalkit.submission.zip.scan import DAMAGED, LEAST_TABLE_CAP

__all__ = [
    "CHUNK",
    "LEAST_TABLE_CAP",
    "READABLE_METHODS",
    "Fault",
    "Inconsistency",
    "Member",
    "MemberRef",
    "Submission",
]

CHUNK = 1 << 20  # bytes read at once


@dataclass(frozen=True, slots=True)
class MemberRef:
    """A member together with the place of its archive: small, picklable, readable from any process.

    ``stamp`` is the archive's state when it was listed; an archive that was replaced since is refused.
    """

    archive: Path
    member: Member
    stamp: Stamp | None

    def open(self) -> IO[bytes]:
        """Return a stream of the member's contents. Its end raises ``zipfile.BadZipFile`` when they are not whole.

        Raises:
            SubmissionError: when the member is no readable file, the archive says two things of it, or it changed.
        """
        shown = self.member.path
        if self.member.kind != "file":
            raise SubmissionError(f"'{shown}' is not a file.", found=self.member.kind, expected="a regular file")
        if self.member.encrypted:
            raise SubmissionError(f"'{shown}' is encrypted.", fix="Make the ZIP without a password.")
        if self.member.faults:
            fault = self.member.faults[0]
            raise SubmissionError(
                f"The archive says different things about '{shown}'.",
                found=fault.found,
                expected=fault.expected,
                fix="Make the ZIP again from the original files.",
            )
        if self.member.method not in READABLE_METHODS:
            raise SubmissionError(
                f"'{shown}' is compressed in a way that is not read here.",
                found=f"ZIP method {self.member.method}",
                expected="stored or deflate",
                fix="Make the ZIP again with plain deflate, as 'zip' does.",
            )
        try:
            return self._open_in_folder() if self.stamp is None else self._open_in_zip(self.stamp)
        except (*DAMAGED, OSError) as error:
            raise _unreadable(shown, error, self._fix) from None

    @property
    def _fix(self) -> str:
        return _FIX_FILE if self.stamp is None else _FIX_ZIP

    def copy(self, destination: Path, limit: int) -> str:
        """Write the contents to the new file ``destination`` and return their SHA-256 as hex.

        Args:
            destination: a path of the caller's own making; it must not exist.
            limit: most bytes that the contents may have.

        Raises:
            SubmissionError: when the contents are larger than ``limit``, not as long as stated, damaged, encrypted or
                compressed in a way that is not read here.
            StorageError: when ``destination`` exists or can't be written, for instance because the disk is full.
                Whatever was raised, no partial file remains.
        """
        shown = self.member.path
        if self.member.size > limit:
            raise too_large(shown, self.member.size, limit)
        with self.open() as source:
            chunks = _chunks(source, shown, self._fix)
            return write_checked(chunks, destination, size=self.member.size, limit=limit, shown=shown)

    def _open_in_zip(self, stamp: Stamp) -> IO[bytes]:
        if stamp_of(self.archive) != stamp:
            raise SubmissionError(f"{self.archive} changed while it was being read.", fix="Run again.")
        archive, listed = _opened(os.getpid(), self.archive, stamp)
        return open_strictly(archive, listed[self.member.header_offset or 0, self.member.raw_name])

    def _open_in_folder(self) -> IO[bytes]:
        *folders, name = self.member.raw_name.split(b"/")
        # Step by step, because O_NOFOLLOW guards a path's last part alone: a folder may be a link by now.
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


class Submission:
    """An opened submission.

    Attributes:
        path: where it lies.
        name: the file's name without its suffix, or the folder's name.
        kind: "zip" or "directory".
        size: bytes of the ZIP, or of all files in the folder.
        members: the entries, sorted by the bytes of their path; the archive's own order never shows.
        member_count: how many entries there are. Above the limit that `open` was given, ``members`` is empty and
            ``complete`` is false: the rule ``archive.too-many-files`` reports it, and nothing was read into memory.
        directory_offset: byte at which the ZIP's table of contents starts; ``None`` for a folder.
        oddities: what about the ZIP as a whole makes programs see different archives.
    """

    def __init__(
        self,
        path: Path,
        members: list[Member],
        *,
        member_count: int,
        size: int,
        stamp: Stamp | None = None,
        directory_offset: int | None = None,
        oddities: tuple[Inconsistency, ...] = (),
    ) -> None:
        self.path = path
        self.kind: Literal["zip", "directory"] = "directory" if stamp is None else "zip"
        self.name = path.resolve().name if stamp is None else path.stem
        self.size = size
        self.members = tuple(sorted(members, key=lambda member: (member.path.encode(), member.header_offset or 0)))
        self.member_count = member_count
        self.complete = len(members) == member_count
        self.directory_offset = directory_offset
        self.oddities = oddities
        self._stamp = stamp

    @classmethod
    def open(cls, path: str | Path, rules: ArchiveRules | None = None) -> Submission:
        """List a ZIP or a folder (recursively, symbolic links not followed) without reading a member.

        Args:
            path: the ZIP or the folder.
            rules: ``max_files`` says how many members are listed at most.

        Raises:
            SubmissionError: when ``path`` is missing, unreadable, empty, neither ZIP nor folder, cut off, damaged, or
                one part of several.
        """
        place, limit = Path(path), (rules or ArchiveRules()).max_files
        shown = str(place)
        try:
            facts = place.stat()
            if stat.S_ISDIR(facts.st_mode):
                return cls._open_folder(place, limit)
            if not stat.S_ISREG(facts.st_mode):
                raise SubmissionError(f"{shown} is neither a ZIP nor a folder.", fix="Give the path of a ZIP.")
            return cls._open_zip(place, limit, shown)
        except FileNotFoundError as error:
            gone = os.fsencode(error.filename or place)
            if gone.rstrip(b"/") == os.fsencode(place).rstrip(b"/"):
                raise SubmissionError(f"The submission {shown} does not exist.", fix="Check the path.") from None
            where = os.fsdecode(gone)
            raise SubmissionError(f"{where} vanished while the folder was being listed.", fix="Run again.") from None
        except PermissionError as error:
            where = os.fsdecode(error.filename or str(place))
            raise SubmissionError(f"There is no permission to read {where}.", fix="Change its permissions.") from None
        except (OSError, ValueError) as error:
            raise SubmissionError(f"{shown} can't be read.", found=str(error)) from None

    @classmethod
    def _open_folder(cls, place: Path, limit: int) -> Submission:
        members = []
        for member in walk_folder(place):
            members.append(member)
            if len(members) > limit:
                return cls(place, [], member_count=len(members), size=0)
        return cls(place, members, member_count=len(members), size=sum(member.size for member in members))

    @classmethod
    def _open_zip(cls, place: Path, limit: int, shown: str) -> Submission:
        stamp = stamp_of(place)
        members, count, offset, oddities = list_zip(place, stamp, limit, shown)
        return cls(
            place,
            members,
            member_count=count,
            size=stamp[1],
            stamp=stamp,
            directory_offset=offset,
            oddities=oddities,
        )

    def ref(self, member_path: str) -> MemberRef:
        """Return the handle with which another process reads the member.

        Raises:
            SubmissionError: when there is no such member, or more than one.
        """
        found = self._by_path.get(member_path, [])
        if len(found) != 1:
            times = "no member" if not found else f"{len(found)} members"
            raise SubmissionError(f"The submission has {times} named '{member_path}'.", expected="one")
        return MemberRef(self.path, found[0], self._stamp)

    def open_member(self, member_path: str) -> IO[bytes]:
        """Return a stream of one member; see `MemberRef.open`."""
        return self.ref(member_path).open()

    def copy(self, member_path: str, destination: Path, limit: int) -> str:
        """Write one member to the new file ``destination``, return its SHA-256; see `MemberRef.copy`."""
        return self.ref(member_path).copy(destination, limit)

    @cached_property
    def sha256(self) -> str:
        """SHA-256 as hex: of the ZIP's bytes, or of a folder's files in the order of their paths.

        Each file of a folder adds its path, a NUL, and the 32 bytes of its own SHA-256; one that can't be read, 32
        NULs in their place, so that a file nobody asked for does not stop a run.

        Raises:
            SubmissionError: when the ZIP can't be read.
        """
        if self.kind == "zip":
            try:
                with self.path.open("rb") as file:
                    return hashlib.file_digest(file, "sha256").hexdigest()
            except OSError as error:
                raise _unreadable(str(self.path), error, _FIX_ZIP) from None
        whole = hashlib.sha256()
        for member in self.members:
            if member.kind == "file":
                # A file's name holds no NUL.
                whole.update(member.raw_name + b"\0" + _digest(MemberRef(self.path, member, None)))
        return whole.hexdigest()

    @cached_property
    def _by_path(self) -> dict[str, list[Member]]:
        places: dict[str, list[Member]] = {}
        for member in self.members:
            places.setdefault(member.path, []).append(member)
        return places


_FIX_ZIP = "Make the ZIP again and test it with 'unzip -t'."
_FIX_FILE = "Make the file readable."


def _digest(ref: MemberRef) -> bytes:
    """Return the SHA-256 of a file's contents, or as many NULs when it can't be read."""
    part = hashlib.sha256()
    try:
        with ref.open() as stream:
            for chunk in _chunks(stream, ref.member.path, _FIX_FILE):
                part.update(chunk)
    except SubmissionError:
        return bytes(part.digest_size)
    return part.digest()


def _chunks(source: IO[bytes], shown: str, fix: str) -> Iterator[bytes]:
    while chunk := _read(source, shown, fix):
        yield chunk


def _read(source: IO[bytes], shown: str, fix: str) -> bytes:
    try:
        return source.read(CHUNK)
    except (*DAMAGED, OSError) as error:
        raise _unreadable(shown, error, fix) from None


def _unreadable(shown: str, error: BaseException, fix: str) -> SubmissionError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return SubmissionError(f"'{shown}' can't be read.", found=reason or type(error).__name__, fix=fix)
