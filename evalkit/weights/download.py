"""Download one file from the first of its mirrors that has it; an interrupted download continues where it stopped.

The bytes received so far are in ``.parts`` of the weights folder, with a note of where they are from. The caller holds
the file's lock and gets a path whose content has the expected digest; only then may the file get its name. One answer
of a server is `evalkit.weights.transfer`'s business.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import requests

from evalkit.errors import WeightsError
from evalkit.progress import Progress
from evalkit.text import escape_for_display
from evalkit.weights.records import read_record, unwritable_error, write_record
from evalkit.weights.store import file_sha256
from evalkit.weights.transfer import (
    CutError,
    MirrorError,
    RemoteFile,
    RetryPolicy,
    StalePartError,
    Transfer,
    open_session,
)
from evalkit.weights.trust import non_weights_content

PARTS = ".parts"
_MOST_TRIES = 200  # of one mirror, however few bytes each of them brings


@dataclass(frozen=True)
class FetchedFile:
    """A downloaded file: its temporary place, its digest, and the address that had it."""

    part: Path
    sha256: str
    url: str


def parts_folder(folder: Path) -> Path:
    """Return the folder of unfinished files, made when it is not there.

    Raises:
        StorageError: when it can't be made.
    """
    try:
        (folder / PARTS).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable_error(folder, error) from error
    return folder / PARTS


def note_of(part: Path) -> Path:
    """Return the path of the note that says where an unfinished file is from."""
    return part.with_name(f"{part.name}.json")


def discard_part(part: Path) -> None:
    """Forget an unfinished file and its note; only the note when the file has got its name."""
    part.unlink(missing_ok=True)
    note_of(part).unlink(missing_ok=True)


def fetch(source: RemoteFile, folder: Path, progress: Progress, policy: RetryPolicy) -> FetchedFile:
    """Get ``source`` from the first mirror that has it.

    Raises:
        WeightsError: when no mirror has it, naming each with its reason.
        StorageError: when the disk is full or the folder can't be written; what came is kept.
        KeyboardInterrupt: what came is kept, and ``progress`` says how to continue.
    """
    part = parts_folder(folder) / source.name
    failures: list[str] = []
    with open_session(policy) as session:
        for url in source.urls:
            mirror = _Mirror(session, url, source, part, progress, policy)
            try:
                return FetchedFile(part, mirror.get(), url)
            except MirrorError as error:
                failures.append(f"{url}: {error}")
                progress.message(f"{source.name}: {escape_for_display(failures[-1], limit=500)}")
            except KeyboardInterrupt:
                kept = f"{_size(part):,} bytes"
                progress.message(f"{source.name}: stopped, {kept} are kept; run the same command to continue.")
                raise
    what = f"The weights file '{source.name}' could not be fetched"
    if not failures:
        raise WeightsError(
            f"{what}: no address is known.", fix="Copy it from another machine with 'evalkit weights import FOLDER'."
        )
    raise WeightsError(
        f"{what} from any of its {len(failures)} addresses.",
        found="; ".join(failures),
        fix="Try again later, or copy the file from another machine with 'evalkit weights import FOLDER'.",
    )


@dataclass
class _Mirror:
    """One address and the part of the file that is on disk."""

    session: requests.Session
    url: str
    source: RemoteFile
    part: Path
    progress: Progress
    policy: RetryPolicy

    def get(self) -> str:
        """Download the whole file to ``part`` and return its digest, which is the expected one.

        Raises:
            MirrorError: when this address can't give it; ``part`` is removed when its content is wrong.
        """
        continued = self._download()
        while True:
            digest = file_sha256(self.part)
            fault = self._fault(digest)
            if fault is None:
                return digest
            discard_part(self.part)
            if not continued:
                raise MirrorError(f"{fault}; it was removed")
            # The part may mix the bytes of two versions.
            self.progress.message(f"{self.source.name}: {fault}; it is fetched again from the start.")
            self._download()
            continued = False

    def _fault(self, digest: str) -> str | None:
        if self.source.sha256 is not None:
            right, expected = digest == self.source.sha256, self.source.sha256
        else:
            right, expected = digest.startswith(self.source.prefix), f"{self.source.prefix}..."
        if not right:
            return f"the file received has the SHA-256 {digest} and not {expected}"
        content = None if self.source.sha256 else non_weights_content(self.part)
        return f"the file received is {content}" if content else None

    def _download(self) -> bool:
        """Fetch until ``part`` is whole; return whether it holds bytes from before."""
        have = self._usable()
        continued = have > 0
        cuts = 0
        for _ in range(_MOST_TRIES):
            if have and have == self.source.size:
                return continued
            try:
                continued = self._transfer(have)
            except StalePartError as error:
                if not have:
                    raise
                self.progress.message(f"{self.source.name}: {error}; it is fetched again from the start.")
                discard_part(self.part)
            except CutError as error:
                cuts = 0 if _size(self.part) > have else cuts + 1
                if cuts >= self.policy.cuts:
                    raise MirrorError(str(error)) from None
                self.progress.message(f"{self.source.name}: {error}; continuing.")
                time.sleep(self.policy.pause * 2**cuts)
            else:
                return continued
            have, continued = self._usable(), True
        raise MirrorError(f"the connection broke {_MOST_TRIES} times")

    def _transfer(self, have: int) -> bool:
        """Write one answer to ``part``; return whether it was the rest of the file and not all of it."""
        name, note = self.source.name, self._note()
        validator = note.get("validator") if note.get("url") == self.url else None
        with Transfer(self.session, self.source, self.url, have, validator, self.policy) as transfer:
            if have and not transfer.start:
                self.progress.message(f"{name}: the server starts from the beginning.")
            new = {"url": self.url, "validator": transfer.validator, "sha256": self.source.sha256}
            write_record(note_of(self.part), new)
            try:
                with self.progress.stage(name, transfer.total, transfer.start, "bytes") as progress:
                    transfer.save(self.part, progress)
            except MirrorError:
                discard_part(self.part)
                raise
            return transfer.start > 0

    def _usable(self) -> int:
        """Return how many bytes on disk the download can continue from; remove them when their version is not known.

        With a pinned digest any address may continue, because the digest decides at the end. Without one only the same
        version of the same address may.
        """
        have = _size(self.part)
        note = self._note()
        if self.source.sha256 is not None:
            known = note.get("sha256") == self.source.sha256
        else:
            known = note.get("url") == self.url and bool(note.get("validator"))
        if have and known and (self.source.size is None or have <= self.source.size):
            return have
        discard_part(self.part)
        return 0

    def _note(self) -> dict[str, str | None]:
        try:
            return read_record(note_of(self.part))
        except WeightsError:
            return {}


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
