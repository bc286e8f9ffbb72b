"""The files of a bundle, in a folder or a ZIP."""

from __future__ import annotations

import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from evalkit.errors import InputError
from evalkit.yamlio import MAX_BYTES, is_there


@dataclass(frozen=True)
class Bundle:
    """The files of a bundle: a folder, or a ZIP.

    Args:
        path: of the folder or the ZIP.
        names: of its files.
        archive: the open ZIP; ``None`` for a folder.
    """

    path: Path
    names: frozenset[str]
    archive: zipfile.ZipFile | None

    def has(self, name: object) -> bool:
        """Whether there is such a file, or a folder with files."""
        if not isinstance(name, str) or not name:
            return False
        return name in self.names or any(one.startswith(name.rstrip("/") + "/") for one in self.names)

    def read(self, name: str, limit: int = MAX_BYTES) -> bytes:
        """Return the bytes of a file, at most ``limit`` and one of them.

        Raises:
            InputError: it is damaged, encrypted, or can't be read.
        """
        if self.archive is None:
            with (self.path / name).open("rb") as stream:
                return stream.read(limit + 1)
        return read_member(self.archive, name, limit)


# ZIPs of another version are a NotImplementedError.
NO_ZIP = (zipfile.BadZipFile, NotImplementedError)


def read_member(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    """Return the bytes of a file in a ZIP, at most ``limit`` and one of them.

    Raises:
        InputError: it is damaged, encrypted, or packed in a way that Python can't read.
    """
    try:
        with archive.open(name) as stream:
            return stream.read(limit + 1)
    # Each method of compression has an error of its own for damage; an encrypted file is a RuntimeError.
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError) as error:
        raise InputError(f"The file {name} in the ZIP can't be read.", found=str(error)) from None


@contextmanager
def open_bundle(path: Path) -> Iterator[Bundle]:
    """Yield the bundle in a folder or ZIP, or in the folder that `evalkit host` wrote.

    Raises:
        InputError: when there is none, or it can't be read.
    """
    if not is_there(path):
        raise InputError(f"The bundle {path} does not exist.", fix="Check the path.")
    if path.is_dir():
        inner = next((path / name for name in ("competition", "challenge") if (path / name).is_dir()), path)
        names = frozenset(one.relative_to(inner).as_posix() for one in inner.rglob("*") if one.is_file())
        yield Bundle(inner, names, None)
        return
    try:
        with zipfile.ZipFile(path) as archive:
            yield Bundle(path, frozenset(archive.namelist()), archive)
    except (*NO_ZIP, OSError) as error:
        raise InputError(
            f"The bundle {path} can't be read: it is no ZIP, or it was cut off or damaged.",
            found=str(error),
            expected="a folder or a ZIP of 'evalkit host'",
            fix="Copy it again, or make it again.",
        ) from None
