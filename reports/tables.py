"""The scorecard as tables: the summary, numbers by group, and the per-video files for pandas and spreadsheets."""

from __future__ import annotations

import csv
import io
import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evalkit.files import write_bytes
from evalkit.metrics.base import is_not_applicable
from evalkit.scoring.aggregate import combine
from evalkit.scoring.scorecard import Scorecard, VideoScore, gap_text
from evalkit.text import csv_cell, escape_for_display, format_value, natural_key

SHOWN = 3  # videos at each end of a metric
CELL_LIMIT = 100  # characters of foreign text in a table
NO_VALUE_EXPECTED = "not applicable"
REASONS = 6  # reasons counted beside one metric
MAX_DEPTH = 4  # of the dotted names that `flatten` makes
SEVERITIES = ("error", "warning", "info")
BETTER = {True: "higher", False: "lower", None: None}


@dataclass(frozen=True)
class GroupRow:
    """The videos that share one value of a group: how many, and per metric its aggregate and the ``n`` behind it."""

    value: str
    videos: int
    means: tuple[tuple[float | None, int], ...]


@dataclass(frozen=True)
class GroupTable:
    """Means of every per-video metric for each value of the group ``name``; columns as in `video_metrics`."""

    name: str
    rows: tuple[GroupRow, ...]


def format_share(share: float) -> str:
    """Round to a tenth of a percent, but never up to the whole nor down to nothing."""
    return f"{min(max(round(100 * share, 1), 0.1), 99.9):.1f} %" if 0 < share < 1 else f"{share:.0%}".replace("%", " %")


def format_short_share(share: float) -> str:
    """Return the same without a zero behind the point: ``95 %``, ``12.5 %``."""
    return format_share(share).replace(".0 %", " %")


def video_metrics(card: Scorecard) -> list[str]:
    """Return the ids of metrics that are asked of single videos: those of the summary first, in its order.

    FID and its kind are numbers of the whole set; they are not among them.
    """
    asked = {name for video in card.videos for name in video.values}
    return [name for name in card.metrics if name in asked] + sorted(asked - card.metrics.keys())


def summary_rows(card: Scorecard) -> list[dict[str, Any]]:
    """Return one row per metric, in the scorecard's order, for the command line and other plain displays.

    Keys: ``metric``, ``title``, ``value`` (number or ``None``), ``text`` (formatted, or `gap_text`),
    ``unit``, ``ci95``, ``better`` (``higher``, ``lower`` or ``None``), ``n``, ``coverage``, ``reason``, ``role``.
    """
    return [
        {
            "metric": name,
            "title": score.title or name,
            "value": score.value,
            "text": format_value(score.value) if score.value is not None else gap_text(score.reason),
            "unit": score.unit,
            "ci95": score.ci95,
            "better": BETTER[score.higher_is_better],
            "n": score.n,
            "coverage": score.coverage,
            "reason": score.reason,
            "role": score.role,
        }
        for name, score in card.metrics.items()
    ]


def missing_reasons(card: Scorecard, metric: str) -> list[tuple[str, int]]:
    """Return why videos have no value for ``metric`` and how many, the most frequent reason first, rare ones in one.

    Samples that the metric is not applicable to come last, whatever their number: they are no gaps.
    """
    reasons = Counter(
        missing_reason(video, metric)
        for video in card.videos
        if metric in video.values and video.values[metric] is None
    )
    outside = reasons.pop(NO_VALUE_EXPECTED, 0)
    ranked = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    rest = sum(count for _, count in ranked[REASONS:])
    found = ranked[:REASONS] + ([("other reasons", rest)] if rest else [])
    return found + ([(NO_VALUE_EXPECTED, outside)] if outside else [])


def missing_reason(video: VideoScore, metric: str) -> str:
    """Return why ``video`` has no value for ``metric``."""
    reason = video.reasons.get(metric) or "not_computed"
    return NO_VALUE_EXPECTED if is_not_applicable(reason) else escape_for_display(reason, CELL_LIMIT)


