"""The files behind the pages: read once, under addresses that change with their content."""

from __future__ import annotations

import functools
import hashlib
import importlib.resources
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources.abc import Traversable

_TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "svg": "image/svg+xml",
}
ROOT = "/static"
CACHE = "public, max-age=31536000, immutable"  # the address names the content


@dataclass(frozen=True)
class Asset:
    """A file that everybody may read.

    Args:
        content: its bytes.
        media_type: for the header ``Content-Type``.
    """

    content: bytes
    media_type: str


@functools.cache
def assets() -> Mapping[str, Asset]:
    """Return the files by their addresses, such as ``/static/1f0c…/rater/main.js``."""
    prefix = static_prefix()
    return {
        f"{prefix}/{name}": Asset(content, _TYPES[name.rpartition(".")[2]]) for name, content in _contents().items()
    }


@functools.cache
def static_prefix() -> str:
    """Return what all addresses begin with: one digest for all files, so that modules can name each other."""
    digest = hashlib.sha256()
    for name, content in sorted(_contents().items()):
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return f"{ROOT}/{digest.hexdigest()[:16]}"


@functools.cache
def _contents() -> dict[str, bytes]:
    found = _files(importlib.resources.files("evalkit.studio.pages") / "static", "")
    return {name: file.read_bytes() for name, file in found}


def _files(folder: Traversable, before: str) -> Iterator[tuple[str, Traversable]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _files(entry, f"{before}{entry.name}/")
        elif entry.name.rpartition(".")[2] in _TYPES:
            yield before + entry.name, entry
