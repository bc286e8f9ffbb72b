"""Open what a team handed in: a ZIP from the internet, or a folder. Names in it are data, never places to write to.

`Submission.open` lists the members and reads none of them; the rules in ``evalkit.validators.archive`` judge the list.
`Submission.copy` writes one member to a path that the caller chooses, within a limit, and checks it on the way. A
`MemberRef` does the same in another process.

The standard library's ``zipfile`` reads the ZIP's table of contents, but only after its size was checked here: the
number of members that a ZIP states is a claim, and ``zipfile`` ignores it and reads as many as there are.
"""

from __future__ import annotations

import copy
import hashlib
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import IO, BinaryIO, Literal

from evalkit.challenge import ArchiveRules
from evalkit.errors import StorageError, SubmissionError
from evalkit.text import neutralise

CHUNK = 1 << 20  # bytes read at once
LEAST_TABLE_CAP = 16 << 20  # bytes that a ZIP's table of contents may have, however few members are allowed
STORED, DEFLATED = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED
# zipfile bounds what one read of these two can yield; its bzip2 and LZMA readers inflate a whole chunk into memory.
READABLE_METHODS = frozenset({STORED, DEFLATED})

_UTF8_FLAG = 0x800
_ENCRYPTED_FLAGS = 0x1 | 0x40 | 0x2000  # the member, strong encryption, the table of contents itself
_END = struct.Struct("<4s4H2LH")
_END64_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_ENTRY = struct.Struct("<4s24x3H12x")
_FOREIGN = (
    (0, b"Rar!", "a RAR archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (0, b"\x1f\x8b", "a gzip file, perhaps a tar.gz"),
    (0, b"BZh", "a bzip2 file"),
    (0, b"\xfd7zXZ\x00", "an xz file"),
    (0, b"\x28\xb5\x2f\xfd", "a Zstandard file"),
    (257, b"ustar", "a tar archive"),
    (4, b"ftyp", "an MP4 video"),
)
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
)

Kind = Literal["file", "directory", "symlink", "device"]
Stamp = tuple[int, int, int]  # inode, bytes, modification time in ns: an archive that is still the same


@dataclass(frozen=True, slots=True)
class Member:
    """One entry of a submission, as the archive states it. Nothing here was verified.

    Args:
        path: the name exactly as stated, decoded as UTF-8 where that works and as code page 437 where it does not.
            Print it through `evalkit.text.neutralise`.
        raw_name: the name's bytes.
        size: bytes after decompression.
        compressed_size: bytes in the archive; equal to ``size`` in a folder.
        kind: "device" stands for everything that is no file, folder or symbolic link.
        encrypted: the archive says that a password is needed.
        method: the ZIP's number for the compression: 0 stored, 8 deflate.
        utf8: ``raw_name`` is valid UTF-8.
        crc: CRC-32 of the contents; ``None`` in a folder.
        header_offset: byte of the archive at which the member's own header starts; ``None`` in a folder.
    """

    path: str
    raw_name: bytes
    size: int
    compressed_size: int
    kind: Kind
    encrypted: bool = False
    method: int = STORED
    utf8: bool = True
    crc: int | None = None
    header_offset: int | None = None

    @property
    def is_directory(self) -> bool:
        """Whether the entry is a folder."""
        return self.kind == "directory"


