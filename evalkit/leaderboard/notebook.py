"""How a leaderboard shows itself in a notebook."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from evalkit.leaderboard.table import NO_CELL, Column, Row
from evalkit.notebook.fragment import MOST_ROWS, Cell, Sentence, Table, fragment
from evalkit.notebook.pictures import interval
from evalkit.text import count, format_value

COLUMNS = 8  # of values
NAMED = 4  # runs that are named as tied with one
_ARROWS = {True: "higher is better", False: "lower is better", None: ""}


def leaderboard_fragment(
    rule: str,
    columns: Sequence[Column],
    rows: Sequence[Row],
    tied_with: Callable[[str], list[str]],
    sentences: Iterable[str],
) -> str:
    """Return the HTML of a leaderboard: the ranked runs with their rank intervals, then the others with the reason.

    Args:
        rule: of the ranking.
        columns, rows: of the leaderboard.
        tied_with: returns the labels that are statistically tied with one.
        sentences: why nothing could be ranked, why the ranking is provisional, why there are no rank intervals.
    """
    ranked = [row for row in rows if row.rank is not None]
    last = max([len(ranked), *(max(row.rank or 0, *(row.interval or (0,))) for row in ranked)])
    counting = [column for column in columns if column.counts]
    shown = [*counting, *(column for column in columns if not column.counts)][:COLUMNS]
    more = f", {count(len(columns) - len(shown), 'more column')}" if len(columns) > len(shown) else ""
    heads: list[Cell | str] = ["team", Cell("rank", number=True), "rank interval", Cell("score", number=True)]
    heads += [_head(column) for column in shown]
    others = f", {len(rows) - len(ranked)} not ranked" if len(rows) > len(ranked) else ""
    table = Table(
        f"Runs, best first{more}",
        heads,
        [_cells(row, shown, last, tied_with(row.label)) for row in rows[:MOST_ROWS]],
        total=len(rows),
        what="run",
        rest="to_pandas()",
    )
    title = f"Leaderboard by {rule}: {count(len(ranked), 'run')} ranked{others}"
    return fragment(title, *(Sentence(sentence) for sentence in sentences), table if rows else None)


def _head(column: Column) -> Cell:
    words = [_ARROWS[column.higher_is_better], column.unit, "" if column.counts else "does not rank"]
    title = column.published_as or column.title or column.id
    return Cell(title, ", ".join(word for word in words if word), number=True)


def _cells(row: Row, columns: Sequence[Column], last: int, ties: Sequence[str]) -> list[Cell]:
    name = Cell(row.team, f"run {row.run}")
    if row.rank is None:
        reasons = [one.sentence for one in row.reasons]
        why = reasons[0] if reasons else "" if row.primary else "does not compete"
        why += f" And {count(len(reasons) - 1, 'more reason')}." if len(reasons) > 1 else ""
        place = [Cell("not ranked", number=True, tone="muted"), Cell(note=why), Cell()]
    else:
        score = Cell(format_value(row.score), number=True)
        place = [Cell(str(row.rank), number=True), _rank_interval(row, last, ties), score]
    return [name, *place, *(_value(row, column) for column in columns)]


def _rank_interval(row: Row, last: int, ties: Sequence[str]) -> Cell:
    tied = ", ".join(ties[:NAMED]) + (f" and {len(ties) - NAMED} more" if len(ties) > NAMED else "")
    note = f"tied with {tied}" if ties else ""
    if row.interval is None or row.rank is None:
        return Cell(note=note)
    low, high = row.interval
    words = f"rank {low}" if low == high else f"ranks {low} to {high}"
    drawn = interval(low, high, row.rank, axis=(1, last), label=f"{words} of {last}")
    return Cell(picture=drawn, note=f"{words}, {note}" if note else words)


def _value(row: Row, column: Column) -> Cell:
    cell = row.cells.get(column.id, NO_CELL)
    if cell.value is None:
        return Cell(cell.reason or "unknown", number=True, tone="muted")
    notes = [] if cell.ci is None else [f"{format_value(cell.ci[0])} to {format_value(cell.ci[1])}"]
    notes += ["best"] if cell.best else []
    return Cell(format_value(cell.value), ", ".join(notes), number=True)
