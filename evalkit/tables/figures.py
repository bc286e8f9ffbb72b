"""What the check of published figures says: findings with their places; and the figures by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from evalkit.errors import InputError, did_you_mean
from evalkit.tables.published import PublishedFigures, PublishedTable
from evalkit.yamlio import YamlDocument

Verdict = Literal["holds", "fails", "suspicious", "note", "open"]
LEAST_ROWS = 4  # of a rank correlation that is told


@dataclass(frozen=True)
class Place:
    """A cell or a row of a table.

    Args:
        table: its table.
        row: its row; ``None`` for a whole column.
        column: its column; ``None`` for a whole row.
        value: the cell as it is printed.
    """

    table: str
    row: str | None = None
    column: str | None = None
    value: str | None = None


@dataclass(frozen=True)
class CheckFinding:
    """One thing that was checked.

    Args:
        rule: ``duplicate-row``, ``duplicate-cell``, ``one-signal``, or the key of the file: ``sums``, ``same``,
            ``best``, ``better``, ``alike``, ``totals``.
        verdict: ``holds``; ``fails``: the numbers say otherwise; ``suspicious``: probably an error of copying;
            ``note``: worth knowing; ``open``: numbers are missing.
        text: what was found, in a sentence.
        places: where.
        said: the sentence of the paper that was checked.
        line: of the file.
    """

    rule: str
    verdict: Verdict
    text: str
    places: tuple[Place, ...] = ()
    said: str | None = None
    line: int | None = None


@dataclass(frozen=True)
class RankCorrelation:
    """How alike two columns rank the rows: Spearman's coefficient of the printed numbers, sides not turned."""

    table: str
    columns: tuple[str, str]
    rows: int
    spearman: float | None


@dataclass(frozen=True)
class TableCheck:
    """What came of a file of figures.

    Args:
        title: of the paper.
        source: where the figures are from.
        tables: how many there are.
        cells: how many numbers they have.
        findings: in the order of the tables, then of the file.
        correlations: of every two columns of every table.
    """

    title: str | None
    source: str | None
    tables: int
    cells: int
    findings: tuple[CheckFinding, ...]
    correlations: tuple[RankCorrelation, ...] = field(default=())

    @property
    def clean(self) -> bool:
        """Whether nothing fails and nothing looks like an error of copying."""
        return not any(one.verdict in {"fails", "suspicious"} for one in self.findings)

    @property
    def complete(self) -> bool:
        """Whether everything could be judged."""
        return not any(one.verdict == "open" for one in self.findings)


class FigureIndex:
    """Finds tables, rows and columns by their names.

    Args:
        figures: the file.
        document: where its parts stand.
    """

    def __init__(self, figures: PublishedFigures, document: YamlDocument) -> None:
        self.figures, self._document = figures, document
        self._tables = {table.name: table for table in figures.tables}
        self.numbers = {
            (table.name, row.name): dict(zip([c.name for c in table.columns], row.numbers(), strict=True))
            for table in figures.tables
            for row in table.rows
        }
        self.printed = {
            (table.name, row.name): dict(zip([c.name for c in table.columns], row.values, strict=True))
            for table in figures.tables
            for row in table.rows
        }

    def line(self, *where: Any) -> int:
        """Return the line of a part of the file."""
        return self._document.line(where)

    def place_text(self, *where: Any) -> str:
        """Return ``FILE, line N`` of a part of the file."""
        return f"{self._document.source}, line {self.line(*where)}"

    def table(self, name: str, *where: Any) -> PublishedTable:
        """Return a table."""
        if name not in self._tables:
            raise self._unknown("table", name, [*self._tables], where)
        return self._tables[name]

    def row(self, table: str, name: str, *where: Any) -> dict[str, Decimal | None]:
        """Return the numbers of a row by column."""
        rows = [row.name for row in self.table(table, *where).rows]
        if name not in rows:
            raise self._unknown(f"row in '{table}'", name, rows, where)
        return self.numbers[table, name]

    def column(self, table: str, name: str, *where: Any) -> str:
        """Return the better side of a column."""
        columns = {column.name: column.better for column in self.table(table, *where).columns}
        if name not in columns:
            raise self._unknown(f"column in '{table}'", name, [*columns], where)
        return columns[name]

    def place(self, table: str, row: str, column: str) -> Place:
        """Return a cell's place."""
        return Place(table, row, column, self.printed[table, row][column])

    def _unknown(self, kind: str, name: str, known: Sequence[str], where: tuple[Any, ...]) -> InputError:
        return InputError(
            f"{self.place_text(*where)}: there is no {kind} with the name '{name}'.{did_you_mean(name, list(known))}",
            expected=", ".join(known)[:200] or None,
        )


def spearman(pairs: Sequence[tuple[Decimal | None, Decimal | None]]) -> tuple[int, float | None]:
    """Return how many rows have both numbers, and Spearman's coefficient of these; ``None`` where there is none."""
    import numpy as np

    from evalkit.statistics.correlation import correlate

    both = [(float(a), float(b)) for a, b in pairs if a is not None and b is not None]
    if len(both) < LEAST_ROWS:
        return len(both), None
    found = correlate(np.array([a for a, _ in both]), np.array([b for _, b in both]), draws=0)
    return len(both), found.srcc.value
