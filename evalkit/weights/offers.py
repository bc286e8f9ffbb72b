"""What a folder, a ZIP or a single file offers to import: files with a name, a size and a way to copy them."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from evalkit.errors import InputError, StorageError, SubmissionError
from evalkit.submission.model import Submission

CHUNK = 1024 * 1024
_ZIP_STARTS = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")


class UnreadableError(Exception):
    """An offer can't be read, or is not what its archive states."""


@dataclass(frozen=True)
class Offer:
    """A file on offer.

    Args:
        shown: where it is, for messages; inside a ZIP after a colon. Escape it before it is shown.
        name: its base name.
        size: bytes, as stated; ``None`` when it can't be read.
        place: the file itself; ``None`` inside a ZIP.
        copy: writes at most that many bytes to a new file and returns the SHA-256 of what it wrote. Raises
            `UnreadableError`, or StorageError when the new file can't be written.
    """

    shown: str
    name: str
    size: int | None
    place: Path | None
    copy: Callable[[Path, int], str]


def offers(path: Path, is_file: Callable[[Path], bool], is_archive: Callable[[Path], bool]) -> Iterator[Offer]:
    """Yield what lies at ``path``: a folder's files at any depth in the order of their names, a ZIP's members, a file.

    A ZIP inside a folder is opened only when ``is_archive`` says so; one that is named itself is opened unless
    ``is_file`` knows it as a weights file, since PyTorch's files are ZIPs too. Links in a folder are not followed.

    Raises:
        InputError: when ``path`` does not exist or can't be read, or is a broken ZIP.
    """
    shown = str(path)
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            os.listdir(path)  # noqa: PTH208 - os.walk would hide why the folder itself can't be read
        elif stat.S_ISREG(mode):
            opens = is_archive(path) or (_is_zip(path) and not is_file(path))
        else:
            raise InputError(f"{shown} is neither a folder nor a file.")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{shown} can't be read.", found=reason, fix="Check the path.") from None
    if stat.S_ISREG(mode):
        yield from _members(path) if opens else [_plain(path)]
        return
    for folder, folders, files in os.walk(path):
        folders.sort()
        for name in sorted(files):
            yield from _in_folder(Path(folder) / name, is_archive)


def _in_folder(path: Path, is_archive: Callable[[Path], bool]) -> Iterator[Offer]:
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return
        opens = is_archive(path)
    except OSError:
        opens = False
    yield from _members(path) if opens else [_plain(path)]


def _plain(path: Path) -> Offer:
    try:
        size = path.stat().st_size if os.access(path, os.R_OK, effective_ids=True) else None
    except OSError:
        size = None
    return Offer(str(path), path.name, size, path, lambda destination, limit: copy_file(path, destination, limit))


def _members(path: Path) -> Iterator[Offer]:
    try:
        archive = Submission.open(path)
    except SubmissionError as error:
        raise InputError(f"{path} can't be opened as a ZIP.", found=str(error)) from None
    if not archive.complete:
        raise InputError(f"{path} has too many members.", found=f"{archive.member_count:,}")
    for member in archive.members:
        if member.kind == "file":
            name = PurePosixPath(member.path).name
            yield Offer(f"{path}:{member.path}", name, member.size, None, _member_copier(archive, member.path))


def _member_copier(archive: Submission, member: str) -> Callable[[Path, int], str]:
    def copy(destination: Path, limit: int) -> str:
        try:
            return archive.copy(member, destination, limit)
        except SubmissionError as error:
            raise UnreadableError(str(error)) from None

    return copy


def _is_zip(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(4) in _ZIP_STARTS


def copy_file(path: Path, destination: Path, limit: int) -> str:
    """Copy at most ``limit`` bytes to a new file and return the SHA-256 of what was written.

    Raises:
        UnreadableError: when ``path`` can't be read or holds more.
        StorageError: when ``destination`` can't be written.
    """
    digest = hashlib.sha256()
    blocks = _blocks(path, limit)
    try:
        with destination.open("xb") as target:
            for block in blocks:
                digest.update(block)
                target.write(block)
    except OSError as error:
        raise StorageError(f"{destination} can't be written.", found=str(error.strerror or error)) from error
    return digest.hexdigest()


def _blocks(path: Path, limit: int) -> Iterator[bytes]:
    done = 0
    try:
        with path.open("rb") as source:
            while block := source.read(CHUNK):
                done += len(block)
                if done > limit:
                    raise UnreadableError(f"it has more than {limit:,} bytes")
                yield block
    except OSError as error:
        raise UnreadableError(str(error.strerror or error)) from None
