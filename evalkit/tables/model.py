"""The file that describes a table, as a typed record: `evalkit table FILE`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from evalkit.errors import InputError, did_you_mean
from evalkit.tables.formulas import FORMULAS
from evalkit.yamlio import YamlDocument, parse_yaml, read_text, validate_model

Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Decimals = Annotated[int, Field(ge=0, le=12)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ColumnSpec(_Part):
    """One column: a metric, on a data set.

    Args:
        metric: id or short name of a metric, or a name of your own for plain numbers such as ``cost``.
        dataset: column group that it belongs to; rows give a run for each.
        title: header (default: the metric's title).
        precision: digits after the decimal point (default: the table's).
        better: which side is better (default: the metric's).
        unit: unit in the header (default: the metric's).
        interval: whether to print the 95 % interval (default: the table's).
        mixed: whether numbers of different backbones, protocols, versions or real sets may stand in it; footnotes say
            which.
        formula: the column follows from other numbers of its row: one of opens2v-v1.1, opens2v-v1.1-human,
            opens2v-v1.0, opens2v-v1.0-human, theval, theval-p68; ``metric`` is then a name of your own.
        reference: for formulas that compare with real videos, the row of these.
        times: the runs' numbers are printed times this, as papers print small ones, and the header says so; a number in
            ``values`` is printed as it stands.
    """

    metric: Name
    dataset: Name | None = None
    title: Name | None = None
    precision: Decimals | None = None
    better: Literal["higher", "lower", "neither"] | None = None
    unit: Name | None = None
    interval: bool | None = None
    mixed: bool = False
    formula: Name | None = None
    reference: Name | None = None
    times: Annotated[float, Field(gt=0, le=1e12, allow_inf_nan=False)] = 1.0

    @model_validator(mode="after")
    def _of_runs(self) -> ColumnSpec:
        if self.formula is not None and self.times != 1.0:
            raise ValueError("'times' is for numbers of runs, and a formula has its own weights")
        return self


class ValueSpec(_Part):
    """A number that no run here has computed.

    Args:
        metric: as the column names it.
        dataset: as the column names it.
        value: the number; null for a gap.
        interval: its 95 % interval.
        source: where it is from; required here or for the row.
        reason: why there is no number.
    """

    metric: Name
    dataset: Name | None = None
    value: Number | None = None
    interval: tuple[Number, Number] | None = None
    source: Text | None = None
    reason: Text | None = None

    @model_validator(mode="after")
    def _whole(self) -> ValueSpec:
        if self.value is None and self.reason is None:
            raise ValueError("a value needs a number, or a reason why there is none")
        if self.interval is not None and not self.interval[0] <= self.interval[1]:
            raise ValueError("an interval must be [low, high] with low <= high")
        return self


class RowSpec(_Part):
    """One row: a model, a training set, an amount of data.

    Args:
        name: its header.
        block: rows of equal block stand together, between two lines.
        run: result of a run, for columns without a data set and for all others that ``runs`` doesn't name: a folder of
            ``evalkit score`` or ``evalkit distance``, or its JSON file, relative to this file.
        runs: data set -> result of a run.
        values: plain numbers; they take precedence over the runs.
        facts: numbers about the row itself, which need no source: parameters, hours of data, GPU hours; name of a
            column -> number.
        source: where plain numbers of the row are from.
        note: footnote of the row.
    """

    name: Name
    block: Name | None = None
    run: Text | None = None
    runs: dict[Name, Text] = Field(default_factory=dict)
    values: tuple[ValueSpec, ...] = ()
    facts: dict[Name, Number] = Field(default_factory=dict)
    source: Text | None = None
    note: Text | None = None


class TableSpec(_Part):
    """A whole table.

    Args:
        schema: version of the file's format.
        title: caption of the table.
        label: LaTeX label.
        header: header of the column of names.
        columns: from left to right; those of one data set stand together.
        rows: from top to bottom.
        precision: digits after the decimal point; null for four significant ones.
        interval: whether to print 95 % intervals.
        best: among which rows the best is bold and the second underlined.
        pareto: columns, as ``metric`` or ``dataset/metric``, whose Pareto set of rows is marked: those that no other
            row beats in one of them without being worse in another.
    """

    schema_: Literal[1] = Field(1, alias="schema")
    title: Text | None = None
    label: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9:._-]{1,80}$")] | None = None
    header: Name = "Model"
    columns: Annotated[tuple[ColumnSpec, ...], Field(min_length=1, max_length=200)]
    rows: Annotated[tuple[RowSpec, ...], Field(min_length=1, max_length=5000)]
    precision: Decimals | None = None
    interval: bool = False
    best: Literal["table", "block", "none"] = "table"
    pareto: Annotated[tuple[Name, ...], Field(max_length=20)] = ()

    @model_validator(mode="after")
    def _unique(self) -> TableSpec:
        columns = [(column.metric, column.dataset) for column in self.columns]
        if twice := next((one for one in columns if columns.count(one) > 1), None):
            where = f" of the data set '{twice[1]}'" if twice[1] else ""
            raise ValueError(f"the column '{twice[0]}'{where} appears twice")
        known = set(columns)
        datasets = {column.dataset for column in self.columns}
        for row in self.rows:
            for value in row.values:
                if (value.metric, value.dataset) not in known:
                    where = f" of the data set '{value.dataset}'" if value.dataset else ""
                    raise ValueError(
                        f"the row '{row.name}' has a value for '{value.metric}'{where}, which is no column"
                    )
                if value.value is not None and value.source is None and row.source is None:
                    raise ValueError(f"the row '{row.name}' has a plain number for '{value.metric}' without a source")
            for name in row.facts:
                if (name, None) not in known:
                    raise ValueError(f"the row '{row.name}' has the fact '{name}', which is no column")
                if any((value.metric, value.dataset) == (name, None) for value in row.values):
                    raise ValueError(f"the row '{row.name}' has '{name}' among its values and among its facts")
            for name in row.runs:
                if name not in datasets:
                    raise ValueError(f"the row '{row.name}' has a run for '{name}', which is no column's data set")
        return self

    @model_validator(mode="after")
    def _known_names(self) -> TableSpec:
        keys = [key_of(column) for column in self.columns]
        if unknown := next((name for name in self.pareto if name not in keys), None):
            raise ValueError(f"'pareto' names '{unknown}', which is no column; there are {', '.join(keys)}"[:400])
        rows = {row.name for row in self.rows}
        for column in self.columns:
            if column.reference is not None and column.formula is None:
                raise ValueError(f"the column '{column.metric}' has a reference and no formula")
            if column.reference is not None and column.reference not in rows:
                raise ValueError(
                    f"the column '{column.metric}' names the reference '{column.reference}', which is no row"
                )
            if column.formula is not None and column.formula not in FORMULAS:
                near = did_you_mean(column.formula, [*FORMULAS])
                raise ValueError(f"there is no formula '{column.formula}'; there are {', '.join(FORMULAS)}.{near}")
            if column.formula is not None and column.reference is None and FORMULAS[column.formula].rule == "closeness":
                raise ValueError(f"the formula '{column.formula}' needs a 'reference', the row of the real videos")
        return self


def key_of(column: ColumnSpec) -> str:
    """Return the name under which ``pareto`` and CSV files know a column."""
    return f"{column.dataset}/{column.metric}" if column.dataset else column.metric


def load_table(path: Path) -> tuple[TableSpec, YamlDocument]:
    """Return the table that a file describes, and where each part of it stands.

    Raises:
        InputError: it can't be read, or has faults; each is named with its line.
    """
    document = parse_yaml(read_text(path, kind=InputError, what="The table"), str(path))
    return validate_model(TableSpec, document), document


def place_of(document: YamlDocument, *where: Any) -> str:
    """Return ``FILE, line N`` of a part of the file."""
    return f"{document.source}, line {document.line(where)}"