def group_tables(card: Scorecard, names: Sequence[str] | None = None) -> list[GroupTable]:
    """Return the breakdown by group: for each group name and value, the mean of each per-video metric, or its median
    where the metric declares that. ``names`` are those of the groups; ``None`` for all.

    Videos without a value stay out of it; with none at all it is ``None`` and ``n`` is 0.
    """
    metrics = video_metrics(card)
    tables = []
    if names is None:
        names = sorted({name for video in card.videos for name in video.groups})
    for name in names:
        members: dict[str, list[dict[str, float | None]]] = {}
        for video in card.videos:
            if name in video.groups:
                members.setdefault(video.groups[name], []).append(video.values)
        rows = [
            GroupRow(
                value,
                len(members[value]),
                tuple(_combined(card, members[value], metric) for metric in metrics),
            )
            for value in sorted(members, key=natural_key)
        ]
        tables.append(GroupTable(name, tuple(rows)))
    return tables


def write_per_video(card: Scorecard, folder: Path) -> None:
    """Write ``per_video.parquet`` and ``per_video.csv`` into ``folder``, one row per sample.

    The CSV holds floats with all their digits, an empty cell where there is no value, and text that no spreadsheet
    takes for a formula; the Parquet file holds the text as it is.

    Raises:
        StorageError: when ``folder`` is missing or can't be written.
    """
    import pyarrow as pa
    from pyarrow import parquet

    columns = per_video_columns(card)
    arrays = [_numbers(cells) if numeric else _texts(cells) for numeric, cells in columns.values()]
    binary = io.BytesIO()
    parquet.write_table(pa.Table.from_arrays(arrays, names=list(columns)), binary)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(csv_cell, columns))
    for row in zip(*(cells for _, cells in columns.values()), strict=True):
        writer.writerow(csv_cell(cell) if isinstance(cell, str) else cell for cell in row)
    write_bytes(folder / "per_video.parquet", binary.getvalue())
    write_bytes(folder / "per_video.csv", text.getvalue().encode())


# Arrays from buffers, because ``pyarrow.array`` imports pandas, which takes longer than the rest of a cached run.
def _numbers(cells: Sequence[Any]) -> Any:
    import pyarrow as pa

    values = np.array([0.0 if cell is None else cell for cell in cells], dtype="<f8")
    return pa.Array.from_buffers(pa.float64(), len(cells), [_validity(cells), pa.py_buffer(values.tobytes())])


def _texts(cells: Sequence[Any]) -> Any:
    import pyarrow as pa

    texts = [b"" if cell is None else str(cell).encode() for cell in cells]
    offsets = np.cumsum([0, *map(len, texts)], dtype="<i4")
    buffers = [_validity(cells), pa.py_buffer(offsets.tobytes()), pa.py_buffer(b"".join(texts))]
    return pa.Array.from_buffers(pa.string(), len(cells), buffers)


def _validity(cells: Sequence[Any]) -> Any:
    """Return Arrow's bitmap: a bit per cell, least significant first, 0 where there is no value."""
    import pyarrow as pa

    there = np.array([cell is not None for cell in cells], dtype=bool)
    return pa.py_buffer(np.packbits(there, bitorder="little").tobytes())


def per_video_columns(card: Scorecard) -> dict[str, tuple[bool, list[str | float | None]]]:
    """Return the per-video table by column: whether it holds numbers, and a cell per video.

    ``sample``, ``path``, ``verdict``, a column ``group.NAME`` per group, one per metric, and last ``reason.ID`` for
    every metric that some video lacks, in alphabetical order.
    """
    rows: list[dict[str, str | float | None]] = []
    numeric: dict[str, bool] = dict.fromkeys(("sample", "path", "verdict"), False)
    for video in card.videos:
        groups = {f"group.{name}": value for name, value in video.groups.items()}
        reasons = {f"reason.{name}": reason for name, reason in video.reasons.items()}
        rows.append(
            {"sample": video.sample, "path": video.path, "verdict": video.verdict, **groups, **video.values, **reasons}
        )
        numeric |= dict.fromkeys(groups, False) | dict.fromkeys(video.values, True) | dict.fromkeys(reasons, False)
    names = [name for name in numeric if not name.startswith("reason.")]
    names += sorted(name for name in numeric if name.startswith("reason."))
    return {name: (numeric[name], [row.get(name) for row in rows]) for name in names}


