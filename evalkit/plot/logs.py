"""Reading the log of a training run: a number per step and metric, from scorecards, a CSV or JSON lines.

The file is someone else's: what is wrong with it is an error that names the line.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.errors import InputError
from evalkit.jsonio import parse_json
from evalkit.scoring.scorecard import Scorecard

MOST_BYTES = 256 * 2**20
MOST_POINTS = 1_000_000
STEP = "step"
_ABSENT = {"nan", "null", "none", "na", "n/a"}


@dataclass(frozen=True)
class Point:
    """A value at a step; ``None`` with a reason where it is missing, an interval where there is one."""

    step: float
    value: float | None
    interval: tuple[float, float] | None = None
    reason: str | None = None


Series = dict[str, list[Point]]


def series_of(log: Any) -> Series:
    """Return the points of every metric, sorted by step.

    Args:
        log: pairs of a step and a scorecard, or of a step and numbers by metric; or the path of a file. A CSV has a
            column ``step`` and one per metric, ``nan`` for a missing value and an empty cell where it was not measured;
            beside ``psnr`` there may be ``psnr.low`` and ``psnr.high``. JSON lines
            have ``step`` and, by metric, a number, null, or an object with ``value``, ``ci95`` and ``reason``: at the
            top, or in ``metrics``. Numbers of pairs may also be measurements of `evalkit.measure`.

    Raises:
        InputError: naming the line, when the log can't be read.
    """
    found: Series = {}
    for step, values in _entries(log):
        for name, point in _points(step, values):
            found.setdefault(name, []).append(point)
            if len(found[name]) > MOST_POINTS:
                raise InputError("The log is too long.", expected=f"at most {MOST_POINTS} steps")
    for points in found.values():
        points.sort(key=lambda point: point.step)
    return found


def _entries(log: Any) -> Iterable[tuple[float, Any]]:
    if isinstance(log, str | Path):
        yield from _from_file(Path(log))
        return
    for at, entry in enumerate(log, 1):
        if not (isinstance(entry, tuple | list) and len(entry) == 2):
            raise InputError(f"Entry {at} of the log is no pair of a step and its numbers.", found=type(entry).__name__)
        yield _step(entry[0], f"entry {at}"), entry[1]


def _from_file(path: Path) -> Iterable[tuple[float, Any]]:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise InputError(f"{path} is too large for a log.", expected=f"at most {MOST_BYTES // 2**20} MiB")
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The log {path} can't be read.", found=str(error)) from None
    lines = _json_lines(text, path) if text.lstrip()[:1] == "{" else _csv_rows(text, path)
    yield from lines


def _json_lines(text: str, path: Path) -> Iterable[tuple[float, Any]]:
    for at, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        where = f"{path}, line {at}"
        try:
            entry = parse_json(line)
        except ValueError as error:
            raise InputError(f"{where} is not JSON.", found=str(error)) from None
        if not isinstance(entry, dict) or STEP not in entry:
            raise InputError(f"{where} has no step.", expected='{"step": 100, "psnr": 31.2}')
        inner = entry.get("metrics")
        yield (
            _step(entry[STEP], where),
            inner if isinstance(inner, dict) else {k: v for k, v in entry.items() if k != STEP},
        )


def _csv_rows(text: str, path: Path) -> Iterable[tuple[float, Any]]:
    rows = csv.reader(io.StringIO(text))
    try:
        head = [name.strip() for name in next(rows, [])]
        if STEP not in head:
            raise InputError(f"{path} has no column 'step'.", found=", ".join(head[:8]) or "an empty file")
        for row in rows:
            if not any(cell.strip() for cell in row):
                continue
            where = f"{path}, line {rows.line_num}"
            if len(row) != len(head):
                raise InputError(f"{where} has another number of cells.", found=str(len(row)), expected=str(len(head)))
            cells = dict(zip(head, row, strict=True))
            step = _step(cells.pop(STEP), where)
            # Loggers write a row for whatever was logged at a step: an empty cell is a metric that was not.
            yield step, {name: _cell(cell) for name, cell in cells.items() if cell.strip()}
    except csv.Error as error:
        raise InputError(f"{path} is no CSV.", found=str(error)) from None


def _cell(text: str) -> float | str | None:
    """Return a cell's number, ``None`` where it says that there is none; words stay words, of a column of words."""
    if text.strip().lower() in _ABSENT:
        return None
    try:
        return float(text)
    except ValueError:
        return text


def _step(value: Any, where: str) -> float:
    try:
        step = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        step = math.nan
    if not math.isfinite(step):
        raise InputError(f"The step at {where} is no number.", found=repr(value))
    return step


def _points(step: float, values: Any) -> Iterable[tuple[str, Point]]:
    if isinstance(values, Scorecard):
        for name, score in values.metrics.items():
            yield name, Point(step, score.value, score.ci95, score.reason)
        return
    if not isinstance(values, Mapping):
        raise InputError(
            f"The numbers of step {step:g} are of no known kind.",
            found=type(values).__name__,
            expected="a scorecard, or numbers by metric",
        )
    for name, value in values.items():
        if str(name).endswith((".low", ".high")) and str(name).rpartition(".")[0] in values:
            continue
        point = _point(step, value, _ends(values.get(f"{name}.low"), values.get(f"{name}.high")))
        if point is not None:
            yield str(name), point


def _point(step: float, value: Any, interval: tuple[float, float] | None) -> Point | None:
    """Return the point of one value; ``None`` for what is no number at all, as the name of a run."""
    reason = None
    if hasattr(value, "value") and hasattr(value, "reason") and hasattr(value, "ci95"):  # a measurement
        value = {"value": value.value, "ci95": value.ci95, "reason": value.reason}
    if isinstance(value, Mapping) and "value" in value:
        ends = value.get("ci95")
        interval = _ends(*ends) if isinstance(ends, list | tuple) and len(ends) == 2 else interval
        reason = str(value["reason"]) if value.get("reason") else None
        value = value["value"]
    if value is None:
        return Point(step, None, None, reason)
    number = _number(value)
    if number is None:
        return None
    return Point(step, number, interval) if math.isfinite(number) else Point(step, None, None, reason or "not_finite")


def _number(value: Any) -> float | None:
    """Return a number of Python, numpy or torch; ``None`` for anything else."""
    if isinstance(value, bool | str | bytes):
        return None
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _ends(low: Any, high: Any) -> tuple[float, float] | None:
    ends = _number(low), _number(high)
    if ends[0] is None or ends[1] is None or not (math.isfinite(ends[0]) and math.isfinite(ends[1])):
        return None
    return min(ends[0], ends[1]), max(ends[0], ends[1])
