"""Write a ZIP of videos: stored, since videos are compressed already, and the same bytes for the same files."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO

_DATE = (2026, 1, 1, 0, 0, 0)  # of every member: the same content makes the same bytes


def write_stored(stream: IO[bytes], files: Iterable[tuple[str, Path | bytes]]) -> None:
    """Write an archive whose bytes depend on names, contents and order alone.

    Args:
        stream: opened for writing; must be seekable, or the members get descriptors behind their data.
        files: the name of each member with the file that holds its contents, or the contents themselves.
    """
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files:
            info = zipfile.ZipInfo(name, _DATE)
            info.create_system = 3  # Unix; zipfile writes the system that it runs on
            info.external_attr = 0o644 << 16
            with archive.open(info, "w", force_zip64=True) as member:
                if isinstance(content, bytes):
                    member.write(content)
                else:
                    with content.open("rb") as source:
                        shutil.copyfileobj(source, member, 1 << 20)
