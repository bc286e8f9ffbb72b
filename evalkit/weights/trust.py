"""Trust on first use (docs/definitions/weights.md): what a file's digest must be when it was never published in full.

The digest of the file first seen under a name is kept in ``trusted.json`` of the weights folder, and from then on no
other digest is accepted. A digest that one source published is pinned from the start; it is recorded too, so that the
warning about it is shown once.
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

from evalkit.errors import WeightsError
from evalkit.weights.manifest import DIGEST_WORDS, WeightEntry
from evalkit.weights.records import read_record, update_record

RECORD = "trusted.json"
_SHA256 = re.compile(r"[0-9a-f]{64}")
# What servers send instead of a file. No weights file starts like this.
_NOT_WEIGHTS = {
    b"<!doctype": "a web page",
    b"<html": "a web page",
    b"<?xml": "an XML document",
    b"version https://git-lfs": "a pointer of Git LFS",
}


def trusted_digest(folder: Path, file: str) -> str | None:
    """Return the digest that was recorded for ``file``, ``None`` when there is none.

    Raises:
        WeightsError: when the record is damaged.
    """
    known = read_record(folder / RECORD).get("files", {})
    found = known.get(file, {}).get("sha256") if isinstance(known, dict) else None
    return found if isinstance(found, str) and _SHA256.fullmatch(found) else None


def expected_digest(folder: Path, entry: WeightEntry) -> str | None:
    """Return the digest that the file must have: the pinned one, or the one that was trusted; ``None`` for neither."""
    return entry.sha256 or trusted_digest(folder, entry.file)


def matches_known_digest(folder: Path, entry: WeightEntry, digest: str) -> bool:
    """Return whether a file with this digest may have the entry's role."""
    expected = expected_digest(folder, entry)
    if expected is not None:
        return digest == expected
    return digest.startswith(entry.sha256_prefix or "")


def non_weights_content(path: Path) -> str | None:
    """Return what the file plainly is instead of weights (a web page, a pointer), ``None`` when it may be weights.

    Raises:
        OSError: when it can't be read.
    """
    with path.open("rb") as stream:
        start = stream.read(64).lstrip().lower()
    return next((words for mark, words in _NOT_WEIGHTS.items() if start.startswith(mark)), None)


def trust(folder: Path, entry: WeightEntry, digest: str, source: str) -> str | None:
    """Record the digest of a file seen for the first time; return the warning to show, ``None`` when it was known.

    Nothing is recorded of digests that are pinned well (classes ``computed`` and ``published``).

    Args:
        folder: the weights folder.
        entry: whose file it is.
        digest: of the file; must fit the entry.
        source: where the file came from, for the record.

    Raises:
        WeightsError: when another digest was trusted before.
        StorageError: when the record can't be written.
    """
    if entry.digest in {"computed", "published"} or trusted_digest(folder, entry.file) == digest:
        return None
    first = False

    def change(document: dict[str, Any]) -> None:
        nonlocal first
        files = document.setdefault("files", {})
        known = files.get(entry.file, {}).get("sha256")
        if known is None or (not entry.first_use and known != digest):
            first = True
            files[entry.file] = {
                "sha256": digest,
                "digest": entry.digest,
                "source": source,
                "first_seen": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            }
        elif known != digest:
            raise WeightsError(
                f"Another file was trusted as '{entry.file}' before.",
                found=f"SHA-256 {digest}",
                expected=f"SHA-256 {known}, recorded in {folder / RECORD}",
                fix="Restore the earlier file. To trust the new one, remove its record first.",
            )

    update_record(folder / RECORD, change)
    return trust_warning(entry, digest) if first else None


def trust_warning(entry: WeightEntry, digest: str) -> str:
    """Return the warning that the file's digest is not fully known."""
    known = f"The digest of '{entry.file}' is {DIGEST_WORDS[entry.digest]}"
    if entry.first_use:
        return (
            f"{known}: the file first seen is trusted, with SHA-256 {digest}. "
            "Compare it with another machine's before you publish numbers."
        )
    return f"{known} only, and this file has it (SHA-256 {digest})."
