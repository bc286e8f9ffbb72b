"""The file with a paper's published figures and what is said of them: `evalkit table-check FILE`."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

MAX_ROWS = 500  # of a file, all tables together: every two of them are compared
NUMBER = re.compile(r"[-+]?[0-9]{1,20}(?:\.[0-9]{1,20})?(?:[eE][-+]?[0-9]{1,2})?")
_MARKS = re.compile(r"^[*_\s]+|[*_†‡§↑↓\s]+$")  # bold, italics, footnotes, arrows around a number
_GAPS = {"", "-", "\u2013", "\u2014", "n/a", "na", "nan", "none", "/"}

Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Words = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
Cell = Annotated[str, StringConstraints(max_length=60)]
Better = Literal["higher", "lower", "neither"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def number_in(text: str) -> Decimal | None:
    """Return the number that a printed cell says, with its digits; ``None`` for a gap.

    Marks around it (``**38.01**``), ``%`` after it and a deviation (``0.95 ± 0.02``) are left away.

    Raises:
        ValueError: it says something else.
    """
    bare = _MARKS.sub("", text.split("±", maxsplit=1)[0].split("+-", maxsplit=1)[0]).removesuffix("%").strip()
    if bare.lower() in _GAPS:
        return None
    if not NUMBER.fullmatch(bare):
        raise ValueError("must be a number as it is printed, such as 38.01 or '0.90', or null for a gap")
    return Decimal(bare)


class PublishedColumn(_Part):
    """One column of a published table.

    Args:
        name: its header; columns of equal names in several tables are taken for the same quantity.
        better: which side is better.
    """

    name: Name
    better: Better = "neither"


class PublishedRow(_Part):
    """One row of a published table.

    Args:
        name: its header.
        block: rows of equal block are compared with each other alone by ``best``.
        values: the cells as they are printed, one for each column; null for a gap. Trailing zeros count: 0.90 has two
            digits.
    """

    name: Name
    block: Name | None = None
    values: Annotated[tuple[Cell | None, ...], Field(min_length=1, max_length=100)]

    @field_validator("values")
    @classmethod
    def _numbers(cls, values: tuple[str | None, ...]) -> tuple[str | None, ...]:
        for text in values:
            if text is not None:
                number_in(text)
        return values

    def numbers(self) -> tuple[Decimal | None, ...]:
        """Return the cells' numbers, a gap as ``None``."""
        return tuple(None if text is None else number_in(text) for text in self.values)


class PublishedTable(_Part):
    """One published table: its columns and rows, or a CSV file with them.

    Args:
        name: as the paper calls it.
        file: a CSV file beside this one, in place of columns and rows: headers in its first line, names in its first
            column; columns without a number are left out, and an arrow in a header says which side is better.
        columns: from left to right, without the names.
        rows: from top to bottom.
    """

    name: Name
    file: Name | None = None
    columns: Annotated[tuple[PublishedColumn, ...], Field(max_length=100)] = ()
    rows: Annotated[tuple[PublishedRow, ...], Field(max_length=MAX_ROWS)] = ()

    @model_validator(mode="after")
    def _whole(self) -> PublishedTable:
        if self.file is not None:
            if self.columns or self.rows:
                raise ValueError("a table has either a file, or columns and rows")
            return self
        if not self.columns or not self.rows:
            raise ValueError("a table needs columns and rows, or a file")
        for kind, names in (("column", [c.name for c in self.columns]), ("row", [r.name for r in self.rows])):
            if twice := next((name for name in names if names.count(name) > 1), None):
                raise ValueError(f"the {kind} '{twice}' appears twice")
        for row in self.rows:
            if len(row.values) != len(self.columns):
                raise ValueError(f"the row '{row.name}' has {len(row.values)} values for {len(self.columns)} columns")
        return self


class SumRule(_Part):
    """Parts that must add up.

    Args:
        title: what is added up.
        parts: the numbers.
        total: what they must come to, such as 100 for percentages.
        within: how far off the sum may be (default: half a unit of the last digit for each number with decimals).
        said: the sentence that says so, for readers.
    """

    title: Name
    parts: Annotated[tuple[Cell, ...], Field(min_length=1, max_length=200)]
    total: Cell
    within: Annotated[float, Field(ge=0)] | None = None
    said: Words | None = None

    @field_validator("parts", "total")
    @classmethod
    def _numbers(cls, value: tuple[str, ...] | str) -> tuple[str, ...] | str:
        for text in (value,) if isinstance(value, str) else value:
            if number_in(text) is None:
                raise ValueError("must be a number, not a gap")
        return value


