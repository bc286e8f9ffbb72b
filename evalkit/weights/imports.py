"""Take weights files from a folder, a ZIP or single files: from a USB stick, for machines without a network.

Files are told by their digests, whatever they are called; where no digest is known in full, by their names. What is
copied is what was hashed: a file gets its name in the weights folder only when the bytes that were written there have
the digest. Nothing in a ZIP chooses where it is written, and no more is unpacked than the manifest's sizes allow.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from evalkit.errors import StorageError
from evalkit.weights.fetch import parts_folder
from evalkit.weights.manifest import Backbones, WeightEntry
from evalkit.weights.offers import Offer, UnreadableError, copy_file, offers
from evalkit.weights.pull import as_os_error
from evalkit.weights.records import locked, unwritable
from evalkit.weights.store import file_sha256, file_state
from evalkit.weights.transfer import Policy, require_space
from evalkit.weights.trust import fits, foreign_content, trust
from evalkit.weights.watch import Watch

_COPY = ".import-"  # no file of a manifest starts with a dot
Verdict = Literal["imported", "there", "wrong", "extra"]


@dataclass(frozen=True)
class Seen:
    """What became of one file that was looked at.

    Args:
        path: where it is, as given; inside a ZIP after a colon. Print it through `evalkit.text.escape_for_display`.
        verdict: ``imported``; ``there`` when the weights folder had it; ``wrong`` for other content under a known
            name; ``extra`` when it is none of the set's files.
        files: names in the weights folder that it plays.
        detail: why it is wrong.
    """

    path: str
    verdict: Verdict
    files: tuple[str, ...] = ()
    detail: str = ""


@dataclass
class ImportReport:
    """All files that were looked at, and the set's files that are still missing."""

    seen: list[Seen] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def of(self, verdict: Verdict) -> list[Seen]:
        """Return what got the verdict."""
        return [seen for seen in self.seen if seen.verdict == verdict]


def import_weights(backbones: Backbones, paths: Sequence[Path], folder: Path, watch: Watch) -> ImportReport:
    """Copy the set's files out of ``paths`` into ``folder``.

    Args:
        backbones: the set.
        paths: folders (searched to any depth, links not followed), ZIPs, single files.
        folder: the weights folder.
        watch: who is told.

    Raises:
        InputError: when a path does not exist, can't be read or is a broken ZIP.
        StorageError: when the folder can't be written.
    """
    run = _Import(backbones, {entry.file: entry for entry in backbones.roles.values()}, folder, watch)
    report = ImportReport()
    with locked(folder, "import", lambda: watch.say("Another process is importing; waiting.")):
        for leftover in parts_folder(folder).glob(f"{_COPY}*"):  # of a process that was killed
            leftover.unlink(missing_ok=True)
        for path in paths:
            report.seen += [run.take(offer) for offer in offers(path, run.is_file, run.is_archive)]
    report.missing = sorted(file for file, entry in run.entries.items() if not run.there(entry))
    return report


@dataclass(frozen=True)
class _Import:
    backbones: Backbones
    entries: dict[str, WeightEntry]
    folder: Path
    watch: Watch

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
        return any(fits(self.folder, entry, digest) for entry in possible)

    def there(self, entry: WeightEntry) -> bool:
        """Return whether the weights folder has the right file."""
        return file_state(entry, self.folder).state == "there"

    def take(self, offer: Offer) -> Seen:
        """Judge one file, and copy it when it is wanted."""
        possible = self._possible(offer.name, offer.size)
        try:
            if not possible:
                return self._unknown(offer)
            if offer.place is not None and all(self.there(entry) for entry in possible):
                return self._judged(offer, _digest(offer.place), possible)
            with self._copied(offer, possible) as (copy, digest):
                foreign = foreign_content(copy)
                if foreign and any(entry.first_use for entry in possible):
                    return self._no_match(offer, f"it is {foreign}")
                wanted = [e for e in possible if fits(self.folder, e, digest) and not self.there(e)]
                for entry in wanted:
                    self._place(copy, entry, digest, offer.shown, last=entry is wanted[-1])
                if wanted:
                    return Seen(offer.shown, "imported", tuple(entry.file for entry in wanted))
                return self._judged(offer, digest, possible)
        except UnreadableError as error:
            return self._no_match(offer, str(error))

    def _possible(self, name: str, size: int | None) -> list[WeightEntry]:
        """Return the entries that a file of this size could be; by its name too where the digest can't tell."""
        return [
            entry
            for entry in self.entries.values()
            if size is not None
            and (entry.bytes is None or entry.bytes == size)
            and (not entry.first_use or entry.file == name)
        ]

    def _unknown(self, offer: Offer) -> Seen:
        known = self.entries.get(offer.name)
        if offer.size is None:
            return self._no_match(offer, "it can't be read")
        if known is not None:
            return self._no_match(offer, f"{offer.size:,} bytes and not {known.bytes or 0:,}")
        archive = self.backbones.archives.get(offer.name)
        return self._no_match(offer, f"it is not the one with SHA-256 {archive.sha256}" if archive else "")

    def _judged(self, offer: Offer, digest: str, possible: Sequence[WeightEntry]) -> Seen:
        files = tuple(entry.file for entry in possible if fits(self.folder, entry, digest))
        if files:
            return Seen(offer.shown, "there", files)
        known = self.entries.get(offer.name)
        return self._no_match(offer, f"SHA-256 {digest} and not {known.digest_text}" if known else "")

    def _no_match(self, offer: Offer, detail: str) -> Seen:
        if offer.name in self.entries or offer.name in self.backbones.archives:
            return Seen(offer.shown, "wrong", (offer.name,), detail)
        return Seen(offer.shown, "extra", (), detail)

    @contextmanager
    def _copied(self, offer: Offer, possible: Sequence[WeightEntry]) -> Iterator[tuple[Path, str]]:
        """Copy the offer into the weights folder under a name of no meaning; it vanishes unless it is renamed."""
        limit = max(entry.bytes or Policy().unknown_limit for entry in possible)
        copy = parts_folder(self.folder) / f"{_COPY}{secrets.token_hex(8)}"
        require_space(copy.parent, min(limit, offer.size or 0))
        try:
            try:
                digest = offer.copy(copy, limit)
            except StorageError as error:
                raise unwritable(self.folder, as_os_error(error)) from error
            yield copy, digest
        finally:
            copy.unlink(missing_ok=True)

    def _place(self, copy: Path, entry: WeightEntry, digest: str, source: str, *, last: bool) -> None:
        """Give the copy its name, or a second copy of it when another file has the same content."""
        with locked(self.folder, entry.file):
            notice = trust(self.folder, entry, digest, source)
            if notice:
                self.watch.warn(notice)
            try:
                if not last:
                    copy_file(copy, copy.with_name(f"{copy.name}-2"), copy.stat().st_size)
                    copy = copy.with_name(f"{copy.name}-2")
                copy.replace(self.folder / entry.file)
            except OSError as error:
                raise unwritable(self.folder, error) from error


def _digest(path: Path) -> str:
    try:
        return file_sha256(path)
    except OSError as error:
        raise UnreadableError(str(error.strerror or error)) from None
