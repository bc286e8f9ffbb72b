"""Take weights files from a folder, a ZIP, a .tar.gz or single files: from a USB stick, for machines without a network.

Files are recognised by their digests, whatever their names; where no digest is known in full, by their names. What is
copied is what was hashed: a file gets its name in the weights folder only when the bytes that were written there have
the digest. Nothing in an archive chooses where it is written, and no more is unpacked than the manifest's sizes allow.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import secrets
import stat
import tarfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Literal

from evalkit.errors import InputError, StorageError, SubmissionError
from evalkit.progress import Progress
from evalkit.submission.model import Submission
from evalkit.weights.download import parts_folder
from evalkit.weights.manifest import Backbones, WeightEntry
from evalkit.weights.records import locked, unwritable_error
from evalkit.weights.store import file_sha256, file_state
from evalkit.weights.transfer import RetryPolicy, require_space
from evalkit.weights.trust import matches_known_digest, non_weights_content, trust

_COPY = ".import-"  # no file of a manifest starts with a dot
CHUNK = 1024 * 1024
_GZIP_START = b"\x1f\x8b"
_TAR_BYTES = 64 * 1024**3  # unpacked, of all members of a .tar.gz
_TAR_READ = 16 * CHUNK  # at once; headers that state more are refused
_TAR_FAULTS = (tarfile.TarError, OSError, EOFError, ValueError, OverflowError, RecursionError, zlib.error)
_ZIP_STARTS = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
Verdict = Literal["imported", "there", "wrong", "extra"]


@dataclass(frozen=True)
class CheckedImport:
    """The result of one file that was checked.

    Args:
        path: where it is, as given; inside an archive after a colon. Print it through
            `evalkit.text.escape_for_display`.
        verdict: ``imported``; ``there`` when the weights folder had it; ``wrong`` for other content under a known
            name; ``extra`` when it is none of the set's files.
        files: names that it has in the weights folder.
        detail: why it is wrong.
    """

    path: str
    verdict: Verdict
    files: tuple[str, ...] = ()
    detail: str = ""


@dataclass
class ImportReport:
    """All files that were checked, and the set's files that are still missing."""

    seen: list[CheckedImport] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def of(self, verdict: Verdict) -> list[CheckedImport]:
        """Return what got the verdict."""
        return [seen for seen in self.seen if seen.verdict == verdict]


def import_weights(backbones: Backbones, paths: Sequence[Path], folder: Path, progress: Progress) -> ImportReport:
    """Copy the set's files out of ``paths`` into ``folder``.

    Args:
        backbones: the set.
        paths: folders (searched to any depth, links not followed), ZIPs, tar archives in gzip, single files.
        folder: the weights folder.
        progress: receives what happens.

    Raises:
        InputError: when a path does not exist, can't be read or is a broken archive.
        StorageError: when the folder can't be written.
    """
    run = _Import(backbones, {entry.file: entry for entry in backbones.roles.values()}, folder, progress)
    report = ImportReport()
    with locked(folder, "import", lambda: progress.message("Another process is importing; waiting.")):
        for leftover in parts_folder(folder).glob(f"{_COPY}*"):  # of a process that was killed
            leftover.unlink(missing_ok=True)
        for path in paths:
            report.seen += [run.take(candidate) for candidate in import_candidates(path, run.is_file, run.is_archive)]
    report.missing = sorted(file for file, entry in run.entries.items() if not run.there(entry))
    return report


