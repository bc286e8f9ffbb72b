"""The files of `evalkit distance -o FOLDER`."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from evalkit.errors import InputError, UsageError
from evalkit.files import storage_error, write_text
from evalkit.folders.model import DistanceResult
from evalkit.reports.distance.page import render_distance
from evalkit.reports.distance.table import result_table
from evalkit.reports.page import write_page
from evalkit.reports.paper_table import WRITERS
from evalkit.text import csv_cell

RESULT = "distance.json"
PER_FILE = "per_file.csv"
TABLE = "distance"  # .csv, .tex and .md
PAGE = "distance.html"


def refuse_other_results(folder: Path, real: str, generated: str, *, replace: bool) -> None:
    """Make sure that the folder doesn't hold the results of other sides.

    Raises:
        UsageError: it does, and ``replace`` is not set; or it is a file.
    """
    if folder.is_file():
        raise UsageError(f"The output {folder} is a file.", expected="a folder")
    place = folder / RESULT
    if replace or not place.exists():
        return
    try:
        known = DistanceResult.load(place)
        found = f"{known.generated.source} against {known.real.source}"
        same = (known.real.source, known.generated.source) == (real, generated)
    except InputError:
        same, found = False, "a file that evalkit distance did not write"
    if not same:
        raise UsageError(
            f"The folder {folder} has other results.", found=found, fix="Choose another folder, or add --force."
        )


def write_results(result: DistanceResult, folder: Path) -> None:
    """Write all files; each appears whole or not at all.

    Raises:
        StorageError: the folder can't be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(folder, error) from None
    if result.files:
        write_text(folder / PER_FILE, per_file_csv(result))
    else:
        (folder / PER_FILE).unlink(missing_ok=True)  # of other metrics or files
    table = result_table(result)
    for suffix in (".csv", ".tex", ".md"):
        write_text(folder / f"{TABLE}{suffix}", WRITERS[suffix](table))
    write_page(render_distance(result), folder / PAGE)
    write_text(folder / RESULT, result.to_json())


def per_file_csv(result: DistanceResult) -> str:
    """Return a line per generated file: name, paths, and per metric the value and the reason of a gap."""
    names = list(result.files[0].values) if result.files else []
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["name", "path", "reference", *names, *(f"{name}.reason" for name in names)])
    for file in result.files:
        texts = [csv_cell(text or "") for text in (file.name, file.path, file.reference)]
        reasons = [csv_cell(file.reasons.get(name, "")) for name in names]
        writer.writerow([*texts, *(file.values.get(name) for name in names), *reasons])
    return stream.getvalue()
