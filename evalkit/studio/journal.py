"""The studio's own file: what the board has no place for, and answers on their way to the board.

A SQLite file beside the plan. A row of ``answers`` is durable before anybody is told, and marked when the board has it:
whatever is not marked after a crash is given to the board again, which takes nothing twice.
"""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from evalkit.errors import InputError, StorageError
from evalkit.jsonio import parse_json

FORMAT = 1
_TABLES = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE answers (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    rater TEXT NOT NULL,
    item TEXT NOT NULL,
    given TEXT NOT NULL,
    at TEXT NOT NULL,
    on_board INTEGER NOT NULL,
    UNIQUE (rater, item)
);
CREATE TABLE consents (rater TEXT PRIMARY KEY, at TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE asked (rater TEXT NOT NULL, item TEXT NOT NULL, at TEXT NOT NULL, PRIMARY KEY (rater, item)) WITHOUT ROWID;
CREATE TABLE fetched (
    rater TEXT NOT NULL, medium TEXT NOT NULL, share REAL NOT NULL, PRIMARY KEY (rater, medium)
) WITHOUT ROWID;
CREATE TABLE places (
    rater TEXT PRIMARY KEY, at TEXT NOT NULL, how TEXT NOT NULL, worker TEXT UNIQUE, worker_id TEXT
) WITHOUT ROWID;
CREATE TABLE extras (rater TEXT PRIMARY KEY, token TEXT NOT NULL UNIQUE, alike TEXT NOT NULL) WITHOUT ROWID;
"""
_INDEX = "CREATE INDEX IF NOT EXISTS waiting ON answers (number) WHERE on_board = 0"  # files of before have none
_ASKED = """
SELECT asked.rater, asked.item, asked.at FROM asked LEFT JOIN answers USING (rater, item)
WHERE answers.number IS NULL OR answers.number IN (SELECT max(number) FROM answers GROUP BY rater)
"""
_CACHE_KIB = 512  # the system keeps the file's pages, too
_AT_ONCE = 500  # answers that are read at once
_COLUMNS = "number, id, rater, item, given, at, on_board"


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """One answer as the page gave it, and when it came.

    Args:
        id: that the page made.
        rater, item: of the plan.
        values: question -> answer; of comparisons 1, 0.5 or 0 for the left side. None
            where a video could not be played.
        at: when the server had it.
        seconds: from when the server first asked until the answer came, the page's where the page was without a
            connection; ``None`` where it does not know.
        page_seconds: that the page measured.
        watched: share of each video that was played, as the page says.
        shown_at, answered_at: by the rater's clock.
        on_board: whether the board has it, or need not have it.
        number: counts up from 1; 0 before it is stored.
    """

    id: str
    rater: str
    item: str
    values: Mapping[str, float]
    at: datetime
    seconds: float | None
    page_seconds: float
    watched: tuple[float, ...]
    shown_at: str
    answered_at: str
    on_board: bool = False
    number: int = 0


@dataclass(frozen=True)
class Place:
    """A rater's place that was given to somebody.

    Args:
        how: ``join`` or ``invite``.
        worker: keyed digest of a platform's worker id; ``None`` for an invitation.
        worker_id: the id itself, where the plan keeps it.
    """

    rater: str
    how: str
    worker: str | None = None
    worker_id: str | None = None


@dataclass
class Held:
    """All that the journal holds but the answers.

    Of what was asked only what has no answer, and each rater's last item that has one.
    """

    paused: bool = False
    consents: dict[str, str] = field(default_factory=dict)
    asked: dict[tuple[str, str], datetime] = field(default_factory=dict)
    fetched: dict[tuple[str, str], float] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)
    extras: dict[str, tuple[str, str]] = field(default_factory=dict)


class Journal:
    """The file, opened by one process alone, and used by any of its threads."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        self._lock = threading.Lock()

    @classmethod
    def open(cls, path: Path, plan_sha256: str) -> Journal:
        """Open the journal of a plan, or make it.

        Raises:
            InputError: it is another plan's, something else, or in use by another process.
            StorageError: it can't be read or written.
        """
        new = not path.exists()
        if new:
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0.5)
        try:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            connection.execute("BEGIN IMMEDIATE")
            if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                for statement in _TABLES.split(";"):
                    connection.execute(statement)
                facts = {"format": str(FORMAT), "plan": plan_sha256, "secret": secrets.token_hex(32), "paused": ""}
                connection.executemany("INSERT INTO facts VALUES (?, ?)", facts.items())
            connection.execute(_INDEX)
            connection.execute("COMMIT")
            facts = dict(connection.execute("SELECT name, value FROM facts"))
        except sqlite3.Error as error:
            connection.close()
            if "locked" in str(error):
                raise InputError(
                    f"{path} is in use: another 'evalkit studio serve' runs with this plan.", fix="Stop that one first."
                ) from None
            raise StorageError(f"{path} can't be used as the studio's file.", found=str(error)) from None
        if facts.get("format") != str(FORMAT) or facts.get("plan") != plan_sha256:
            connection.close()
            raise InputError(
                f"{path} belongs to another plan.",
                found=str(facts.get("plan"))[:16],
                expected=plan_sha256[:16],
                fix="Give each plan a folder of its own with --data.",
            )
        return cls(path, connection)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @property
    def secret(self) -> bytes:
        """The key of all keyed digests of this studio."""
        row = self._connection.execute("SELECT value FROM facts WHERE name = 'secret'").fetchone()
        return bytes.fromhex(row[0])

    def held(self) -> Held:
        """Return all but the answers."""
        run = self._connection.execute
        return Held(
            paused=bool(run("SELECT value FROM facts WHERE name = 'paused'").fetchone()[0]),
            consents=dict(run("SELECT rater, at FROM consents").fetchall()),
            asked={(r, i): datetime.fromisoformat(at) for r, i, at in run(_ASKED)},
            fetched={(r, m): share for r, m, share in run("SELECT rater, medium, share FROM fetched")},
            places={r: Place(r, *rest) for r, *rest in run("SELECT rater, how, worker, worker_id FROM places")},
            extras={r: (token, alike) for r, token, alike in run("SELECT rater, token, alike FROM extras")},
        )

    def each_answer(self) -> Iterator[StoredAnswer]:
        """Yield the answers in the order in which they came; few of them are in memory at a time."""
        query = f"SELECT {_COLUMNS} FROM answers WHERE number > ? ORDER BY number LIMIT ?"  # noqa: S608
        last = 0
        while rows := self._rows(query, last, _AT_ONCE):
            yield from map(_answer, rows)
            last = rows[-1][0]

    def answers(self) -> list[StoredAnswer]:
        """Return the answers in the order in which they came."""
        return list(self.each_answer())

    def answer_to(self, rater: str, item: str) -> StoredAnswer | None:
        """Return a rater's answer to an item, if there is one."""
        rows = self._rows(f"SELECT {_COLUMNS} FROM answers WHERE rater = ? AND item = ?", rater, item)  # noqa: S608
        return _answer(rows[0]) if rows else None

    def is_empty(self) -> bool:
        """Return whether there is no answer."""
        return not self._rows("SELECT 1 FROM answers LIMIT 1")

    def waiting(self, after: int, most: int) -> list[StoredAnswer]:
        """Return answers that are not marked as being on the board, in the order in which they came.

        Args:
            after: only those with a greater number.
            most: how many at most.
        """
        query = f"SELECT {_COLUMNS} FROM answers WHERE on_board = 0 AND number > ? ORDER BY number LIMIT ?"  # noqa: S608
        return [_answer(row) for row in self._rows(query, after, most)]

    def count_waiting(self, after: int) -> tuple[int, datetime | None]:
        """Return how many answers `waiting` has in all, and when the first of them came."""
        ((count, first),) = self._rows(
            "SELECT count(*), min(number) FROM answers WHERE on_board = 0 AND number > ?", after
        )
        rows = self._rows("SELECT at FROM answers WHERE number = ?", first)
        return count, datetime.fromisoformat(rows[0][0]) if rows else None

    def last_waiting(self) -> int:
        """Return the number of the last answer that is not marked as being on the board; 0 where there is none."""
        return int(self._rows("SELECT max(number) FROM answers WHERE on_board = 0")[0][0] or 0)

    def _rows(self, query: str, *values: Any) -> list[Any]:
        with self._lock:
            return self._connection.execute(query, values).fetchall()

    def apply(self, changes: Iterable[tuple[str, tuple[Any, ...]]]) -> None:
        """Make changes (statement, values), all of them durable when this returns, or none.

        Raises:
            StorageError: when they can't be written.
        """
        try:
            with self._lock:
                self._apply(changes)
        except sqlite3.Error as error:
            raise StorageError(f"{self.path} can't be written.", found=str(error)) from None

    def _apply(self, changes: Iterable[tuple[str, tuple[Any, ...]]]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            for statement, values in changes:
                self._connection.execute(statement, values)
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # a full disk has ended it already
                self._connection.execute("ROLLBACK")
            raise


Change = tuple[str, tuple[Any, ...]]


def add_answer(answer: StoredAnswer) -> Change:
    """Return the change that stores an answer; one that is there already stays as it is."""
    given = {
        "values": dict(answer.values),
        "seconds": answer.seconds,
        "page_seconds": answer.page_seconds,
        "watched": list(answer.watched),
        "shown_at": answer.shown_at,
        "answered_at": answer.answered_at,
    }
    row = (answer.id, answer.rater, answer.item, json.dumps(given), answer.at.isoformat(), int(answer.on_board))
    return (
        "INSERT INTO answers (id, rater, item, given, at, on_board) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        row,
    )


def mark_on_board(number: int) -> Change:
    """Return the change that says that the board has all answers up to a number."""
    return ("UPDATE answers SET on_board = 1 WHERE on_board = 0 AND number <= ?", (number,))


def set_paused(*, paused: bool) -> Change:
    """Return the change that stops or resumes the collection."""
    return ("UPDATE facts SET value = ? WHERE name = 'paused'", ("yes" if paused else "",))


def add_consent(rater: str, at: datetime) -> Change:
    """Return the change that stores that a rater agreed."""
    return ("INSERT INTO consents VALUES (?, ?) ON CONFLICT DO NOTHING", (rater, at.isoformat()))


def add_asked(rater: str, item: str, at: datetime) -> Change:
    """Return the change that stores when a rater was first asked."""
    return ("INSERT INTO asked VALUES (?, ?, ?) ON CONFLICT DO NOTHING", (rater, item, at.isoformat()))


def set_fetched(rater: str, medium: str, share: float) -> Change:
    """Return the change that stores how much of a video a rater's browser has."""
    statement = (
        "INSERT INTO fetched VALUES (?, ?, ?) ON CONFLICT (rater, medium) DO UPDATE SET share = "
        "max(share, excluded.share)"
    )
    return (statement, (rater, medium, share))


def add_place(place: Place, at: datetime) -> Change:
    """Return the change that gives a rater's place to somebody."""
    row = (place.rater, at.isoformat(), place.how, place.worker, place.worker_id)
    return ("INSERT INTO places VALUES (?, ?, ?, ?, ?)", row)


def add_extra(rater: str, token: str, alike: str) -> Change:
    """Return the change that adds a rater who sees what rater ``alike`` sees."""
    return ("INSERT INTO extras VALUES (?, ?, ?)", (rater, token, alike))


def _answer(row: tuple[Any, ...]) -> StoredAnswer:
    number, identity, rater, item, text, at, on_board = row
    given = parse_json(text)
    return StoredAnswer(
        id=identity,
        rater=rater,
        item=item,
        values=given["values"],
        at=datetime.fromisoformat(at),
        seconds=given["seconds"],
        page_seconds=given["page_seconds"],
        watched=tuple(given["watched"]),
        shown_at=given["shown_at"],
        answered_at=given["answered_at"],
        on_board=bool(on_board),
        number=number,
    )
