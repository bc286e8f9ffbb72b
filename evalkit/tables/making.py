"""From the file and the runs to a table: which number stands where, which is best, what must be said of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from evalkit.errors import EvalkitError, InputError, did_you_mean
from evalkit.metrics.base import MetricRecord, metric_registry
from evalkit.scoring.scorecard import MetricScore, gap_text
from evalkit.tables.combining import notes_of, row_terms, values_of
from evalkit.tables.formulas import FORMULAS, Formula, combine
from evalkit.tables.marks import Cells, marked, pareto_set
from evalkit.tables.model import ColumnSpec, RowSpec, TableSpec, ValueSpec, key_of, place_of
from evalkit.tables.record import PaperTable, TableCell, TableColumn, TableRow
from evalkit.tables.runs import Identity, Run, identity_of, load_run
from evalkit.text import format_value
from evalkit.yamlio import YamlDocument

UNPAIRED = ".unpaired"
Pending = tuple[TableColumn, Cells]  # a column, and its cells with the texts of their footnotes


@dataclass
class _Notes:
    texts: list[str] = field(default_factory=list)

    def number(self, text: str) -> int:
        if text not in self.texts:
            self.texts.append(text)
        return self.texts.index(text) + 1


def make_table(spec: TableSpec, document: YamlDocument, folder: Path, *, mixed: bool = False) -> PaperTable:
    """Return the table.

    Args:
        spec: of `evalkit.tables.model.load_table`.
        document: where its parts stand, for errors.
        folder: that paths of runs are relative to.
        mixed: whether every column may mix what can't be compared.

    Raises:
        InputError: a run can't be read, a metric is in no run, or a column mixes what can't be compared; with the line.
    """
    return _Maker(spec, document, folder, mixed).table()


class _Maker:
    def __init__(self, spec: TableSpec, document: YamlDocument, folder: Path, mixed: bool) -> None:
        self.spec, self.document, self.mixed = spec, document, mixed
        self.notes = _Notes()
        self.warnings: list[str] = []
        self._runs: dict[Path, Run] = {}
        self.runs = [
            {column: self._run(number, row, column, folder) for column in {c.dataset for c in spec.columns}}
            for number, row in enumerate(spec.rows)
        ]

    def table(self) -> PaperTable:
        columns = [self._column(number, column) for number, column in enumerate(self.spec.columns)]
        order = _together([column.dataset for column, _ in columns])
        heads = tuple(columns[at][0] for at in order)
        best = self._pareto(columns)
        rows = []
        for number, row in enumerate(self.spec.rows):
            notes = (self.notes.number(row.note),) if row.note else ()
            cells = [self._noted(columns[at][1][number]) for at in order]
            rows.append(TableRow(row.name, row.block, tuple(cells), notes, best[number]))
        return PaperTable(
            self.spec.title,
            self.spec.label,
            self.spec.header,
            heads,
            tuple(rows),
            tuple(self.notes.texts),
            tuple(self.warnings),
            tuple(columns[at][0].title for at in self._pareto_columns()),
        )

    def _pareto_columns(self) -> list[int]:
        return [at for at, column in enumerate(self.spec.columns) if key_of(column) in self.spec.pareto]

    def _pareto(self, columns: Sequence[Pending]) -> list[bool | None]:
        """Return which rows are in the Pareto set of the columns that the file names.

        Raises:
            InputError: one of these has no better side.
        """
        chosen = self._pareto_columns()
        for at in chosen:
            if columns[at][0].better is None:
                raise InputError(
                    f"{place_of(self.document, 'columns', at)}: a Pareto set needs to know which side is better.",
                    fix="Add 'better: higher' or 'better: lower' to the column.",
                )
        if not chosen:
            return [None] * len(self.spec.rows)
        higher = [columns[at][0].better == "higher" for at in chosen]
        rows = range(len(self.spec.rows))
        return pareto_set([[columns[at][1][row][0].value for at in chosen] for row in rows], higher)

    def _noted(self, pending: tuple[TableCell, list[str]]) -> TableCell:
        """Return the cell with the numbers of its footnotes: in the order in which a reader meets them."""
        cell, texts = pending
        return replace(cell, notes=tuple(self.notes.number(text) for text in texts))

    def _run(self, number: int, row: RowSpec, dataset: str | None, folder: Path) -> Run | None:
        given = row.runs.get(dataset) if dataset is not None else None
        where: tuple[Any, ...] = ("rows", number, "runs", dataset) if given is not None else ("rows", number, "run")
        given = given if given is not None else row.run
        if given is None:
            return None
        path = folder / given
        if path not in self._runs:
            try:
                self._runs[path] = load_run(path)
            except EvalkitError as error:
                place = place_of(self.document, *where)
                raise InputError(
                    f"{place}: {error.what}", found=error.found, expected=error.expected, fix=error.fix
                ) from None
        return self._runs[path]

    def _column(self, number: int, column: ColumnSpec) -> Pending:
        if column.formula is not None:
            return self._combined(number, column, FORMULAS[column.formula])
        runs = [row[column.dataset] for row in self.runs]
        metric = self._meant(number, column, runs)
        metrics = metric_registry()
        record = metrics[metric].record if metric in metrics else None
        scores = [run.metrics.get(metric) if run is not None else None for run in runs]
        first = next((score for score in scores if score is not None), None)
        better = column.better or _better(record, first)
        if better is None:
            raise InputError(
                f"{place_of(self.document, 'columns', number)}: it is not known which side of '{column.metric}' is "
                "better.",
                fix="Add 'better: higher', 'better: lower' or 'better: neither' to the column.",
            )
        values = [_plain(row, column) for row in self.spec.rows]
        shown = [None if value is not None else score for value, score in zip(values, scores, strict=True)]
        strange = self._mixture(number, column, metric, runs, shown)
        cells: Cells = []
        for at, row in enumerate(self.spec.rows):
            if (value := values[at]) is not None:
                cells.append(self._of_value(value, row, column))
            else:
                cell, texts = self._of_run(runs[at], shown[at], metric, column)
                cells.append((cell, [*texts, *([strange[at]] if at in strange else [])]))
        head = TableColumn(
            metric=metric,
            title=_title(column, record.title if record else first.title if first else ""),
            dataset=column.dataset,
            unit=column.unit or (record.unit if record else first.unit if first else ""),
            better=None if better == "neither" else better,
        )
        return head, self._marked(cells, head.better)

    def _combined(self, number: int, column: ColumnSpec, formula: Formula) -> Pending:
        """Return a column that follows from other numbers of its rows."""
        runs = [row[column.dataset] for row in self.runs]
        sources = [row_terms(formula, row, run, column.dataset) for row, run in zip(self.spec.rows, runs, strict=True)]
        strange: dict[int, list[str]] = {}
        for name in dict.fromkeys(term.metric for row in sources for term in row.values() if term.metric is not None):
            scores = [next((t.score for t in row.values() if t.metric == name), None) for row in sources]
            for at, text in self._mixture(number, column, name, runs, scores).items():
                strange.setdefault(at, []).append(text)
        names = [row.name for row in self.spec.rows]
        real = names.index(column.reference) if column.reference is not None else None
        reference = values_of(sources[real]) if real is not None else None
        cells: Cells = []
        for at, row in enumerate(sources):
            made = combine(formula, values_of(row), reference)
            if made.value is None:
                cells.append((TableCell(reason=made.reason), [f"{made.reason}"]))
            else:
                cells.append(
                    (TableCell(made.value, self._text(made.value, column)), [*notes_of(row), *strange.get(at, [])])
                )
        head = TableColumn(
            metric=column.metric,
            title=column.title or formula.title,
            dataset=column.dataset,
            unit=column.unit or "",
            better=None if column.better == "neither" else column.better or "higher",
        )
        return head, self._marked(cells, head.better, apart=real)

    def _marked(self, cells: Cells, better: str | None, apart: int | None = None) -> Cells:
        """Return the cells with marks; the row ``apart``, which is as close to itself as can be, has none."""
        if self.spec.best == "none":
            return cells
        groups = [
            (row.block if self.spec.best == "block" else None, at == apart) for at, row in enumerate(self.spec.rows)
        ]
        return marked(cells, groups, better)

    def _meant(self, number: int, column: ColumnSpec, runs: Sequence[Run | None]) -> str:
        """Return the id that the column shows."""
        registry, name = metric_registry(), column.metric
        aliases = {alias: metric.record.id for metric in registry.values() for alias in metric.record.aliases}
        there = [set(run.metrics) for run in runs if run is not None]
        everywhere = set().union(*there)
        if name in everywhere or name in registry:
            return name
        candidates = [one for one in (aliases.get(name), f"{aliases.get(name)}{UNPAIRED}") if one is not None]
        found = [one for one in candidates if one in everywhere]
        if len(found) > 1:
            raise InputError(
                f"{place_of(self.document, 'columns', number, 'metric')}: '{name}' is two numbers in these runs.",
                found=" and ".join(found),
                fix="Name the id that you mean.",
            )
        if found or name in aliases:
            return found[0] if found else aliases[name]
        if not any(value.metric == name for row in self.spec.rows for value in row.values) and not any(
            name in row.facts for row in self.spec.rows
        ):
            raise InputError(
                f"{place_of(self.document, 'columns', number, 'metric')}: no run and no row has '{name}'."
                f"{did_you_mean(name, sorted({*everywhere, *registry, *aliases}))}",
                fix="'evalkit metrics list' shows the metrics; numbers of your own go into 'values'.",
            )
        return name

    def _mixture(
        self,
        number: int,
        column: ColumnSpec,
        metric: str,
        runs: Sequence[Run | None],
        scores: Sequence[MetricScore | None],
    ) -> dict[int, str]:
        """Return row -> footnote, for numbers that can't be compared with the first of the column.

        Raises:
            InputError: there are some, and nobody said that they may stand in one column.
        """
        known: dict[int, Identity] = {}
        for at, (run, score) in enumerate(zip(runs, scores, strict=True)):
            if run is not None and score is not None and score.value is not None:
                known[at] = identity_of(run, metric)
        if not known:
            return {}
        first = min(known)
        name = self.spec.rows[first].name
        found = {at: differing for at, one in known.items() if (differing := known[first].differences(one))}
        if found and not (self.mixed or column.mixed):
            lines = [
                f"{place_of(self.document, 'columns', number)}: the column '{column.metric}' mixes numbers that can't "
                "be compared.",
                *(
                    f"'{name}' and '{self.spec.rows[at].name}' differ in {', '.join(parts)}."
                    for at, parts in found.items()
                ),
            ]
            raise InputError(
                lines[:12],
                fix="Compute them in one way, or put 'mixed: true' into the column, or add --mixed: footnotes then "
                "say so.",
            )
        counts = {scores[at].n for at in known if at not in found}  # type: ignore[union-attr]
        if len(counts) > 1 and metric.startswith(("fid.", "fvd.")):
            few, many = min(counts), max(counts)
            self.warnings.append(
                f"The column '{column.metric}' has numbers of {few} to {many} files: fewer files make it larger by "
                "themselves."
            )
        return {at: f"Not comparable with '{name}': other {', '.join(parts)}." for at, parts in found.items()}

    def _of_value(self, value: ValueSpec, row: RowSpec, column: ColumnSpec) -> tuple[TableCell, list[str]]:
        source = value.source or row.source
        if value.value is None:
            return TableCell(source=source, reason=value.reason), [f"{value.reason}"]
        texts = [f"From {source}; not computed here."] if source else []
        cell = TableCell(value.value, self._text(value.value, column), value.interval, source=source)
        return self._with_interval(cell, column), texts

    def _of_run(
        self, run: Run | None, score: MetricScore | None, metric: str, column: ColumnSpec
    ) -> tuple[TableCell, list[str]]:
        if run is None:
            return TableCell(reason="no run"), ["No run." if metric in metric_registry() else "No number is given."]
        if score is None:
            twin = f"{metric}{UNPAIRED}" if f"{metric}{UNPAIRED}" in run.metrics else metric.removesuffix(UNPAIRED)
            has = f"; the run has {twin}" if twin != metric and twin in run.metrics else ""
            words = f"{metric} was not computed{has}." if metric in metric_registry() else "No number is given."
            return TableCell(reason="not computed"), [words]
        if score.value is None:
            words = gap_text(score.reason)
            return TableCell(n=score.n, reason=score.reason), [f"{words[:1].upper()}{words[1:]}."]
        value, times = score.value * column.times, column.times
        interval = None if score.ci95 is None else (score.ci95[0] * times, score.ci95[1] * times)
        cell = TableCell(value, self._text(value, column), interval, n=score.n)
        part = [] if score.coverage >= 1 else [f"Of {score.coverage:.0%} of the files or samples."]
        return self._with_interval(cell, column), part

    def _with_interval(self, cell: TableCell, column: ColumnSpec) -> TableCell:
        wanted = self.spec.interval if column.interval is None else column.interval
        if cell.interval is None or not wanted:
            return cell
        low, high = (self._text(end, column) for end in cell.interval)
        return replace(cell, interval_text=(low, high))

    def _text(self, value: float, column: ColumnSpec) -> str:
        digits = column.precision if column.precision is not None else self.spec.precision
        if digits is None:
            return format_value(value)
        text = f"{value:.{digits}f}"
        return text.removeprefix("-") if float(text) == 0 else text


def _title(column: ColumnSpec, usual: str) -> str:
    """Return the header's text, with the factor by which the numbers are printed."""
    factor = f" (\u00d7{column.times:g})" if column.times != 1.0 else ""
    return f"{column.title or usual or column.metric}{factor}"


def _plain(row: RowSpec, column: ColumnSpec) -> ValueSpec | None:
    if column.dataset is None and column.metric in row.facts:
        return ValueSpec(metric=column.metric, value=row.facts[column.metric])
    return next((one for one in row.values if (one.metric, one.dataset) == (column.metric, column.dataset)), None)


def _better(record: MetricRecord | None, score: MetricScore | None) -> str | None:
    known: Mapping[bool | None, str] = {True: "higher", False: "lower", None: "neither"}
    if record is not None:
        return known[record.higher_is_better]
    return known[score.higher_is_better] if score is not None else None


def _together(groups: Sequence[str | None]) -> list[int]:
    """Return the columns' numbers with those of a group beside each other, groups in the order of their first."""
    order = list(dict.fromkeys(groups))
    return sorted(range(len(groups)), key=lambda at: (order.index(groups[at]), at))
