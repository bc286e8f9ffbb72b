"""Read the table in which a participant says which file belongs to which sample: a CSV with ``sample`` and ``file``."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath

from evalkit.errors import InputError, did_you_mean
from evalkit.yamlio import read_text

COLUMNS = ("sample", "file")


def read_mapping(place: Path, samples: Collection[str], paths: Collection[str]) -> dict[str, str]:
    """Return sample -> path in the folder, in the order of the table.

    Args:
        place: the CSV, separated by commas, semicolons or tabs. It may leave out samples.
        samples: ids of the test set.
        paths: of the folder's files, relative to it.

    Raises:
        InputError: when it can't be read, or names a sample or a file that is not there, or one of them twice.
    """
    found: dict[str, str] = {}
    used: set[str] = set()
    for number, (sample, file) in _rows(place):
        where, path = f"{place}, row {number}", _relative(file)
        if sample not in samples:
            raise InputError(
                f"{where}: the test set has no sample '{sample}'.", fix=did_you_mean(sample, samples).strip() or None
            )
        if path not in paths:
            hint = did_you_mean(path, paths).strip()
            raise InputError(
                f"{where}: the folder has no video that can be packed under this path.",
                found=file,
                expected="the path of a file in the folder, relative to it; links are not followed",
                fix=hint or None,
            )
        if sample in found or path in used:
            twice = f"the sample '{sample}'" if sample in found else f"the file {path}"
            raise InputError(f"{where}: {twice} is there twice.", expected="a file for each sample")
        found[sample] = path
        used.add(path)
    return found


def _relative(file: str) -> str:
    return PurePosixPath(file).as_posix() if file else ""


def _rows(place: Path) -> Iterator[tuple[int, tuple[str, str]]]:
    """Yield the number of each row, the header's is 1, with its sample and its file."""
    text = read_text(place, kind=InputError, what="The mapping")
    first = text.splitlines()[0] if text.strip() else ""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count), strict=True)
    try:
        head = [cell.strip().lower() for cell in next(reader, [])]
        for column in COLUMNS:
            if head.count(column) != 1:
                fault = "no column" if column not in head else "two columns"
                found = ", ".join(head)[:200] or "nothing"
                raise InputError(f"{place} has {fault} '{column}'.", found=found, expected=", ".join(COLUMNS))
        for number, cells in enumerate(reader, start=2):
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(head):
                found, expected = f"{len(cells)} cells", f"{len(head)}, as in the first row"
                raise InputError(f"{place}, row {number}: a wrong number of cells.", found=found, expected=expected)
            row = dict(zip(head, (cell.strip() for cell in cells), strict=True))
            yield number, (row["sample"], row["file"])
    except csv.Error as error:
        raise InputError(f"{place} is no CSV.", found=str(error)) from None
