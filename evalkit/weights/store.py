"""Find weights files on this machine and check that they are the pinned ones."""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache
from pathlib import Path

import platformdirs

from evalkit.errors import WeightsError
from evalkit.weights.manifest import Backbones, WeightEntry

CHUNK = 1024 * 1024


def weights_folder() -> Path:
    """Return the folder that holds weights: ``EVALKIT_WEIGHTS``, else the platform's cache folder."""
    chosen = os.environ.get("EVALKIT_WEIGHTS")
    return Path(chosen) if chosen else Path(platformdirs.user_cache_dir("evalkit")) / "weights"


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(CHUNK):
            digest.update(block)
    return digest.hexdigest()


@lru_cache(maxsize=64)
def _known_digest(path: Path, *state: int) -> str:
    del state  # part of the key: a file that changed, or that another one replaced, is hashed again
    return file_sha256(path)


def find_weights(backbones: Backbones, role: str) -> Path:
    """Return the checked file that plays ``role``.

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
    path = weights_folder() / entry.file
    try:
        state = path.stat()
        digest = _known_digest(path, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)
    except FileNotFoundError:
        raise missing_weights(backbones, role, entry, path) from None
    except OSError as error:
        raise WeightsError(
            f"The weights file {path} can't be read.",
            found=str(error.strerror or error),
            fix="Make the file and its folder readable, or set EVALKIT_WEIGHTS to another folder.",
        ) from None
    if digest != entry.sha256:
        raise WeightsError(
            f"The weights file {path} is not the pinned one.",
            found=f"SHA-256 {digest} ({state.st_size} bytes)",
            expected=f"SHA-256 {entry.sha256}",
            fix="Remove it and put the right file in its place; a wrong file would give wrong numbers.",
        )
    return path


def missing_weights(backbones: Backbones, role: str, entry: WeightEntry, path: Path) -> WeightsError:
    """Return the error that tells how to get a file that is not there."""
    size = f", {entry.bytes:,} bytes" if entry.bytes else ""
    source = f" It can be had at {entry.urls[0]}." if entry.urls else ""
    return WeightsError(
        f"The weights file '{entry.file}' ({role} of the backbones '{backbones.name}'{size}) is missing.",
        expected=f"{path} with SHA-256 {entry.sha256}; licence: {entry.licence}",
        fix=f"Put it there, or set EVALKIT_WEIGHTS to the folder that holds it.{source}"
        " Without it: choose other metrics (--metrics) or pass --allow-missing.",
    )
