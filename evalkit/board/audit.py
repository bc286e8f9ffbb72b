"""The log of a board: who did what, when. Every entry seals the one before it and the facts that it wrote."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, Table, select

from evalkit.board.model import AuditEntry
from evalkit.board.tables import audit
from evalkit.jsonio import parse_json


def _image(value: Any) -> dict[str, str]:
    return {"sha256": hashlib.sha256(memoryview(value)).hexdigest()}


_encode = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False, default=_image
).encode


def canonical(content: Any) -> str:
    """Return plain data as JSON in the one form that digests are made of; bytes become their SHA-256."""
    return _encode(content)


def sha256(text: str) -> str:
    """Return the SHA-256 of ``text`` in UTF-8."""
    return hashlib.sha256(text.encode()).hexdigest()


def stored_time(moment: datetime) -> str:
    """Return a moment as the database keeps it: UTC, ISO 8601, microseconds; as text these sort like the times.

    Raises:
        ValueError: when it carries no zone.
    """
    if moment.tzinfo is None:
        raise ValueError(f"the time {moment} carries no zone")
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def next_time(now: datetime, last: str | None) -> str:
    """Return the time of a new entry: ``now``, or the moment after the entry before when the clock stands or goes back.

    Never equal to the entry before, so that the board as of an entry's time can't change any more.
    """
    if last is None:
        return stored_time(now)
    return max(stored_time(now), stored_time(datetime.fromisoformat(last) + timedelta(microseconds=1)))


def entry_digest(previous: str, values: Mapping[str, Any], details: Any) -> str:
    """Return the digest that seals an entry.

    Args:
        previous: digest of the entry before, empty for the first.
        values: the entry's number, at, by, action, subject.
        details: its details as plain data.
    """
    order = ("number", "at", "by", "action", "subject")
    return sha256(canonical([previous, *(values[name] for name in order), details]))


def read_log(connection: Connection, until: int | None = None, limit: int | None = None) -> list[AuditEntry]:
    """Return the entries up to number ``until``, the oldest first; with ``limit`` only the last so many."""
    query = select(audit).order_by(audit.c.number.desc())
    if until is not None:
        query = query.where(audit.c.number <= until)
    if limit is not None:
        query = query.limit(max(limit, 0))
    return [_entry(row) for row in connection.execute(query)][::-1]


def _entry(row: Row[Any]) -> AuditEntry:
    return AuditEntry(
        row.number,
        datetime.fromisoformat(row.at),
        row.by,
        row.action,
        row.subject,
        parse_json(row.details),
        row.digest,
    )


class Seal:
    """Digest over the rows that one entry wrote to one table: all their values, in the order of their numbers.

    ``until`` is not part of a row's values: the entry that ends a row seals that. Values that are NULL are left out, so
    that a column that comes later changes no digest.
    """

    def __init__(self, table: Table) -> None:
        self.added = 0
        self.ended = 0
        self._names = [column.name for column in table.columns]
        self._hash = hashlib.sha256()

    def add(self, row: Sequence[Any]) -> None:
        """Add a row that the entry made, all columns of the table in their order."""
        values = {name: value for name, value in zip(self._names, row, strict=True) if value is not None}
        values.pop("until", None)
        self._hash.update(f"+{_encode(values)}\n".encode())
        self.added += 1

    def end(self, ids: Iterable[int]) -> None:
        """Add the numbers of the rows that the entry ended, after all rows that it made."""
        for number in sorted(ids):
            self._hash.update(f"-{number}\n".encode())
            self.ended += 1

    def as_dict(self) -> dict[str, Any]:
        """Return it as a log entry keeps it."""
        return {"added": self.added, "ended": self.ended, "sha256": self._hash.hexdigest()}


def names(words: Sequence[str], limit: int = 20) -> str:
    """Return the first words in a row, and how many more there are."""
    more = f" and {len(words) - limit} more" if len(words) > limit else ""
    return ", ".join(words[:limit]) + more
