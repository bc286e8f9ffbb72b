"""A paper's table as CSV, LaTeX (booktabs), Markdown and JSON; untrusted text is escaped by the rules of each."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from evalkit.reports.leaderboard.ranked_table import ARROWS
from evalkit.reports.leaderboard.tables import latex_text, markdown_text
from evalkit.tables.record import PaperTable, TableCell, TableColumn
from evalkit.text import NO_VALUE, csv_cell

SCHEMA = 1
NOTE_LIMIT = 600  # characters of a footnote
PARETO = "◆"
_LATEX_ARROWS = {"higher": r"$\uparrow$", "lower": r"$\downarrow$", None: ""}


def table_json(table: PaperTable) -> str:
    """Return everything as JSON (schema 1): numbers with all their digits, gaps ``null``, text unchanged."""
    document: dict[str, Any] = {"schema": SCHEMA, "kind": "table", **asdict(table)}
    return json.dumps(document, indent=1, ensure_ascii=True, allow_nan=False) + "\n"


def table_csv(table: PaperTable) -> str:
    """Return a line per row; per column the number with all its digits, its interval, n, mark and notes."""
    parts = ("", ".lo", ".hi", ".n", ".mark", ".note")
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    heads = [csv_cell(_key(column)) + part for column in table.columns for part in parts]
    writer.writerow([csv_cell(table.header), "block", *heads, "note", *(["pareto"] if table.pareto else [])])
    for row in table.rows:
        line: list[Any] = [csv_cell(row.name), csv_cell(row.block or "")]
        for cell in row.cells:
            low, high = cell.interval or (None, None)
            line += [_exact(cell.value), _exact(low), _exact(high), cell.n, cell.mark or ""]
            line.append(csv_cell(" ".join(table.notes[number - 1] for number in cell.notes)))
        line.append(csv_cell(" ".join(table.notes[number - 1] for number in row.notes)))
        line += [{True: "yes", False: "no", None: ""}[row.pareto]] if table.pareto else []
        writer.writerow(line)
    return stream.getvalue()


def table_markdown(table: PaperTable) -> str:
    """Return a Markdown table: the best in bold, the second underlined, footnotes below it."""
    lines = [f"**{markdown_text(table.title, NOTE_LIMIT)}**", ""] if table.title else []
    grouped = any(column.dataset for column in table.columns)
    heads = [
        (f"{markdown_text(column.dataset)}: " if grouped and column.dataset else "")
        + _head(column, markdown_text, ARROWS)
        for column in table.columns
    ]
    lines += [_line([markdown_text(table.header), *heads]), _line([":---", *["---:"] * len(heads)])]
    block: str | None = None
    for row in table.rows:
        if row.block != block and row.block is not None:
            lines.append(_line([f"*{markdown_text(row.block)}*", *[""] * len(heads)]))
        block = row.block
        name = markdown_text(row.name) + (f" {PARETO}" if row.pareto else "") + _markdown_notes(row.notes)
        lines.append(_line([name, *(_markdown_cell(cell) for cell in row.cells)]))
    if table.pareto:
        lines += ["", f"{PARETO} {markdown_text(_pareto_words(table), NOTE_LIMIT)}"]
    for number, note in enumerate(table.notes, start=1):
        lines += ["", f"<sup>{number}</sup> {markdown_text(note, NOTE_LIMIT)}"]
    return "\n".join(lines) + "\n"


def table_latex(table: PaperTable) -> str:
    """Return a table for booktabs: data sets above their metrics, the best in bold, the second underlined."""
    lines = [r"% \usepackage{booktabs}", r"\begin{table}", r"\centering"]
    if table.title:
        lines.append(rf"\caption{{{latex_text(table.title, NOTE_LIMIT)}}}")
    if table.label:
        lines.append(rf"\label{{{table.label}}}")
    lines += [rf"\begin{{tabular}}{{l{'r' * len(table.columns)}}}", r"\toprule"]
    groups = list(_groups(table.columns))
    if any(title for title, _, _ in groups):
        over = [
            rf"\multicolumn{{{width}}}{{c}}{{{latex_text(title)}}}" if title else " " * 0 + "&" * (width - 1)
            for title, _, width in groups
        ]
        lines.append(" & ".join(["", *over]) + r" \\")
        lines.append(
            "".join(rf"\cmidrule(lr){{{start + 2}-{start + 1 + width}}}" for title, start, width in groups if title)
        )
    heads = [_head(column, latex_text, _LATEX_ARROWS) for column in table.columns]
    lines += [" & ".join([latex_text(table.header), *heads]) + r" \\", r"\midrule"]
    block = table.rows[0].block if table.rows else None
    for at, row in enumerate(table.rows):
        if row.block != block or (at == 0 and row.block):
            lines += [r"\midrule"] if at else []
            if row.block:
                lines.append(rf"\multicolumn{{{len(table.columns) + 1}}}{{l}}{{\textit{{{latex_text(row.block)}}}}} \\")
        block = row.block
        name = latex_text(row.name) + (r"$^{\ast}$" if row.pareto else "") + _latex_notes(row.notes)
        lines.append(" & ".join([name, *(_latex_cell(cell) for cell in row.cells)]) + r" \\")
    lines += [r"\bottomrule", r"\end{tabular}"]
    if table.pareto:
        lines.append(rf"\par {{\footnotesize $^{{\ast}}$ {latex_text(_pareto_words(table), NOTE_LIMIT)}}}")
    lines += [
        rf"\par {{\footnotesize $^{{{number}}}$ {latex_text(note, NOTE_LIMIT)}}}"
        for number, note in enumerate(table.notes, start=1)
    ]
    return "\n".join([*lines, r"\end{table}"]) + "\n"


WRITERS: Mapping[str, Callable[[PaperTable], str]] = {
    ".csv": table_csv,
    ".tex": table_latex,
    ".md": table_markdown,
    ".json": table_json,
}


def _pareto_words(table: PaperTable) -> str:
    names = ", ".join(f"'{title}'" for title in table.pareto)
    return f"Pareto set of {names}: no other row is as good in all of these columns and better in one."


def _key(column: TableColumn) -> str:
    return f"{column.dataset}/{column.metric}" if column.dataset else column.metric


def _head(column: TableColumn, text: Callable[[str], str], arrows: Mapping[str | None, str]) -> str:
    unit = f" ({text(column.unit)})" if column.unit else ""
    return f"{text(column.title)}{unit} {arrows[column.better]}".strip()


def _groups(columns: Sequence[TableColumn]) -> Iterator[tuple[str | None, int, int]]:
    """Yield the data set, the number of its first column and how many it has."""
    start = 0
    while start < len(columns):
        end = start
        while end < len(columns) and columns[end].dataset == columns[start].dataset:
            end += 1
        yield columns[start].dataset, start, end - start
        start = end


def _markdown_cell(cell: TableCell) -> str:
    if cell.value is None:
        return NO_VALUE + _markdown_notes(cell.notes)
    around = {"best": ("**", "**"), "second": ("<ins>", "</ins>"), None: ("", "")}[cell.mark]
    interval = f" ({cell.interval_text[0]} to {cell.interval_text[1]})" if cell.interval_text else ""
    return f"{around[0]}{cell.text}{around[1]}{interval}{_markdown_notes(cell.notes)}"


def _markdown_notes(notes: Sequence[int]) -> str:
    return f"<sup>{', '.join(map(str, notes))}</sup>" if notes else ""


def _latex_cell(cell: TableCell) -> str:
    if cell.value is None:
        return "--" + _latex_notes(cell.notes)
    number = f"${_latex_number(cell.text)}$"
    shown = {
        "best": rf"$\mathbf{{{_latex_number(cell.text)}}}$",
        "second": rf"\underline{{{number}}}",
        None: number,
    }[cell.mark]
    ends = cell.interval_text
    interval = rf" {{\scriptsize [${_latex_number(ends[0])}$, ${_latex_number(ends[1])}$]}}" if ends else ""
    return shown + interval + _latex_notes(cell.notes)


def _latex_number(text: str) -> str:
    digits, power, exponent = text.partition("e")
    return rf"{digits} \times 10^{{{int(exponent)}}}" if power else digits


def _latex_notes(notes: Sequence[int]) -> str:
    return f"$^{{{','.join(map(str, notes))}}}$" if notes else ""


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _exact(number: float | None) -> str:
    return "" if number is None else repr(float(number))
