"""Groups as a table for spreadsheets: a line per attribute, submission, measure and group."""

from __future__ import annotations

import csv
import io

from evalkit.groups.model import FairnessReport
from evalkit.text import csv_cell

COLUMNS = (
    *("attribute", "entry", "measure", "kind", "unit", "group", "samples", "videos", "people", "mean", "low", "high"),
    *("coverage", "real_mean", "too_few", "reasons", "worst", "gap", "ratio", "macro", "real_gap", "excess"),
    *("p", "p_adjusted", "significant", "untested"),
)


def fairness_csv(report: FairnessReport) -> str:
    """Return the table with all digits; an empty cell where there is no number, and no text that acts as a formula."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for table in report.tables:
        for line in table.lines:
            row: list[object] = [table.attribute, table.entry, table.measure.id, table.measure.kind, table.measure.unit]
            row += [line.value, line.samples, line.videos, line.identities, line.mean, line.low, line.high]
            row += [line.coverage, line.real_mean, line.too_few or ""]
            row.append("; ".join(f"{reason} ({number})" for reason, number in line.reasons.items()))
            row += [table.worst or "", table.gap, table.ratio, table.macro, table.real_gap, table.excess]
            row += [table.p, table.adjusted]
            row += ["yes" if report.significant(table) else "no", table.untested or ""]
            writer.writerow(csv_cell(cell) if isinstance(cell, str) else cell for cell in row)
    return stream.getvalue()