@dataclass(frozen=True)
class _Import:
    backbones: Backbones
    entries: dict[str, WeightEntry]
    folder: Path
    progress: Progress

    def is_archive(self, path: Path) -> bool:
        """Return whether the file is one of the manifest's archives."""
        size = path.stat().st_size
        pins = {archive.sha256 for archive in self.backbones.archives.values() if archive.bytes == size}
        return bool(pins) and file_sha256(path) in pins

    def is_file(self, path: Path) -> bool:
        """Return whether the file is one of the manifest's files."""
        possible = self._possible(path.name, path.stat().st_size)
        if not possible:
            return False
        digest = file_sha256(path)
        return any(matches_known_digest(self.folder, entry, digest) for entry in possible)

    def there(self, entry: WeightEntry) -> bool:
        """Return whether the weights folder has the right file."""
        return file_state(entry, self.folder).state == "there"

    def take(self, candidate: ImportCandidate) -> CheckedImport:
        """Check one file, and copy it when it is one of the set's."""
        possible = self._possible(candidate.name, candidate.size)
        try:
            if not possible:
                return self._unknown(candidate)
            if candidate.place is not None and all(self.there(entry) for entry in possible):
                return self._result_for(candidate, _digest(candidate.place), possible)
            with self._copied(candidate, possible) as (copy, digest):
                content = non_weights_content(copy)
                if content and any(entry.first_use for entry in possible):
                    return self._no_match(candidate, f"it is {content}")
                wanted = [e for e in possible if matches_known_digest(self.folder, e, digest) and not self.there(e)]
                for entry in wanted:
                    self._place(copy, entry, digest, candidate.shown, last=entry is wanted[-1])
                if wanted:
                    return CheckedImport(candidate.shown, "imported", tuple(entry.file for entry in wanted))
                return self._result_for(candidate, digest, possible)
        except UnreadableError as error:
            return self._no_match(candidate, str(error))

    def _possible(self, name: str, size: int | None) -> list[WeightEntry]:
        """Return the entries that a file of this size could be; by its name too where the digest can't tell."""
        return [
            entry
            for entry in self.entries.values()
            if size is not None
            and (entry.bytes is None or entry.bytes == size)
            and (not entry.first_use or entry.file == name)
        ]

    def _unknown(self, candidate: ImportCandidate) -> CheckedImport:
        known = self.entries.get(candidate.name)
        if candidate.size is None:
            return self._no_match(candidate, "it can't be read")
        if known is not None:
            return self._no_match(candidate, f"{candidate.size:,} bytes and not {known.bytes or 0:,}")
        archive = self.backbones.archives.get(candidate.name)
        return self._no_match(candidate, f"it is not the one with SHA-256 {archive.sha256}" if archive else "")

    def _result_for(self, candidate: ImportCandidate, digest: str, possible: Sequence[WeightEntry]) -> CheckedImport:
        files = tuple(entry.file for entry in possible if matches_known_digest(self.folder, entry, digest))
        if files:
            return CheckedImport(candidate.shown, "there", files)
        known = self.entries.get(candidate.name)
        return self._no_match(candidate, f"SHA-256 {digest} and not {known.digest_text}" if known else "")

    def _no_match(self, candidate: ImportCandidate, detail: str) -> CheckedImport:
        if candidate.name in self.entries or candidate.name in self.backbones.archives:
            return CheckedImport(candidate.shown, "wrong", (candidate.name,), detail)
        return CheckedImport(candidate.shown, "extra", (), detail)

    @contextmanager
    def _copied(self, candidate: ImportCandidate, possible: Sequence[WeightEntry]) -> Iterator[tuple[Path, str]]:
        """Copy the candidate into the weights folder under a name of no meaning; it vanishes unless it is renamed."""
        limit = max(entry.bytes or RetryPolicy().unknown_limit for entry in possible)
        copy = parts_folder(self.folder) / f"{_COPY}{secrets.token_hex(8)}"
        require_space(copy.parent, min(limit, candidate.size or 0))
        try:
            try:
                digest = candidate.copy(copy, limit)
            except StorageError as error:
                raise unwritable_error(self.folder, error) from error
            yield copy, digest
        finally:
            copy.unlink(missing_ok=True)

    def _place(self, copy: Path, entry: WeightEntry, digest: str, source: str, *, last: bool) -> None:
        """Give the copy its name, or a second copy of it when another file has the same content."""
        with locked(self.folder, entry.file):
            notice = trust(self.folder, entry, digest, source)
            if notice:
                self.progress.warn(notice)
            try:
                if not last:
                    copy_file(copy, copy.with_name(f"{copy.name}-2"), copy.stat().st_size)
                    copy = copy.with_name(f"{copy.name}-2")
                copy.replace(self.folder / entry.file)
            except OSError as error:
                raise unwritable_error(self.folder, error) from error


def _digest(path: Path) -> str:
    try:
        return file_sha256(path)
    except OSError as error:
        raise UnreadableError(str(error.strerror or error)) from None


class UnreadableError(Exception):
    """A candidate can't be read, or is not what its archive states."""


@dataclass(frozen=True)
class ImportCandidate:
    """A file that may be one of the set's.

    Args:
        shown: where it is, for messages; inside an archive after a colon. Escape it before it is shown.
        name: its base name.
        size: bytes, as stated; ``None`` when it can't be read.
        place: the file itself; ``None`` inside an archive.
        copy: writes at most that many bytes to a new file and returns the SHA-256 of what it wrote. Raises
            `UnreadableError`, or StorageError when the new file can't be written.
    """

    shown: str
    name: str
    size: int | None
    place: Path | None
    copy: Callable[[Path, int], str]


def import_candidates(
    path: Path, is_file: Callable[[Path], bool], is_archive: Callable[[Path], bool]
) -> Iterator[ImportCandidate]:
    """Yield what lies at ``path``: a folder's files at any depth by their names, an archive's members, a file.

    A ZIP inside a folder is opened only when ``is_archive`` says so; one that is named itself is opened unless
    ``is_file`` knows it as a weights file, since PyTorch's files are ZIPs too. A tar archive in gzip, as packages of
    Python code come, is opened when it is named itself. Links in a folder or archive are not followed.

    Raises:
        InputError: when ``path`` does not exist or can't be read, or is a broken archive.
    """
    shown = str(path)
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            os.listdir(path)  # noqa: PTH208 - os.walk would hide why the folder itself can't be read
        elif stat.S_ISREG(mode):
            opens = is_archive(path) or (_starts_with(path, _ZIP_STARTS) and not is_file(path))
            tar = not opens and _starts_with(path, (_GZIP_START,)) and not is_file(path) and _is_tar(path)
        else:
            raise InputError(f"{shown} is neither a folder nor a file.")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{shown} can't be read.", found=reason, fix="Check the path.") from None
    if stat.S_ISREG(mode):
        yield from _tar_candidates(path) if tar else _zip_candidates(path) if opens else [_file_candidate(path)]
        return
    for folder, folders, files in os.walk(path):
        folders.sort()
        for name in sorted(files):
            yield from _folder_candidate(Path(folder) / name, is_archive)


