"""Download the files of a set into the weights folder, from the addresses in the manifest.

One process at a time works on a file (or on the archive that holds it); another one waits and finds it there. A file
gets its name only after its digest was checked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from evalkit.errors import StorageError, SubmissionError, UsageError, WeightsError, did_you_mean
from evalkit.progress import Progress
from evalkit.submission.model import Submission
from evalkit.weights.download import PARTS, FetchedFile, discard_part, fetch, note_of, parts_folder
from evalkit.weights.manifest import ArchiveEntry, Backbones, WeightEntry
from evalkit.weights.records import locked, locked_if_free, unwritable_error
from evalkit.weights.store import file_state
from evalkit.weights.transfer import RemoteFile, RetryPolicy, require_space
from evalkit.weights.trust import expected_digest, trust

Result = Literal["fetched", "there", "failed"]


@dataclass(frozen=True)
class PullResult:
    """The result of one file.

    Args:
        file: its name.
        result: ``fetched`` now, ``there`` before, or ``failed``.
        source: the address it came from, when it was fetched.
        error: why it could not be fetched.
    """

    file: str
    result: Result
    source: str | None = None
    error: str | None = None


def select(backbones: Backbones, words: Sequence[str]) -> dict[str, WeightEntry]:
    """Return file -> entry for roles, file names or archives; the whole set when there are no words.

    Raises:
        UsageError: when a word is none of them.
    """
    by_file = {entry.file: entry for entry in backbones.roles.values()}
    if not words:
        return by_file
    chosen: dict[str, WeightEntry] = {}
    for word in words:
        found = [entry for role, entry in backbones.roles.items() if word in {role, entry.file, entry.archive}]
        if not found:
            known = [*backbones.roles, *by_file, *backbones.archives]
            raise UsageError(
                f"The backbones '{backbones.name}' have no '{word}'.{did_you_mean(word, known)}",
                expected=f"a role or a file of 'evalkit weights list', one of {', '.join(sorted(backbones.roles))}",
            )
        chosen |= {entry.file: entry for entry in found}
    return chosen


def with_siblings(backbones: Backbones, entries: Iterable[WeightEntry]) -> dict[str, WeightEntry]:
    """Return file -> entry for ``entries`` and what comes out of the same archives: one fetch serves them all."""
    chosen = {entry.file: entry for entry in entries}
    archives = {entry.archive for entry in chosen.values() if entry.archive}
    siblings = {entry.file: entry for entry in backbones.roles.values() if entry.archive in archives}
    return chosen | siblings


def pull(
    backbones: Backbones,
    entries: Iterable[WeightEntry],
    folder: Path,
    progress: Progress,
    policy: RetryPolicy | None = None,
) -> list[PullResult]:
    """Fetch ``entries`` into ``folder``; a file that can't be fetched does not stop the others.

    Args:
        backbones: the set that the entries belong to.
        entries: what to fetch; the caller has made sure that their licences are accepted (`evalkit.weights.licences`).
        folder: the weights folder.
        progress: receives what happens.
        policy: timeouts and retries.

    Raises:
        StorageError: when the folder can't be written or the disk is full; what came is kept.
    """
    policy = policy or RetryPolicy()
    groups: dict[str, list[WeightEntry]] = {}
    for entry in {entry.file: entry for entry in entries}.values():
        groups.setdefault(entry.archive or entry.file, []).append(entry)
    results: list[PullResult] = []
    for name, members in groups.items():
        job = _Job(backbones, folder, progress, policy)
        results += job.group(name, members)
    return results


@dataclass(frozen=True)
class _Job:
    """Fetches the files of one lock."""

    backbones: Backbones
    folder: Path
    progress: Progress
    policy: RetryPolicy

    def group(self, name: str, members: Sequence[WeightEntry]) -> Iterator[PullResult]:
        missing = [entry for entry in members if not self._is_there(entry)]
        yield from (PullResult(entry.file, "there") for entry in members if entry not in missing)
        if not missing:
            self._clean_up(name, members)
            return
        with locked(
            self.folder, name, lambda: self.progress.message(f"{name}: another process is fetching it; waiting.")
        ):
            # What another process fetched meanwhile is there now.
            yield from (PullResult(entry.file, "there") for entry in missing if self._is_there(entry))
            missing = [entry for entry in missing if not self._is_there(entry)]
            archive = self.backbones.archives.get(name) if missing else None
            faults = self._from_archive(name, archive, missing) if archive is not None else {}
            for entry in missing:
                if archive is not None and entry.file not in faults:
                    yield PullResult(entry.file, "fetched", source=f"{name} of {archive.urls[0]}")
                else:
                    yield self._from_mirrors(entry, faults.get(entry.file))

    def _clean_up(self, name: str, members: Sequence[WeightEntry]) -> None:
        """Remove what a process that was killed left of files that are there now."""
        parts = [self.folder / PARTS / file for file in dict.fromkeys((name, *(entry.file for entry in members)))]
        if not any(place.exists() for part in parts for place in (part, note_of(part))):
            return
        with locked_if_free(self.folder, name) as ours, suppress(OSError):
            for part in parts if ours else ():
                discard_part(part)

    def _is_there(self, entry: WeightEntry) -> bool:
        found = file_state(entry, self.folder)
        if found.state == "wrong":
            self.progress.message(f"{entry.file}: the file there is not the right one (SHA-256 {found.sha256}).")
        if found.state == "unreadable":
            raise WeightsError(f"The weights file {found.path} can't be read.", found=found.error)
        if found.state == "there" and found.sha256:
            self._trust(entry, found.sha256, "found in the weights folder")
        return found.state == "there"

    def _trust(self, entry: WeightEntry, digest: str, source: str) -> None:
        notice = trust(self.folder, entry, digest, source)
        if notice:
            self.progress.warn(notice)

    def _from_mirrors(self, entry: WeightEntry, before: str | None) -> PullResult:
        """Fetch the file itself; ``before`` is the error of its archive."""
        if before is not None and not entry.urls:
            return PullResult(entry.file, "failed", error=before)
        source = RemoteFile(
            name=entry.file,
            urls=entry.urls,
            size=entry.bytes,
            sha256=expected_digest(self.folder, entry),
            prefix=entry.sha256_prefix or "",
        )
        try:
            fetched = fetch(source, self.folder, self.progress, self.policy)
        except WeightsError as error:
            return PullResult(entry.file, "failed", error=" ".join(filter(None, (before, str(error)))))
        self._install(fetched.part, entry, fetched.sha256, fetched.url)
        return PullResult(entry.file, "fetched", source=fetched.url)

    def _install(self, part: Path, entry: WeightEntry, digest: str, source: str) -> None:
        self._trust(entry, digest, source)
        try:
            part.replace(self.folder / entry.file)
            discard_part(part)
        except OSError as error:
            raise unwritable_error(self.folder, error) from error

    def _from_archive(self, name: str, archive: ArchiveEntry, members: Sequence[WeightEntry]) -> dict[str, str]:
        """Fetch the archive, install its members, and remove it; return file -> error for those that failed."""
        source = RemoteFile(name=name, urls=archive.urls, size=archive.bytes, sha256=archive.sha256)
        part = parts_folder(self.folder) / name
        kept = part.stat().st_size if part.exists() else 0
        require_space(part.parent, archive.bytes - kept + sum(entry.bytes or 0 for entry in members))
        try:
            fetched = fetch(source, self.folder, self.progress, self.policy)
        except WeightsError as error:
            return {entry.file: str(error) for entry in members}
        faults = {entry.file: self._extract(fetched, entry) for entry in members}
        discard_part(fetched.part)
        return {file: fault for file, fault in faults.items() if fault is not None}

    def _extract(self, archive: FetchedFile, entry: WeightEntry) -> str | None:
        """Install one member of a checked archive; return the error message, if any."""
        shown = archive.part.name
        part = parts_folder(self.folder) / entry.file
        expected = expected_digest(self.folder, entry)
        with locked(self.folder, entry.file):
            discard_part(part)
            try:
                submission = Submission.open(archive.part)
                path = member_named(submission, entry)
                if path is None:
                    return f"The archive '{shown}' has no '{entry.file}' of the right size."
                digest = submission.copy(path, part, entry.bytes or self.policy.unknown_limit)
            except SubmissionError as error:
                return f"The archive '{shown}' can't be read: {error}"
            except StorageError as error:
                raise unwritable_error(self.folder, error) from error
            if (expected and digest != expected) or not digest.startswith(entry.sha256_prefix or ""):
                discard_part(part)
                return f"The '{entry.file}' in '{shown}' has the SHA-256 {digest} and not {entry.digest_text}."
            self._install(part, entry, digest, f"{archive.url} ({entry.file})")
        return None


def member_named(archive: Submission, entry: WeightEntry) -> str | None:
    """Return the path of the first member with the entry's base name and, where it is known, its size."""
    for member in archive.members:
        named = PurePosixPath(member.path).name == entry.file
        if named and member.kind == "file" and entry.bytes in {None, member.size}:
            return member.path
    return None
