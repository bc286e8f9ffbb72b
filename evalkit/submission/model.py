"""Open what a team submitted: a ZIP from the internet, or a folder. Names in it are data, never places to write to.

`Submission.open` lists the members and reads none of them; `evalkit.validators.archive.check` checks the list.
`Submission.copy` writes one member to a path that the caller chooses, within a limit, and checks it on the way. A
`MemberRef` does the same in another process.

The standard library's ``zipfile`` reads the table of contents, but only after `evalkit.submission.zip.scan` checked its
size.
"""

from __future__ import annotations

import hashlib
import os
import stat
from functools import cached_property
from pathlib import Path
from typing import IO, Literal

from evalkit.challenges.submission_rules import ArchiveRules
from evalkit.errors import SubmissionError
from evalkit.submission.members import Inconsistency, Member, file_member, walk_folder
from evalkit.submission.references import FIX_ZIP, MemberRef, unreadable
from evalkit.submission.zip.listing import Stamp, changed, list_zip, open_unchanged, stamp_of

TABLES = frozenset({".csv", ".tsv"})  # endings of a single file that is a submission: a detector's scores


class Submission:
    """An opened submission.

    Attributes:
        path: the ZIP or the folder; of a single table the folder that it lies in, whose other files are not members.
        name: the file's name without its suffix, or the folder's name.
        kind: "zip" or "directory".
        size: bytes of the ZIP, or of all files in the folder.
        members: the entries, sorted by the bytes of their path; the archive's own order never shows.
        member_count: how many entries there are. Above the limit that `open` was given, ``members`` is empty and
            ``complete`` is false: the rule ``archive.too-many-files`` reports it, and nothing was read into memory.
        directory_offset: byte at which the ZIP's table of contents starts; ``None`` for a folder.
        inconsistencies: what makes programs see different archives in the ZIP as a whole.
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
        inconsistencies: tuple[Inconsistency, ...] = (),
        name: str | None = None,
    ) -> None:
        self.path = path
        self.kind: Literal["zip", "directory"] = "directory" if stamp is None else "zip"
        self.name = name or (path.resolve().name if stamp is None else path.stem)
        self.size = size
        self.members = tuple(sorted(members, key=lambda member: (member.path.encode(), member.header_offset or 0)))
        self.member_count = member_count
        self.complete = len(members) == member_count
        self.directory_offset = directory_offset
        self.inconsistencies = inconsistencies
        self._stamp = stamp

    @classmethod
    def open(cls, path: str | Path, rules: ArchiveRules | None = None) -> Submission:
        """List a ZIP or a folder (recursively, symbolic links not followed) without reading a member.

        Args:
            path: the ZIP or the folder, or a table of scores (CSV).
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
            if place.suffix.lower() in TABLES:
                return cls._open_table(place.resolve(), place.stem)
            return cls._open_zip(place, limit, shown)
        except FileNotFoundError as error:
            gone = os.fsencode(error.filename or place)
            if gone.rstrip(b"/") == os.fsencode(place).rstrip(b"/"):
                raise SubmissionError(f"The submission {shown} does not exist.", fix="Check the path.") from None
            where = os.fsdecode(gone)
            raise SubmissionError(f"{where} disappeared while the folder was being listed.", fix="Run again.") from None
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
    def _open_table(cls, place: Path, name: str) -> Submission:
        """Return a table of scores as a folder that has nothing else."""
        member = file_member(place)
        return cls(place.parent, [member], member_count=1, size=member.size, name=name)

    @classmethod
    def _open_zip(cls, place: Path, limit: int, shown: str) -> Submission:
        stamp = stamp_of(place)
        members, count, offset, inconsistencies = list_zip(place, stamp, limit, shown)
        return cls(
            place,
            members,
            member_count=count,
            size=stamp[1],
            stamp=stamp,
            directory_offset=offset,
            inconsistencies=inconsistencies,
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

        Each file of a folder adds its path, a NUL, and the 32 bytes of its own SHA-256. For a file that can't be read
        these are 32 NULs, so that an unrelated file does not stop a run.

        Raises:
            SubmissionError: when the ZIP can't be read, or is no longer the one that was listed.
        """
        if self._stamp is not None:
            try:
                with open_unchanged(self.path, self._stamp) as file:
                    return hashlib.file_digest(file, "sha256").hexdigest()
            except OSError as error:
                raise unreadable(str(self.path), error, FIX_ZIP) from None
        whole = hashlib.sha256()
        for member in self.members:
            if member.kind == "file":
                # The NUL separates: no file's name contains one.
                whole.update(member.raw_name + b"\0" + self._file_digests[member.raw_name])
        return whole.hexdigest()

    def refuse_changed(self, member_path: str, sha256: str | None) -> None:
        """Make sure that what was read of a folder's file is what the digest of the folder says.

        The bytes of a ZIP are held to its state, so there is nothing to compare.

        Args:
            member_path: which file.
            sha256: of what was read; ``None`` where it could not be read, so that it is read once more.

        Raises:
            SubmissionChangedError: when the file was another one when the digest was computed.
        """
        if self._stamp is not None:
            return
        ref = self.ref(member_path)
        found = _sha256_or_zeros(ref) if sha256 is None else bytes.fromhex(sha256)
        if found != self._file_digests[ref.member.raw_name]:
            raise changed(self.path / member_path)

    @cached_property
    def _file_digests(self) -> dict[bytes, bytes]:
        """The stated path of every file of a folder -> its digest, all read at once."""
        files = [member for member in self.members if member.kind == "file"]
        return {member.raw_name: _sha256_or_zeros(MemberRef(self.path, member, None)) for member in files}

    @cached_property
    def _by_path(self) -> dict[str, list[Member]]:
        places: dict[str, list[Member]] = {}
        for member in self.members:
            places.setdefault(member.path, []).append(member)
        return places


def _sha256_or_zeros(ref: MemberRef) -> bytes:
    """Return the SHA-256 of a file's contents, or as many NULs when it can't be read."""
    try:
        return bytes.fromhex(ref.sha256())
    except SubmissionError:
        return bytes(hashlib.sha256().digest_size)