@dataclass(frozen=True, slots=True)
class MemberRef:
    """A member together with the place of its archive: small, picklable, readable from any process.

    ``stamp`` is the archive's state when it was listed; an archive that was replaced since is refused.
    """

    archive: Path
    member: Member
    stamp: Stamp | None

    def open(self) -> IO[bytes]:
        """Return a stream of the member's contents. Its end raises ``zipfile.BadZipFile`` when the checksum is wrong.

        Raises:
            SubmissionError: when the member is no readable file or the archive changed.
        """
        shown = neutralise(self.member.path)
        if self.member.kind != "file":
            raise SubmissionError(f"'{shown}' is not a file.", found=self.member.kind, expected="a regular file")
        if self.member.encrypted:
            raise SubmissionError(f"'{shown}' is encrypted.", fix="Make the ZIP without a password.")
        if self.member.method not in READABLE_METHODS:
            raise SubmissionError(
                f"'{shown}' is compressed in a way that is not read here.",
                found=f"ZIP method {self.member.method}",
                expected="stored or deflate",
                fix="Make the ZIP again with plain deflate, as 'zip' does.",
            )
        try:
            return self._open_in_folder() if self.stamp is None else self._open_in_zip(self.stamp)
        except (*_DAMAGED, OSError) as error:
            raise _unreadable(shown, error) from None

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
        shown = neutralise(self.member.path)
        if self.member.size > limit:
            raise _too_large(shown, self.member.size, limit)
        digest, total = hashlib.sha256(), 0
        with self.open() as source, _new_file(destination) as target:
            while chunk := _read(source, shown):
                total += len(chunk)
                if total > limit:
                    raise _too_large(shown, total, limit)
                if total > self.member.size:
                    break
                digest.update(chunk)
                target.write(chunk)
            if total != self.member.size:
                more = "more than " if total > self.member.size else ""
                raise SubmissionError(
                    f"The contents of '{shown}' are not as long as the archive states.",
                    found=f"{more}{min(total, self.member.size)} bytes",
                    expected=f"{self.member.size} bytes",
                    fix="Make the ZIP again.",
                )
        return digest.hexdigest()

    def _open_in_zip(self, stamp: Stamp) -> IO[bytes]:
        if _stamp(self.archive) != stamp:
            raise SubmissionError(f"{neutralise(str(self.archive))} changed while it was being read.", fix="Run again.")
        archive, listed = _opened(os.getpid(), self.archive, stamp)
        info = copy.copy(listed[self.member.header_offset or 0, self.member.raw_name])
        info.file_size += 1  # zipfile cuts silently at the stated size; one byte more makes excess visible
        return archive.open(info)

    def _open_in_folder(self) -> IO[bytes]:
        place = os.path.join(os.fsencode(self.archive), self.member.raw_name)  # noqa: PTH118 - bytes, as listed
        handle = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
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
    ) -> None:
        self.path = path
        self.kind: Literal["zip", "directory"] = "directory" if stamp is None else "zip"
        self.name = path.resolve().name if stamp is None else path.stem
        self.size = size
        self.members = tuple(sorted(members, key=lambda member: (member.path.encode(), member.header_offset or 0)))
        self.member_count = member_count
        self.complete = len(members) == member_count
        self.directory_offset = directory_offset
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
        shown = neutralise(str(place))
        try:
            facts = place.stat()
            if stat.S_ISDIR(facts.st_mode):
                return cls._open_folder(place, limit)
            if not stat.S_ISREG(facts.st_mode):
                raise SubmissionError(f"{shown} is neither a ZIP nor a folder.", fix="Give the path of a ZIP.")
            return cls._open_zip(place, limit, shown)
        except FileNotFoundError:
            raise SubmissionError(f"The submission {shown} does not exist.", fix="Check the path.") from None
        except PermissionError as error:
            where = neutralise(os.fsdecode(error.filename or str(place)))
            raise SubmissionError(f"There is no permission to read {where}.", fix="Change its permissions.") from None
        except (OSError, ValueError) as error:
            raise SubmissionError(f"{shown} can't be read.", found=neutralise(str(error))) from None

    @classmethod
    def _open_folder(cls, place: Path, limit: int) -> Submission:
        members = []
        for member in _walk(place):
            members.append(member)
            if len(members) > limit:
                return cls(place, [], member_count=len(members), size=0)
        return cls(place, members, member_count=len(members), size=sum(member.size for member in members))

    @classmethod
    def _open_zip(cls, place: Path, limit: int, shown: str) -> Submission:
        stamp = _stamp(place)
        try:
            with place.open("rb") as file:
                count, offset = _scan(file, stamp[1], limit, shown)
            if count > limit:
                return cls(place, [], member_count=count, size=stamp[1], stamp=stamp)
            archive, _ = _opened(os.getpid(), place, stamp)
        except UnicodeDecodeError as error:
            raise SubmissionError(
                f"{shown} holds a name that is marked as UTF-8 and is not.",
                found=f"'{neutralise(error.object.decode('cp437'))}'",
                fix="Rename the file with plain letters and digits and make the ZIP again.",
            ) from None
        except _DAMAGED as error:
            raise _damaged(shown, str(error)) from None
        members = [_member(info) for info in archive.infolist()]
        if len(members) != count:
            raise _damaged(shown, f"{count} members by one count and {len(members)} by another")
        return cls(place, members, member_count=count, size=stamp[1], stamp=stamp, directory_offset=offset)

    def ref(self, member_path: str) -> MemberRef:
        """Return the handle with which another process reads the member.

        Raises:
            SubmissionError: when there is no such member, or more than one.
        """
        found = self._by_path.get(member_path, [])
        if len(found) != 1:
            times = "no member" if not found else f"{len(found)} members"
            raise SubmissionError(f"The submission has {times} named '{neutralise(member_path)}'.", expected="one")
        return MemberRef(self.path, found[0], self._stamp)

    def open_member(self, member_path: str) -> IO[bytes]:
        """Return a stream of one member; see `MemberRef.open`."""
        return self.ref(member_path).open()

    def copy(self, member_path: str, destination: Path, limit: int) -> str:
        """Write one member to the new file ``destination``, return its SHA-256; see `MemberRef.copy`."""
        return self.ref(member_path).copy(destination, limit)

    @cached_property
    def sha256(self) -> str:
        """SHA-256 as hex: of the ZIP's bytes, or of a folder's sorted paths and file digests.

        Raises:
            SubmissionError: when a file can't be read.
        """
        if self.kind == "zip":
            try:
                with self.path.open("rb") as file:
                    return hashlib.file_digest(file, "sha256").hexdigest()
            except OSError as error:
                raise _unreadable(neutralise(str(self.path)), error) from None
        whole = hashlib.sha256()
        for member in self.members:
            if member.kind == "file":
                part = hashlib.sha256()
                with MemberRef(self.path, member, None).open() as stream:
                    while chunk := _read(stream, neutralise(member.path)):
                        part.update(chunk)
                whole.update(member.raw_name + b"\0" + part.digest())  # a file's name holds no NUL
        return whole.hexdigest()

    @cached_property
    def _by_path(self) -> dict[str, list[Member]]:
        places: dict[str, list[Member]] = {}
        for member in self.members:
            places.setdefault(member.path, []).append(member)
        return places