class SameClaim(_Part):
    """Two rows that are one run, and so must agree digit by digit in the columns that both tables have.

    Args:
        table: of the row.
        row: one of them.
        other_table: of the other row (default: the same table).
        other: the other row.
        said: the sentence that says so.
    """

    table: Name
    row: Name
    other_table: Name | None = None
    other: Name
    said: Words | None = None


class BestClaim(_Part):
    """A row that is said to be the best of a column.

    Args:
        table: its table.
        row: the best one.
        columns: in which columns (default: in all that have a better side).
        block: only rows of this block are compared.
        said: the sentence that says so.
    """

    table: Name
    row: Name
    columns: tuple[Name, ...] = ()
    block: Name | None = None
    said: Words | None = None


class BetterClaim(_Part):
    """A row that is said to be better than another one.

    Args:
        table: of the row.
        row: the better one.
        than_table: of the other row (default: the same table).
        than: the other row.
        columns: in which columns (default: in all that both tables have and that have a better side).
        said: the sentence that says so.
    """

    table: Name
    row: Name
    than_table: Name | None = None
    than: Name
    columns: tuple[Name, ...] = ()
    said: Words | None = None


class AlikeClaim(_Part):
    """Two columns that are said to rank the rows alike, or not alike.

    Args:
        table: its table.
        columns: the two.
        at_least: smallest Spearman correlation that bears it out; columns of opposite better sides are turned.
        at_most: largest one.
        said: the sentence that says so.
    """

    table: Name
    columns: tuple[Name, Name]
    at_least: Annotated[float, Field(ge=-1, le=1)] | None = None
    at_most: Annotated[float, Field(ge=-1, le=1)] | None = None
    said: Words | None = None

    @model_validator(mode="after")
    def _limits(self) -> AlikeClaim:
        if self.at_least is None and self.at_most is None:
            raise ValueError("needs 'at_least' or 'at_most'")
        return self


class TotalRule(_Part):
    """A column that follows from others of its row.

    Args:
        table: its table.
        column: the total.
        formula: one of opens2v-v1.1, opens2v-v1.1-human, opens2v-v1.0, opens2v-v1.0-human, theval, theval-normalized.
        reference: for theval, the row with the numbers of the real videos.
        within: how far off the printed number may be, in its own unit (default: half a unit of its last digit, and as
            much as the terms' own rounding can make).
        said: the sentence that says so.
    """

    table: Name
    column: Name
    formula: Name
    reference: Name | None = None
    within: Annotated[float, Field(ge=0)] | None = None
    said: Words | None = None


class PublishedFigures(_Part):
    """Figures of a paper, and what is said of them.

    Args:
        schema: version of the file's format.
        title: of the paper.
        source: where the figures are from.
        tables: its tables.
        sums: parts that must add up.
        same: rows that are one run.
        best: rows that are said to be best.
        better: rows that are said to be better than others.
        alike: columns that are said to rank alike.
        totals: columns that follow from others.
    """

    schema_: Literal[1] = Field(1, alias="schema")
    title: Words | None = None
    source: Words | None = None
    tables: Annotated[tuple[PublishedTable, ...], Field(max_length=50)] = ()
    sums: Annotated[tuple[SumRule, ...], Field(max_length=200)] = ()
    same: Annotated[tuple[SameClaim, ...], Field(max_length=200)] = ()
    best: Annotated[tuple[BestClaim, ...], Field(max_length=200)] = ()
    better: Annotated[tuple[BetterClaim, ...], Field(max_length=200)] = ()
    alike: Annotated[tuple[AlikeClaim, ...], Field(max_length=200)] = ()
    totals: Annotated[tuple[TotalRule, ...], Field(max_length=200)] = ()

    @model_validator(mode="after")
    def _unique(self) -> PublishedFigures:
        names = [table.name for table in self.tables]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"the table '{twice}' appears twice")
        if not self.tables and not self.sums:
            raise ValueError("there is no table and no sum to check")
        return self
