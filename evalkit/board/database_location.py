"""Where a board is: a SQLite file, or a database on a PostgreSQL server; and how to connect to it."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.pool import NullPool

from evalkit.errors import MachineError, UsageError
from evalkit.text import escape_for_display

BUSY_SECONDS = 30.0  # how long a writer waits for another one
_MOMENT = 0.2
WRITES = "evalkit_writes"  # execution option of a connection whose transaction will write
_LOCK = int.from_bytes(b"evalkit")  # one number for all boards: a database holds one
_FORM = "postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
_SCHEME = re.compile(r"[a-z0-9+.-]{1,40}", re.IGNORECASE)
_PASSWORD = re.compile(r"(?<=:)(?!/)[^@]*(?=@)|(?<=password=)[^&]*")
_SECRETS = ("password", "sslpassword", "passfile")


@dataclass(frozen=True)
class DatabaseLocation:
    """Where a board is.

    Args:
        shown: for people, without passwords, escaped.
        path: of the SQLite file, else ``None``.
        url: of the PostgreSQL database, else ``None``.
    """

    shown: str
    path: Path | None = None
    url: URL | None = None

    def __repr__(self) -> str:
        return f"DatabaseLocation({self.shown!r})"

    @property
    def passwords(self) -> tuple[str, ...]:
        """What must not be seen."""
        if self.url is None:
            return ()
        asked = [self.url.query.get(name) for name in _SECRETS]
        found = [str(self.url.password or ""), *(one for one in asked if isinstance(one, str))]
        return tuple(word for word in found if word)


def parse_location(place: str | Path) -> DatabaseLocation:
    """Return the place that a path, ``sqlite:///PATH`` or ``postgresql://...`` names.

    Raises:
        UsageError: when it is neither, or no URL. The message never holds the text, which may hold a password.
        MachineError: when it is PostgreSQL and psycopg is not installed.
    """
    text = str(place)
    scheme, sign, rest = text.partition("://")
    if isinstance(place, Path) or not sign:
        if not text or "\0" in text:
            raise UsageError("The board's place is empty or no path.", fix="Give the path of a file.")
        return _file(Path(text))
    if scheme == "sqlite":
        path = rest.removeprefix("/")
        if not rest.startswith("/") or not path or path.startswith(":memory:"):
            raise UsageError("A SQLite board is a file.", expected="a path, or sqlite:///PATH")
        return _file(Path(path))
    if scheme in {"postgresql", "postgres", "postgresql+psycopg"}:
        return _server(scheme, rest)
    raise UsageError(
        f"Boards don't lie in {_database(scheme)}.",
        expected=f"the path of a SQLite file, or {_FORM}",
    )


def _database(scheme: str) -> str:
    return f"'{scheme}' databases" if _SCHEME.fullmatch(scheme) else "such places"


def _file(path: Path) -> DatabaseLocation:
    # A URL with a slash too few is taken for a path: what looks like a password in it stays unseen all the same.
    return DatabaseLocation(escape_for_display(_PASSWORD.sub("***", str(path)), limit=400), path=path)


def _server(scheme: str, rest: str) -> DatabaseLocation:
    wrong = UsageError(
        "The PostgreSQL URL can't be read.",
        expected=_FORM,
        fix="Write other signs than letters and digits in the password as %XX: '@' is %40, '/' is %2F, ':' is %3A.",
    )
    if "@" in rest.partition("@")[2].partition("?")[0]:
        raise wrong  # a password with a bare @: half of it would be taken for the host, and be shown
    try:
        url = make_url(f"{scheme.replace('postgres:', 'postgresql:')}://{rest}")
    except (ArgumentError, ValueError):
        raise wrong from None
    try:
        import psycopg  # noqa: F401
    except ImportError as error:
        raise MachineError(
            "Boards in PostgreSQL need the package psycopg, which is not installed.",
            found=str(error),
            fix="pip install 'evalkit-video[postgres]'",
        ) from None
    url = url.set(drivername="postgresql+psycopg")
    if not url.database:
        raise UsageError("The PostgreSQL URL names no database.", expected=_FORM)
    hidden = {name: "***" for name in _SECRETS if name in url.query}
    shown = url.set(drivername="postgresql").update_query_dict(hidden).render_as_string(hide_password=True)
    return DatabaseLocation(escape_for_display(shown, limit=400), url=url)


def make_engine(place: DatabaseLocation, *, new: bool = False) -> Engine:
    """Return the engine for ``place``; nothing is opened yet.

    Every transaction has a connection of its own, so that a board survives a fork. A connection with the execution
    option `WRITES` starts its transaction as a writer: it waits up to `BUSY_SECONDS` until no other process writes.

    Args:
        place: where.
        new: whether a SQLite file may be made.
    """
    if place.url is not None:
        asked: dict[str, Any] = {} if "connect_timeout" in place.url.query else {"connect_timeout": 10}
        engine = create_engine(place.url, poolclass=NullPool, connect_args=asked, hide_parameters=True)
        event.listen(engine, "begin", _begin_postgres)
        return engine
    if place.path is None:
        raise ValueError("a place has a path or a URL")
    opener = _opener(place.path, "rwc" if new else "rw")
    engine = create_engine("sqlite://", creator=opener, poolclass=NullPool, hide_parameters=True)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _opener(path: Path, mode: str) -> Callable[[], sqlite3.Connection]:
    # Absolute, so that a change of the working directory doesn't lead to another board.
    uri = f"file:{quote(str(path.absolute()))}?mode={mode}"

    def connect() -> sqlite3.Connection:
        # isolation_level None: transactions begin where we say, not where the driver thinks.
        connection = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            connection.execute("PRAGMA foreign_keys = ON")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    return connect


def _begin_sqlite(connection: Connection) -> None:
    if not connection.get_execution_options().get(WRITES, False):
        connection.exec_driver_sql("BEGIN")
        return
    # SQLite waits for another writer without hearing Ctrl-C: let it wait for moments, and see to the rest here.
    end = time.monotonic() + BUSY_SECONDS
    _wait_at_most(connection, _MOMENT)
    while True:
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            break
        except OperationalError as error:
            busy = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() > end:
                raise
    _wait_at_most(connection, BUSY_SECONDS)


def _wait_at_most(connection: Connection, seconds: float) -> None:
    connection.exec_driver_sql(f"PRAGMA busy_timeout = {round(seconds * 1000)}")


def _begin_postgres(connection: Connection) -> None:
    if connection.get_execution_options().get(WRITES, False):
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{int(BUSY_SECONDS * 1000)}ms'")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
