"""ZIPs whose bytes depend on their content alone, written without holding a file in memory."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

from evalkit.errors import InputError
from evalkit.files import atomic_write
from evalkit.progress import Progress

_FIRST_DAY = (1980, 1, 1, 0, 0, 0)
_MODE = 0o100644 << 16
_UNIX = 3
_BLOCK = 1 << 20
_TEXT = {".html", ".json", ".jsonl", ".md", ".py", ".sh", ".txt", ".yaml"}  # the rest is compressed already


def write_zip(path: Path, content: Mapping[str, bytes | Path], progress: Progress | None = None) -> None:
    """Write a ZIP in one step; the same names and content give the same bytes.

    Args:
        path: the file to write.
        content: name in the ZIP -> its bytes, or the file that holds them.
        progress: is told how many bytes of the files are written.

    Raises:
        InputError: when a file can't be read.
        StorageError: when the ZIP can't be written.
    """
    files = [source for source in content.values() if isinstance(source, Path) and source.is_file()]
    total = sum(file.stat().st_size for file in files)
    with (
        atomic_write(path) as stream,
        zipfile.ZipFile(stream, "w") as archive,
        (progress or Progress()).stage(f"writing {path.name}", total, unit="bytes") as stage,
    ):
        for name in sorted(content, key=str.encode):
            info = zipfile.ZipInfo(name, _FIRST_DAY)
            info.external_attr, info.create_system = _MODE, _UNIX
            info.compress_type = zipfile.ZIP_DEFLATED if Path(name).suffix in _TEXT else zipfile.ZIP_STORED
            source = content[name]
            if isinstance(source, bytes):
                archive.writestr(info, source)
                continue
            try:
                with source.open("rb") as file:
                    info.file_size = source.stat().st_size  # large files need other records
                    with archive.open(info, "w") as member:
                        while block := file.read(_BLOCK):
                            stage.advance(member.write(block))
            except FileNotFoundError:
                raise InputError(f"{source} does not exist.", fix="Restore the file.") from None
