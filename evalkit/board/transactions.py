"""An open board: its connections, and the transactions in which it is read and changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from types import TracebackType
from typing import Self

from sqlalchemy import Connection, Engine, select
from sqlalchemy.exc import InvalidRequestError

from evalkit.board.database_location import DatabaseLocation
from evalkit.board.db_errors import translate_db_errors
from evalkit.board.names import clean_name
from evalkit.board.tables import audit
from evalkit.board.writing import Write, writing
from evalkit.errors import StorageError

# What reading values raises that no evalkit has written: other types, numbers, words, a row too few or too many.
UNREADABLE = (LookupError, ValueError, TypeError, AttributeError, ArithmeticError, InvalidRequestError)


class OpenBoard:
    """The connections to a board's database.

    Args:
        place: where it is.
        engine: open.
        now: the clock.
    """

    def __init__(self, place: DatabaseLocation, engine: Engine, now: Callable[[], datetime]) -> None:
        self._place = place
        self._engine = engine
        self._now = now

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections to the database."""
        self._engine.dispose()

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """Keep a connection open for as long as the block lasts, for many short transactions.

        SQLite copies its write-ahead log into the file whenever the last connection is closed: without another one,
        after every transaction.
        """
        with translate_db_errors(self._place):
            connection = self._engine.connect()
            connection.execute(select(audit.c.number).limit(1)).scalar()
            connection.rollback()
        try:
            yield
        finally:
            connection.close()

    @property
    def place(self) -> str:
        """Where it is, safe to show: without passwords and hidden characters."""
        return self._place.shown

    @contextmanager
    def _sound(self) -> Iterator[None]:
        try:
            yield
        except UNREADABLE as error:
            raise StorageError(
                f"What the board {self.place} holds was changed and can't be read.",
                found=type(error).__name__,
                fix="'evalkit board verify' says what.",
            ) from error

    @contextmanager
    def _write(self, by: str, *, keep: bool = True) -> Iterator[Write]:
        who = clean_name(by, "person")
        database = translate_db_errors(self._place)
        with database, self._sound(), writing(self._engine, who, self._now, keep=keep) as write:
            yield write

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        with translate_db_errors(self._place), self._sound(), self._engine.connect() as connection:
            if connection.dialect.name == "postgresql":
                connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                yield connection
