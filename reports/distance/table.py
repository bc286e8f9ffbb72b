"""The result of `evalkit distance` as a table of one row, for papers."""

from __future__ import annotations

from pathlib import PurePath

from evalkit.folders.model import DistanceResult
from evalkit.scoring.scorecard import MetricScore, gap_text
from evalkit.tables.record import PaperTable, TableCell, TableColumn, TableRow
from evalkit.text import format_value

BETTER = {True: "higher", False: "lower", None: None}


def result_table(result: DistanceResult) -> PaperTable:
    """Return the numbers with their intervals; notes and warnings are the footnotes."""
    notes: list[str] = []

    def numbered(text: str) -> int:
        if text not in notes:
            notes.append(text)
        return notes.index(text) + 1

    columns, cells = [], []
    for name, score in result.metrics.items():
        columns.append(TableColumn(name, score.title or name, None, score.unit, BETTER[score.higher_is_better]))
        cells.append(_cell(score, tuple(numbered(text) for text in _notes(name, score))))
    generated, real = result.generated, result.real
    networks = f" Backbones: {result.backbones}." if any(use.weights for use in result.features.values()) else ""
    whole = [numbered(f"{generated.read} generated against {real.read} real files.{networks}")]
    whole += [numbered(warning.detail or warning.kind) for warning in result.warnings]
    row = TableRow(PurePath(generated.source).name or generated.source, None, tuple(cells), tuple(whole))
    return PaperTable(None, None, "Generated", tuple(columns), (row,), tuple(notes))


def _notes(name: str, score: MetricScore) -> list[str]:
    if score.value is None:
        words = gap_text(score.reason)
        return [f"{words[:1].upper()}{words[1:]}."]
    return [f"{name}: {note.detail or note.kind}" for note in score.notes]


def _cell(score: MetricScore, notes: tuple[int, ...]) -> TableCell:
    if score.value is None:
        return TableCell(n=score.n, reason=score.reason, notes=notes)
    ends = score.ci95
    shown = (format_value(ends[0]), format_value(ends[1])) if ends is not None else None
    return TableCell(score.value, format_value(score.value), ends, shown, score.n, notes=notes)