def extremes(card: Scorecard, metric: str) -> tuple[list[int], list[int]]:
    """Return the positions in ``card.videos`` of the worst and of the best videos, each from its end inwards.

    A metric without a direction gives the lowest and the highest. Equal values keep the scorecard's order. With no more
    than twice `SHOWN` scored videos all of them are in the first list and the second is empty.
    """
    score = card.metrics.get(metric)
    sign = -1.0 if score is not None and score.higher_is_better is False else 1.0
    known = [
        (sign * value, at) for at, video in enumerate(card.videos) if (value := video.values.get(metric)) is not None
    ]
    order = [at for _, at in sorted(known)]
    if len(order) <= 2 * SHOWN:
        return order, []
    return order[:SHOWN], order[: -SHOWN - 1 : -1]


FINDING_PARTS = ("rule", "severity", "message", "found", "expected", "fix", "consequence")


def findings_by_rule(card: Scorecard) -> list[tuple[str, Counter[str], list[dict[str, str]]]]:
    """Return the findings by rule, the gravest and most frequent rules first; foreign values become text."""
    found = [("", finding) for finding in card.findings]
    found += [(video.sample, finding) for video in card.videos for finding in video.findings]
    rules: dict[str, list[dict[str, str]]] = {}
    for sample, finding in found:
        text = {key: str(value) for key, value in finding.items() if value is not None}
        entry = {
            key: text.get(key, "") for key in ("rule", "severity", "message", "found", "expected", "fix", "consequence")
        }
        entry["sample"] = sample or text.get("sample", "")
        rules.setdefault(entry["rule"], []).append(entry)
    table = [(rule, Counter(entry["severity"] for entry in entries), entries) for rule, entries in rules.items()]
    return sorted(table, key=lambda row: (min(map(_severity, row[1])), -len(row[2]), row[0]))


def machine_of(card: Scorecard) -> str:
    """Return what the provenance says of versions and machine, without what entries of one board share."""
    own = {key: value for key, value in card.provenance.items() if key in {"evalkit", "python", "platform", "device"}}
    return ", ".join(f"{name} {value}" for name, value in flatten(own)) or "not recorded"


def flatten(value: object, name: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """Yield ``(dotted name, text)`` for every leaf of a JSON-like ``value``; deep parts stay in one piece, as JSON."""
    if isinstance(value, dict) and (value or not depth) and depth < MAX_DEPTH:
        for key in value:
            yield from flatten(value[key], f"{name}.{key}" if name else str(key), depth + 1)
    elif isinstance(value, float):
        yield name, format_value(value) if math.isfinite(value) else str(value)
    elif isinstance(value, list | tuple) and all(isinstance(item, str | int) for item in value):
        yield name, ", ".join(map(str, value)) or "none"
    elif isinstance(value, dict | list | tuple | bool) or value is None:
        yield name, json.dumps(value, default=str)
    else:
        yield name, str(value)


def _combined(card: Scorecard, values: Sequence[dict[str, float | None]], metric: str) -> tuple[float | None, int]:
    known = [number for number in (row.get(metric) for row in values) if number is not None]
    score = card.metrics.get(metric)
    return (combine(known, score.aggregate if score else "mean") if known else None), len(known)


def _severity(word: str) -> int:
    return SEVERITIES.index(word) if word in SEVERITIES else len(SEVERITIES)
