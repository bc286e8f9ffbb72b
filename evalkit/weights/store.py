"""Find weights files on this machine and check that they are the right ones."""

from __future__ import annotations

import hashlib
import logging
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Literal

import platformdirs

from evalkit.errors import MissingWeightsError, StorageError, WeightsError
from evalkit.text import ended
from evalkit.weights.manifest import DIGEST_WORDS, Backbones, WeightEntry, load_backbones
from evalkit.weights.trust import expected_digest, matches_known_digest, non_weights_content, trust, trust_warning

CHUNK = 1024 * 1024
State = Literal["there", "missing", "wrong", "unreadable"]

_log = logging.getLogger("evalkit.weights")

# What to do without weights, for commands that score.
WITHOUT_WEIGHTS = (
    "choose other metrics (--metrics), small networks that come with evalkit, whose numbers can't be compared with "
    "published ones (--backbones bundled), or pass --allow-missing."
)


@dataclass(frozen=True)
class FileState:
    """The state of a weights file.

    Args:
        path: where it lies or should lie.
        state: ``there`` means that its digest is right, as far as the digest is known.
        bytes: its size, when it is a file that can be read.
        sha256: its digest, when it could be read.
        error: why it can't be read.
    """

    path: Path
    state: State
    bytes: int | None = None
    sha256: str | None = None
    error: str | None = None


@dataclass(frozen=True)
class CheckedFile:
    """A weights file that may be used, with the digest it has."""

    path: Path
    sha256: str


def weights_folder() -> Path:
    """Return the folder that holds weights: ``EVALKIT_WEIGHTS``, else the platform's cache folder."""
    chosen = os.environ.get("EVALKIT_WEIGHTS")
    return Path(chosen) if chosen else Path(platformdirs.user_cache_dir("evalkit")) / "weights"


def folder_of(backbones: Backbones) -> Path:
    """Return the folder that holds the files of a set: evalkit's own for one that comes with it."""
    if backbones.packaged:
        return Path(str(resources.files("evalkit"))) / "reference_models" / "bundled" / "weights"
    return weights_folder()


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(CHUNK):
            digest.update(block)
    return digest.hexdigest()


@lru_cache(maxsize=64)
def _known_digest(path: Path, *state: int) -> str:
    return file_sha256(path)


