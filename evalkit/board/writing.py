"""One change of a board: one transaction, one entry in the log, or nothing at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Table, bindparam, func, insert, select, update
from sqlalchemy import column as sql_column
from sqlalchemy.dialects import postgresql, sqlite

from evalkit.board.audit import Seal, canonical, entry_digest, next_time
from evalkit.board.database_location import WRITES
from evalkit.board.tables import FACTS, audit, is_active

BATCH = 1000
_MANY = 500  # values in one IN (...)


class Write:
    """A transaction that writes. Facts are added and ended; `log` closes it with the entry that seals them.

    Args:
        connection: inside a transaction that keeps all other writers out.
        by: who writes.
        now: the clock.
    """

    def __init__(self, connection: Connection, by: str, now: Callable[[], datetime]) -> None:
        self.connection = connection
        self.by = by
        self.logged = False
        self._now = now
        last = connection.execute(select(audit).order_by(audit.c.number.desc()).limit(1)).first()
        self.number = 1 if last is None else last.number + 1
        self._previous = "" if last is None else last.digest
        self._last_at = None if last is None else last.at
        self._next: dict[str, int] = {}
        self._added: set[str] = set()
        self._ended: dict[str, list[int]] = {}

    @property
    def changed(self) -> bool:
        """Whether any fact was added or ended so far."""
        return bool(self._added or self._ended)

    def add(self, table: Table, rows: Iterable[Mapping[str, Any]]) -> list[int]:
        """Add facts that are active from now on; return their numbers."""
        values = [self._row(table, row) for row in rows]
        for start in range(0, len(values), BATCH):
            self.connection.execute(insert(table), values[start : start + BATCH])
        if values:
            self._added.add(table.name)
        return [row["id"] for row in values]

    def add_unknown(self, table: Table, rows: Iterable[Mapping[str, Any]]) -> tuple[int, int, int]:
        """Add facts whose ``identity`` the table does not hold yet, in batches.

        A known one that comes with another ``status`` is ended, and the new one takes its place. Of twins among
        ``rows`` the first is taken, so that the same rows again change nothing.

        Returns:
            How many were new, how many took the place of one with another status, and how many were known.
        """
        new = changed = read = 0
        met = bytearray()  # by number: the known facts that came already
        stream = iter(rows)
        while batch := list(islice(stream, BATCH)):
            read += len(batch)
            first = {row["identity"]: row for row in reversed(batch)}  # of twins, the first
            query = select(table.c.id, table.c.identity, table.c.status, table.c.since)
            query = query.where(is_active(table), table.c.identity.in_(list(first)))
            known, stale = set(), []
            for held in self.connection.execute(query):
                known.add(held.identity)
                if held.since == self.number:
                    continue  # it came with these rows
                met.extend(bytes(max(0, held.id + 1 - len(met))))
                if not met[held.id] and held.status != first[held.identity]["status"]:
                    stale.append(held.id)
                    known.discard(held.identity)
                met[held.id] = 1
            for some in chunks(stale):
                self.end(table, table.c.id.in_(some))
            fresh = [row for row in batch if row["identity"] not in known and first[row["identity"]] is row]
            if fresh:
                self._insert_unknown(table, [self._row(table, row) for row in fresh])
                new += len(fresh) - len(stale)
                changed += len(stale)
        if new or changed:
            self._added.add(table.name)
        return new, changed, read - new - changed

    def _insert_unknown(self, table: Table, rows: list[dict[str, Any]]) -> None:
        # Nobody else writes now, so nothing conflicts; were it otherwise, what is there would stay as it is.
        if self.connection.dialect.name == "sqlite":
            self.connection.execute(sqlite.insert(table).on_conflict_do_nothing(["identity"], is_active(table)), rows)
            return
        # One statement per batch with an array per column: a tenth of the time of one statement per row.
        columns = [table.c[name] for name in rows[0]]
        arrays = [bindparam(f"all_{column.name}", type_=postgresql.ARRAY(column.type)) for column in columns]
        fields = [sql_column(column.name, column.type) for column in columns]
        given = select(func.unnest(*arrays).table_valued(*fields).render_derived(name="given"))
        statement = postgresql.insert(table).from_select(columns, given).on_conflict_do_nothing()
        self.connection.execute(
            statement, {f"all_{column.name}": [row[column.name] for row in rows] for column in columns}
        )

    def end(self, table: Table, condition: ColumnElement[bool]) -> int:
        """End the active facts that ``condition`` selects; return how many."""
        ids = list(self.connection.execute(select(table.c.id).where(is_active(table), condition)).scalars())
        for some in chunks(ids):
            self.connection.execute(update(table).where(table.c.id.in_(some)).values(until=self.number))
        if ids:
            self._ended.setdefault(table.name, []).extend(ids)
        return len(ids)

    def log(self, action: str, subject: str, details: Mapping[str, Any] | None = None) -> None:
        """Write the entry; nothing may be added or ended after it."""
        content = {**(details or {}), "facts": self._seals()}
        at = next_time(self._now(), self._last_at)
        values = {"number": self.number, "at": at, "by": self.by, "action": action, "subject": subject}
        digest = entry_digest(self._previous, values, content)
        self.connection.execute(insert(audit), {**values, "details": canonical(content), "digest": digest})
        self.logged = True

    def _row(self, table: Table, row: Mapping[str, Any]) -> dict[str, Any]:
        number = self._next.get(table.name)
        if number is None:
            number = (self.connection.execute(select(func.max(table.c.id))).scalar() or 0) + 1
        self._next[table.name] = number + 1
        return {**row, "id": number, "since": self.number}

    def _seals(self) -> dict[str, Any]:
        seals = {}
        for table in FACTS:
            if table.name not in self._added and table.name not in self._ended:
                continue
            seal = Seal(table)
            query = select(table).where(table.c.since == self.number).order_by(table.c.id)
            for row in streamed(self.connection, query):
                seal.add(row)
            seal.end(self._ended.get(table.name, ()))
            seals[table.name] = seal.as_dict()
        return seals


def streamed(connection: Connection, query: Any) -> Any:
    """Return the rows of ``query`` without holding all of them at once."""
    return connection.execute(query, execution_options={"yield_per": BATCH})


def chunks(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Yield ``values`` in parts that fit into one IN (...)."""
    for start in range(0, len(values), _MANY):
        yield values[start : start + _MANY]


@contextmanager
def writing(engine: Engine, by: str, now: Callable[[], datetime], *, keep: bool = True) -> Iterator[Write]:
    """Open a writing transaction; it is committed when the block ends well and something was logged.

    With ``keep`` off it is a dry run: all is done and checked, and in the end undone.

    Raises:
        RuntimeError: when facts were written and no entry says so.
    """
    with engine.connect().execution_options(**{WRITES: True}) as connection, connection.begin() as transaction:
        write = Write(connection, by, now)
        yield write
        if write.logged and keep:
            transaction.commit()
        elif write.changed and not write.logged:
            raise RuntimeError("facts were written and no log entry says so")
        else:
            transaction.rollback()
