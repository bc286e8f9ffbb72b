"""Create the tables of a board, and bring those of an older evalkit up to date.

A new board is created from `evalkit.board.tables` and `evalkit.board.triggers` at once. A change of these in a later
version of evalkit needs a step in `UPGRADES` that changes existing boards in the same way; on SQLite, where triggers
list a table's columns, a step that adds a column also drops and creates the triggers of that table.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from sqlalchemy import Column, Connection, MetaData, String, Table, inspect, select, text, update

from evalkit.board.tables import gold_pairs, metadata, speeds
from evalkit.board.triggers import protection_of, protection_statements

FIRST_REVISION = "0001"


def _add(table: Table, connection: Connection) -> None:
    """Add a table."""
    table.create(connection)
    for statement in protection_of(connection.dialect.name, table.name):
        connection.execute(text(statement))


# (revision that the step leads to, what it does), the oldest first.
UPGRADES: tuple[tuple[str, Callable[[Connection], None]], ...] = (
    ("0002", partial(_add, speeds)),
    ("0003", partial(_add, gold_pairs)),
)

_version = Table("board_version", MetaData(), Column("version_num", String(32), primary_key=True))


def known_revisions() -> list[str]:
    """Return the revisions that this evalkit knows, the newest first."""
    return [*(revision for revision, _ in reversed(UPGRADES)), FIRST_REVISION]


def revision_of(connection: Connection) -> str | None:
    """Return the revision of the board behind ``connection``; ``None`` when there is no board."""
    if not inspect(connection).has_table(_version.name):
        return None
    return connection.execute(select(_version.c.version_num)).scalar()


def create_tables(connection: Connection) -> None:
    """Create tables, indexes and triggers, inside the transaction that ``connection`` is in."""
    metadata.create_all(connection)
    for statement in protection_statements(connection.dialect.name):
        connection.execute(text(statement))
    _version.create(connection)
    connection.execute(_version.insert(), {"version_num": known_revisions()[0]})


def upgrade_tables(connection: Connection, revision: str) -> None:
    """Bring the tables from ``revision`` to the newest one, inside the transaction that ``connection`` is in."""
    done = known_revisions()[::-1].index(revision)
    for newer, step in UPGRADES[done:]:
        step(connection)
        connection.execute(update(_version).values(version_num=newer))