def file_state(entry: WeightEntry, folder: Path | None = None) -> FileState:
    """Return the state of the entry's file, without changing anything.

    Args:
        entry: which file.
        folder: where to look; `weights_folder` when it is ``None``.

    Raises:
        WeightsError: when the record of trusted digests is damaged.
    """
    folder = folder or weights_folder()
    path = folder / entry.file
    try:
        facts = path.stat()
        if not stat.S_ISREG(facts.st_mode):
            kind = "Is a directory" if stat.S_ISDIR(facts.st_mode) else "Not a regular file"
            return FileState(path, "unreadable", error=kind)
        digest = _known_digest(path, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
        right = matches_known_digest(folder, entry, digest) and not (entry.first_use and non_weights_content(path))
    except FileNotFoundError:
        return FileState(path, "missing")
    except OSError as error:
        return FileState(path, "unreadable", error=str(error.strerror or error))
    return FileState(path, "there" if right else "wrong", facts.st_size, digest)


def find_weights(backbones: Backbones, role: str) -> CheckedFile:
    """Return the file that plays ``role``, and its digest.

    A file whose digest is not known in full is trusted when it is seen first (see `evalkit.weights.trust`), with a
    warning to the logger ``evalkit.weights``; so is one whose digest has a single source.

    Raises:
        WeightsError: when the set has no such role, or the file is missing, unreadable or another one.
    """
    entry = backbones.roles.get(role)
    if entry is None:
        raise WeightsError(
            f"The backbones '{backbones.name}' have no '{role}'.",
            found=f"roles {', '.join(sorted(backbones.roles)) or 'none'}",
            fix="Choose other metrics (--metrics), other backbones (--backbones), or --allow-missing.",
        )
    found = file_state(entry, folder_of(backbones))
    if backbones.packaged and found.state != "there":
        raise WeightsError(
            f"The file '{found.path.name}' of the backbones '{backbones.name}', which come with evalkit, is damaged.",
            found=found.state if found.sha256 is None else f"SHA-256 {found.sha256}",
            expected=entry.digest_text,
            fix="Install evalkit again.",
        )
    if found.state == "missing":
        raise missing_weights(backbones, role, entry, found.path)
    if found.state == "unreadable" or found.sha256 is None:
        raise WeightsError(
            f"The weights file {found.path} can't be read.",
            found=found.error,
            fix="Make the file and its folder readable, or set EVALKIT_WEIGHTS to another folder.",
        )
    if found.state == "wrong":
        raise wrong_weights(backbones, role, found)
    try:
        notice = trust(found.path.parent, entry, found.sha256, "found in the weights folder")
    except StorageError as error:  # a read-only folder: the scorecard names the digest all the same
        notice = f"{trust_warning(entry, found.sha256)} This could not be recorded: {ended(error.found or error.what)}"
    if notice:
        _log.warning("warning: %s", notice)
    return CheckedFile(found.path, found.sha256)


def several_missing(backbones: Backbones, roles: Sequence[str]) -> MissingWeightsError:
    """Return one error for all files that are not there: a line for each, then what to do."""
    entries = [(role, backbones.roles[role]) for role in roles]
    lines = [
        f"  '{entry.file}' ({role}{f', {entry.bytes:,} bytes' if entry.bytes else ''}); licence: {entry.licence_text}"
        for role, entry in entries
    ]
    return MissingWeightsError(
        [f"{len(lines)} weights files of the backbones '{backbones.name}' are not in {weights_folder()}:", *lines],
        fix=f"Fetch them with '{backbones.command('pull', ' '.join(roles))}'. Without a network: "
        f"'{backbones.command('import', 'FOLDER')}' with a folder or ZIP that holds them. "
        f"Without them: {WITHOUT_WEIGHTS}{_not_bundled(roles)}",
    )


def _not_bundled(roles: Sequence[str]) -> str:
    """Return which of the roles the networks that come with evalkit don't fill, as a sentence; empty for none."""
    lacking = [role for role in roles if role not in load_backbones("bundled").roles]
    if not lacking:
        return ""
    return f" The bundled networks have none for {', '.join(lacking)}: metrics of these stay unscored with them."


def missing_weights(backbones: Backbones, role: str, entry: WeightEntry, path: Path) -> WeightsError:
    """Return the error that tells how to get a file that is not there."""
    size = f", {entry.bytes:,} bytes" if entry.bytes else ""
    urls = (*(backbones.archives[entry.archive].urls if entry.archive else ()), *entry.urls)
    pull = f"Fetch it with '{backbones.command('pull', role)}'." if urls else "No address of it is known."
    source = f" It is available at {urls[0]}." if urls else ""
    return MissingWeightsError(
        f"The weights file '{entry.file}' ({role} of the backbones '{backbones.name}'{size}) is missing.",
        expected=f"{path} with {entry.digest_text}; licence: {entry.licence_text}",
        fix=f"{pull} Without a network: '{backbones.command('import', 'FOLDER')}' with a folder or ZIP that holds it. "
        f"Or put it there yourself, or set EVALKIT_WEIGHTS to the folder that holds it.{source}"
        f" Without it: {WITHOUT_WEIGHTS}{_not_bundled([role])}",
    )


def wrong_weights(backbones: Backbones, role: str, found: FileState) -> WeightsError:
    """Return the error for a file of the right name and other content."""
    entry = backbones.roles[role]
    expected = expected_digest(found.path.parent, entry)
    known = f"SHA-256 {expected}" if expected else entry.digest_text
    if expected and not entry.sha256:
        known += ", trusted when the file was first seen"
    elif entry.digest == "single":
        known += f" ({DIGEST_WORDS[entry.digest]})"
    content = non_weights_content(found.path) if found.bytes else None
    return WeightsError(
        f"The weights file {found.path} is not the pinned one.",
        found=f"SHA-256 {found.sha256} ({found.bytes} bytes{f', {content}' if content else ''})",
        expected=known,
        fix="Remove it and put the right file in its place; a wrong file would give wrong numbers. "
        f"'{backbones.command('pull', role)}' fetches the right one.",
    )