def _stamp(path: Path) -> Stamp:
    facts = path.stat()
    return facts.st_ino, facts.st_size, facts.st_mtime_ns


@lru_cache(maxsize=8)
def _opened(pid: int, path: Path, stamp: Stamp) -> tuple[zipfile.ZipFile, dict[tuple[int, bytes], zipfile.ZipInfo]]:
    """Keep an archive open per process. A forked child must not share its parent's file position, hence ``pid``."""
    archive = zipfile.ZipFile(path)
    return archive, {(info.header_offset, _raw_name(info)): info for info in archive.infolist()}


def _scan(file: BinaryIO, size: int, limit: int, shown: str) -> tuple[int, int]:
    """Return how many members the table of contents holds and where it starts, reading at most ``limit`` + 1 of them.

    Finds the table as ``zipfile`` does, so that both speak of the same one.
    """
    head = file.read(512)
    _refuse_foreign(head, size, shown)
    file.seek(max(0, size - _END.size - 0xFFFF))
    tail = file.read()
    at = len(tail) - _END.size
    if at < 0 or tail[at : at + 4] != b"PK\5\6" or tail[-2:] != b"\0\0":
        at = tail.rfind(b"PK\5\6")
    if at < 0 or at + _END.size > len(tail):
        if head[:4] == b"PK\7\x08":
            raise _one_part(shown)
        if head[:2] == b"PK":
            raise _damaged(shown, "no table of contents at its end")
        raise SubmissionError(f"{shown} is not a ZIP.", found=f"a file that starts with {head[:8]!r}", fix=_HAND_IN)
    _, disk, first_disk, _, claimed, length, _, _ = _END.unpack_from(tail, at)
    end, disks = size - len(tail) + at, {disk, first_disk} - {0xFFFF}
    file.seek(max(0, end - _END64_LOCATOR.size))
    signature, locator_disk, _, locator_disks = _END64_LOCATOR.unpack(_padded(file, _END64_LOCATOR.size))
    if signature == b"PK\6\7":
        end -= _END64_LOCATOR.size + _END64.size
        file.seek(max(0, end))
        signature, _, _, _, disk, first_disk, _, claimed, length, _ = _END64.unpack(_padded(file, _END64.size))
        if signature != b"PK\6\6":
            raise _damaged(shown, "the 64-bit table of contents is not where it should be")
        disks = {disk, first_disk, locator_disk, max(0, locator_disks - 1)}
    if disks - {0}:
        raise _one_part(shown)
    if claimed > limit:
        return claimed, 0
    start = end - length
    if start < 0:
        raise _damaged(shown, f"a table of contents of {length} bytes in a file of {size} bytes")
    count = _count_entries(file, start, end, limit)
    if count > limit:
        return count, start
    if count & 0xFFFF != claimed & 0xFFFF:  # some writers let the 16-bit count run over
        raise _damaged(shown, f"a table of contents that states {claimed} members and lists {count}")
    cap = max(LEAST_TABLE_CAP, limit * 1024)
    if length > cap:
        raise SubmissionError(
            f"The table of contents of {shown} is too large.",
            found=f"{length} bytes for {count} members",
            expected=f"at most {cap} bytes",
            fix="Shorten the names and leave out comments.",
        )
    return count, start


