"""The CSV that OpenFace 2.2 writes of a video: a row for each frame, of which the action units are read."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evalkit.media.limits import MAX_FRAMES
from evalkit.metrics.features.imported import unusable

# The units whose intensity OpenFace estimates, by the part of the face as the papers' code divides them.
UPPER = ("AU01", "AU02", "AU04", "AU05", "AU06", "AU07", "AU09", "AU45")
LOWER = ("AU10", "AU12", "AU14", "AU15", "AU17", "AU20", "AU23", "AU25", "AU26")
UNITS = tuple(sorted((*UPPER, *LOWER)))
MOST_COLUMNS = 4096  # OpenFace writes 714 at most
HIGHEST = 5.0  # intensity; OpenFace cuts its estimates to 0..5
_INTENSITIES = tuple(f"{unit}_r" for unit in UNITS)
_NEEDED = ("frame", "confidence", "success", *_INTENSITIES)
_FACE = "face_id"  # 0 in all rows that FeatureExtraction writes
_RANGES = {"confidence": (0.0, 1.0), "success": (0.0, 1.0), **dict.fromkeys(_INTENSITIES, (0.0, HIGHEST))}


@dataclass(frozen=True)
class ActionUnits:
    """What a table says of T frames.

    Args:
        intensity: (T, 17) float64 in the order of `UNITS`, 0..5; NaN where the table has no number.
        success: (T,) bool, whether a face was tracked.
        confidence: (T,) float64, 0..1.
    """

    intensity: NDArray[np.float64]
    success: NDArray[np.bool_]
    confidence: NDArray[np.float64]


def read_table(file: Path) -> ActionUnits:
    """Read a table of FeatureExtraction.

    Raises:
        FeatureUnavailableError: it is none, or has several faces, missing frames or numbers that can't be.
    """
    rows: list[list[float]] = []
    last = 0.0
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            for number, cells in _rows(csv.reader(stream, strict=True), file):
                if _FACE in cells and _number(cells[_FACE], _FACE, number, file) != 0:
                    raise unusable(
                        file,
                        f"has the {_FACE} {cells[_FACE].strip()[:40]} in row {number}: it is of one of several faces, "
                        "as OpenFace's FaceLandmarkVidMulti writes it; FeatureExtraction, which follows one face, is "
                        "needed",
                    )
                frame, *values = (_number(cells[name], name, number, file) for name in _NEEDED)
                if rows and frame != last + 1:
                    raise unusable(
                        file,
                        f"has frame {frame:g} after frame {last:g} in row {number}: a row for each frame in order is "
                        "needed, of one face, as OpenFace's FeatureExtraction writes it",
                    )
                last = frame
                rows.append(values)
                if len(rows) > MAX_FRAMES:
                    raise unusable(file, f"has more than {MAX_FRAMES:,} rows")
    except UnicodeDecodeError:
        raise unusable(file, "is no UTF-8 text") from None
    except csv.Error as error:
        raise unusable(file, f"is no CSV: {error}") from None
    except OSError as error:
        raise unusable(file, f"can't be read: {error.strerror}") from None
    if not rows:
        raise unusable(file, "has no frame")
    table = np.array(rows, dtype=np.float64)
    return ActionUnits(table[:, 2:], table[:, 1] == 1.0, table[:, 0])


def _rows(reader: Iterator[list[str]], file: Path) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Yield the number of each row in the file and the cells that are needed; the names of columns have spaces."""
    head = [name.strip() for name in next(reader, [])]
    if len(head) > MOST_COLUMNS:
        raise unusable(file, f"has {len(head):,} columns; OpenFace writes 714")
    missing = [name for name in _NEEDED if name not in head]
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise unusable(
            file,
            f"has no column {', '.join(missing[:3])}{more}: is it a table of OpenFace 2.2's FeatureExtraction with "
            "action units (-aus)?",
        )
    twice = [name for name in _NEEDED if head.count(name) > 1]
    if twice:
        raise unusable(file, f"has the column {twice[0]} twice")
    if head.count(_FACE) > 1:
        raise unusable(file, f"has the column {_FACE} twice")
    places = {name: head.index(name) for name in (*_NEEDED, *([_FACE] if _FACE in head else []))}
    for number, cells in enumerate(reader, start=2):
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(head):
            raise unusable(file, f"has {len(cells)} cells in row {number}, and {len(head)} columns")
        yield number, {name: cells[place] for name, place in places.items()}


def _number(cell: str, name: str, row: int, file: Path) -> float:
    """Return a cell's number; NaN where OpenFace says so or the cell is empty, but for the frame's number."""
    text = cell.strip()
    try:
        value = float(text) if text and "_" not in text else math.nan if not text else math.inf
    except ValueError:
        value = math.inf
    if math.isinf(value) or (name == "frame" and math.isnan(value)):
        raise unusable(file, f"has '{text[:40]}' for {name} in row {row}; a number is needed")
    low, high = _RANGES.get(name, (-math.inf, math.inf))
    if value < low or value > high:
        raise unusable(file, f"has {value:g} for {name} in row {row}; OpenFace's are from {low:g} to {high:g}")
    return value