def _folder_candidate(path: Path, is_archive: Callable[[Path], bool]) -> Iterator[ImportCandidate]:
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return
        opens = is_archive(path)
    except OSError:
        opens = False
    yield from _zip_candidates(path) if opens else [_file_candidate(path)]


def _file_candidate(path: Path) -> ImportCandidate:
    try:
        size = path.stat().st_size if os.access(path, os.R_OK, effective_ids=True) else None
    except OSError:
        size = None
    return ImportCandidate(
        str(path), path.name, size, path, lambda destination, limit: copy_file(path, destination, limit)
    )


def _zip_candidates(path: Path) -> Iterator[ImportCandidate]:
    try:
        archive = Submission.open(path)
    except SubmissionError as error:
        raise InputError(f"{path} can't be opened as a ZIP.", found=str(error)) from None
    if not archive.complete:
        raise InputError(f"{path} has too many members.", found=f"{archive.member_count:,}")
    for member in archive.members:
        if member.kind == "file":
            name = PurePosixPath(member.path).name
            yield ImportCandidate(
                f"{path}:{member.path}", name, member.size, None, _member_copier(archive, member.path)
            )


def _member_copier(archive: Submission, member: str) -> Callable[[Path, int], str]:
    def copy(destination: Path, limit: int) -> str:
        try:
            return archive.copy(member, destination, limit)
        except SubmissionError as error:
            raise UnreadableError(str(error)) from None

    return copy


def _starts_with(path: Path, starts: tuple[bytes, ...]) -> bool:
    with path.open("rb") as stream:
        return stream.read(4).startswith(starts)


class _BoundedGzip(gzip.GzipFile):
    """Unpacks a little at a time: a header of a tar archive may state any size, and tarfile reads that many bytes."""

    def read(self, size: int | None = -1) -> bytes:
        if size is None or not 0 <= size <= _TAR_READ:
            raise tarfile.ReadError("a header of more than 16 MiB")
        return super().read(size)


def _is_tar(path: Path) -> bool:
    try:
        with _BoundedGzip(path) as unpacked, tarfile.open(fileobj=unpacked, mode="r:"):
            return True
    except _TAR_FAULTS:
        return False


def _tar_candidates(path: Path) -> Iterator[ImportCandidate]:
    """Yield the members that are files. Each is read where the archive stands, so it is copied before the next."""
    try:
        with _BoundedGzip(path) as unpacked, tarfile.open(fileobj=unpacked, mode="r:") as archive:
            for member in archive:
                if member.isreg() and not member.issparse():
                    name = PurePosixPath(member.name).name
                    yield ImportCandidate(
                        f"{path}:{member.name}", name, member.size, None, _tar_copier(archive, member)
                    )
                archive.members = []  # type: ignore[attr-defined]  # or the list grows with the archive
                if archive.offset > _TAR_BYTES:
                    raise tarfile.ReadError(f"more than {_TAR_BYTES // 1024**3} GiB unpacked")
    except _TAR_FAULTS as error:
        raise InputError(f"{path} can't be read as a tar archive.", found=str(error) or type(error).__name__) from None


def _tar_copier(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Callable[[Path, int], str]:
    def copy(destination: Path, limit: int) -> str:
        stream = archive.extractfile(member)
        if stream is None:
            raise UnreadableError("it is no file")
        return _write(_blocks(stream, limit), destination)

    return copy


def copy_file(path: Path, destination: Path, limit: int) -> str:
    """Copy at most ``limit`` bytes to a new file and return the SHA-256 of what was written.

    Raises:
        UnreadableError: when ``path`` can't be read or holds more.
        StorageError: when ``destination`` can't be written.
    """
    try:
        with path.open("rb") as source:
            return _write(_blocks(source, limit), destination)
    except OSError as error:
        raise UnreadableError(str(error.strerror or error)) from None


def _write(blocks: Iterator[bytes], destination: Path) -> str:
    digest = hashlib.sha256()
    try:
        with destination.open("xb") as target:
            for block in blocks:
                digest.update(block)
                target.write(block)
    except OSError as error:
        raise StorageError(f"{destination} can't be written.", found=str(error.strerror or error)) from error
    return digest.hexdigest()


def _blocks(source: IO[bytes], limit: int) -> Iterator[bytes]:
    done = 0
    try:
        while block := source.read(CHUNK):
            done += len(block)
            if done > limit:
                raise UnreadableError(f"it has more than {limit:,} bytes")
            yield block
    except _TAR_FAULTS as error:
        raise UnreadableError(str(getattr(error, "strerror", None) or error)) from None