def _count_entries(file: BinaryIO, start: int, end: int, limit: int) -> int:
    file.seek(start)
    count = 0
    while start < end and count <= limit:
        signature, *lengths = _ENTRY.unpack(_padded(file, _ENTRY.size))
        if signature != b"PK\1\2":
            raise zipfile.BadZipFile("the table of contents is garbled")
        start += _ENTRY.size + sum(lengths)
        file.seek(sum(lengths), os.SEEK_CUR)
        count += 1
    return count


def _padded(file: BinaryIO, count: int) -> bytes:
    """Read ``count`` bytes; what a cut file lacks reads as zeros, which are no signature."""
    return file.read(count).ljust(count, b"\0")


def _raw_name(info: zipfile.ZipInfo) -> bytes:
    """Undo zipfile's decoding. ``filename`` won't do: zipfile cuts it at a NUL."""
    return info.orig_filename.encode("utf-8" if info.flag_bits & _UTF8_FLAG else "cp437")


def _member(info: zipfile.ZipInfo) -> Member:
    raw = _raw_name(info)
    path, utf8 = _decoded(raw)
    return Member(
        path=path,
        raw_name=raw,
        size=info.file_size,
        compressed_size=info.compress_size,
        kind=_kind(info.external_attr >> 16, folder=raw.endswith(b"/")),
        encrypted=bool(info.flag_bits & _ENCRYPTED_FLAGS),
        method=info.compress_type,
        utf8=utf8,
        crc=info.CRC,
        header_offset=info.header_offset,
    )


def _kind(mode: int, *, folder: bool) -> Kind:
    """Classify by the Unix mode, whichever system the archive says it was made on; no mode means a plain file."""
    kind = stat.S_IFMT(mode)
    if kind == stat.S_IFLNK:
        return "symlink"
    if kind == stat.S_IFDIR or (folder and kind in {0, stat.S_IFREG}):
        return "directory"
    return "file" if kind in {0, stat.S_IFREG} else "device"


def _decoded(raw: bytes) -> tuple[str, bool]:
    try:
        return raw.decode("utf-8"), True
    except UnicodeDecodeError:
        return raw.decode("cp437"), False


def _walk(root: Path) -> Iterator[Member]:
    base = os.fsencode(root)
    folders = [b""]
    while folders:
        prefix = folders.pop()
        with os.scandir(os.path.join(base, prefix)) as entries:  # noqa: PTH118 - bytes: names need not be UTF-8
            for entry in entries:
                facts = entry.stat(follow_symlinks=False)
                kind = _kind(facts.st_mode, folder=False)
                raw = prefix + entry.name + (b"/" if kind == "directory" else b"")
                if kind == "directory":
                    folders.append(raw)
                path, utf8 = _decoded(raw)
                size = facts.st_size if kind == "file" else 0
                yield Member(path, raw, size, size, kind, utf8=utf8)


def _read(source: IO[bytes], shown: str) -> bytes:
    try:
        return source.read(CHUNK)
    except (*_DAMAGED, OSError) as error:
        raise _unreadable(shown, error) from None


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


_HAND_IN = "Hand in a ZIP."


def _refuse_foreign(head: bytes, size: int, shown: str) -> None:
    if size == 0:
        raise SubmissionError(f"{shown} is empty.", found="0 bytes", fix="Upload it again.")
    looks = next((name for at, magic, name in _FOREIGN if head[at : at + len(magic)] == magic), None)
    if head.lstrip()[:9].lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        looks = "a web page, perhaps a log-in or download page saved under the ZIP's name"
    if looks:
        raise SubmissionError(f"{shown} is not a ZIP.", found=looks, fix=_HAND_IN)


def _one_part(shown: str) -> SubmissionError:
    return SubmissionError(f"{shown} is one part of a split ZIP.", expected="a whole ZIP", fix="Join the parts.")


def _damaged(shown: str, found: str) -> SubmissionError:
    return SubmissionError(
        f"{shown} is cut off or damaged.", found=neutralise(found), fix="Compare its size and upload it again."
    )


def _too_large(shown: str, size: int, limit: int) -> SubmissionError:
    return SubmissionError(f"'{shown}' is too large.", found=f"{size} bytes", expected=f"at most {limit} bytes")


def _unreadable(shown: str, error: BaseException) -> SubmissionError:
    return SubmissionError(
        f"'{shown}' can't be read.",
        found=neutralise(str(error)) or type(error).__name__,
        fix="Make the ZIP again and test it with 'unzip -t'.",
    )


def _unwritable(destination: Path, error: OSError) -> StorageError:
    return StorageError(
        f"{neutralise(str(destination))} can't be written.",
        found=error.strerror or str(error),
        fix="Free some space or choose another folder.",
    )
