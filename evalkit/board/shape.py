"""Whether a database has the tables of a board, and every value the type of its column.

SQLite keeps any value in any column, and lets anybody who can write the file change its tables.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Column, Connection, Double, Integer, LargeBinary, inspect, text

from evalkit.board.tables import FACTS, audit
from evalkit.text import count, escape_for_display

_VERSION = "board_version"
_SHOWN = 5


def missing_parts(connection: Connection) -> list[str]:
    """Return a sentence for each table or column that is not there: nothing can be compared then."""
    there = _columns(connection)
    found = []
    for table in (audit, *FACTS):
        if table.name not in there:
            found.append(f"The table '{table.name}' is missing.")
        elif gone := {column.name for column in table.columns} - there[table.name]:
            found.append(f"'{table.name}' lacks {count(len(gone), 'column')}: {_names(gone)}.")
    return found


def extra_parts(connection: Connection) -> list[str]:
    """Return a sentence for tables and views that evalkit did not make; nothing reads a column more."""
    known = {table.name for table in (audit, *FACTS)} | {_VERSION}
    look = inspect(connection)
    extra = {*look.get_table_names(), *look.get_view_names()} - known
    if not extra:
        return []
    return [f"{count(len(extra), 'table is', 'tables are')} there that evalkit did not make: {_names(extra)}."]


def wrong_types(connection: Connection) -> Iterator[str]:
    """Yield a sentence for each column that holds values of another type; only SQLite allows that."""
    if connection.dialect.name != "sqlite":
        return
    for table in (audit, *FACTS):
        for column in table.columns:
            wrong = f'SELECT count(*) FROM {table.name} WHERE typeof("{column.name}") NOT IN ({_quoted(column)})'  # noqa: S608
            number = int(connection.execute(text(wrong)).scalar() or 0)
            if number:
                yield f"'{table.name}' holds {count(number, 'value')} of a wrong type in the column '{column.name}'."


def refuse_wrong_types(connection: Connection) -> None:
    """Make sure that values have the types of their columns before anything is computed from them.

    Raises:
        ValueError: naming the first table in which one has not.
    """
    if connection.dialect.name != "sqlite":
        return
    for table in (audit, *FACTS):
        wrong = [f'typeof("{column.name}") NOT IN ({_quoted(column)})' for column in table.columns]
        query = f"SELECT 1 FROM {table.name} WHERE {' OR '.join(wrong)} LIMIT 1"  # noqa: S608 - names of the product
        if connection.execute(text(query)).first() is not None:
            raise ValueError(f"a value of a wrong type in '{table.name}'")


def _quoted(column: Column[object]) -> str:
    return ", ".join(f"'{kind}'" for kind in _kinds(column))


def _kinds(column: Column[object]) -> list[str]:
    kinds = ["text"]
    if isinstance(column.type, Integer):
        kinds = ["integer"]
    elif isinstance(column.type, Double):
        kinds = ["real", "integer"]
    elif isinstance(column.type, LargeBinary):
        kinds = ["blob"]
    return [*kinds, "null"] if column.nullable else kinds


def _columns(connection: Connection) -> dict[str, set[str]]:
    """Return table -> its columns."""
    look = inspect(connection)
    return {name: {str(one["name"]) for one in look.get_columns(name)} for name in look.get_table_names()}


def _names(found: set[str]) -> str:
    words = sorted(escape_for_display(name, limit=80) for name in found)
    more = f" and {len(words) - _SHOWN} more" if len(words) > _SHOWN else ""
    return ", ".join(words[:_SHOWN]) + more
