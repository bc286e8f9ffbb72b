"""Make a board, or open one that is there: what it is, how old it is, and whether it needs an upgrade."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect

from evalkit._version import __version__
from evalkit.board.challenge_rules import check_text
from evalkit.board.database_location import WRITES, DatabaseLocation, make_engine
from evalkit.board.db_errors import missing, no_board, translate_db_errors
from evalkit.board.schema import create_tables, known_revisions, revision_of, upgrade_tables
from evalkit.board.tables import rules
from evalkit.board.writing import Write
from evalkit.challenges.model import Challenge
from evalkit.errors import InputError
from evalkit.files import part_beside, storage_error

_SQLITE = b"SQLite format 3\0"  # how its files begin
EVALKIT = "evalkit"  # who brings boards up to date


def make(
    place: DatabaseLocation,
    challenge: Challenge,
    text: str,
    by: str,
    now: Callable[[], datetime],
    *,
    fill: Callable[[Connection], None] | None = None,
) -> Engine:
    """Make a board at ``place`` in one transaction and return its engine; a new file gets its name when it is whole.

    Args:
        place, challenge, text, by, now: see `evalkit.board.Board.create`.
        fill: writes what else belongs to a new board, in the same transaction.

    Raises:
        InputError, StorageError: see `evalkit.board.Board.create`.
    """
    check_text(challenge, text)

    def build(where: DatabaseLocation) -> None:
        engine = make_engine(where, new=True)
        with translate_db_errors(place):
            _refuse_filled(place, engine)
            if where.path is not None:
                _write_ahead(engine)
            with engine.connect().execution_options(**{WRITES: True}) as connection, connection.begin():
                _refuse_taken(place, connection)  # again: another process may have been quicker
                create_tables(connection)
                write = Write(connection, by, now)
                write.add(rules, [{"sha256": challenge.sha256, "text": text}])
                details = {"sha256": challenge.sha256, "title": challenge.title, "evalkit": __version__}
                write.log("init", challenge.id, details)
                if fill is not None:
                    fill(connection)

    if place.path is None:
        build(place)
        return make_engine(place)
    try:
        if os.path.lexists(place.path):
            _refuse_other(place, place.path)
            build(place)
        else:
            with part_beside(place.path) as part:
                build(DatabaseLocation(place.shown, path=part))
                _name(part, place.path)
    except FileExistsError:
        raise _taken(place) from None
    except OSError as error:
        raise storage_error(place.path, error) from error
    return make_engine(place)


def _name(part: Path, path: Path) -> None:
    """Give ``part`` its name, unless there is something of that name.

    Raises:
        FileExistsError: when there is.
    """
    try:
        path.hardlink_to(part)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if os.path.lexists(path):
            raise FileExistsError(str(path)) from None
        part.rename(path)


def open_engine(place: DatabaseLocation, now: Callable[[], datetime]) -> Engine:
    """Return the engine of the board at ``place``, brought up to date.

    Raises:
        InputError, StorageError: see `evalkit.board.Board.open`.
    """
    if place.path is not None:
        if place.path.is_dir():
            raise no_board(place, "a folder")
        if not place.path.exists():
            raise missing(place)
    engine = make_engine(place)
    with translate_db_errors(place):
        with engine.connect() as connection, connection.begin():
            revision = _checked(place, connection)
        if revision != known_revisions()[0]:
            _bring_up_to_date(place, engine, now)
    return engine


def _bring_up_to_date(place: DatabaseLocation, engine: Engine, now: Callable[[], datetime]) -> None:
    with engine.connect().execution_options(**{WRITES: True}) as connection, connection.begin():
        revision = _checked(place, connection)  # another process may have done it
        newest = known_revisions()[0]
        if revision != newest:
            upgrade_tables(connection, revision)
            write = Write(connection, EVALKIT, now)
            write.log("upgrade", "schema", {"from": revision, "to": newest, "evalkit": __version__})


def _checked(place: DatabaseLocation, connection: Connection) -> str:
    """Return the revision of the board behind ``connection``, which this evalkit knows."""
    revision = revision_of(connection)
    if revision is None:
        if place.path is None and not inspect(connection).get_table_names():
            raise missing(place)
        raise no_board(place, "a database without the tables of a board")
    if revision not in known_revisions():
        raise InputError(
            f"The board {place.shown} was made by a newer evalkit.",
            found=f"revision {revision}",
            expected=f"revision {known_revisions()[0]} or older",
            fix="Use that version of evalkit, or a newer one.",
        )
    return revision


def _refuse_other(place: DatabaseLocation, path: Path) -> None:
    with path.open("rb") as stream:
        begin = stream.read(len(_SQLITE))
    if begin not in {b"", _SQLITE}:
        raise InputError(f"{place.shown} is there already and is not a board.", fix="Choose another place.")


def _taken(place: DatabaseLocation) -> InputError:
    return InputError(f"There is a board {place.shown} already.", fix="Choose another place, or use this one.")


def _refuse_filled(place: DatabaseLocation, engine: Engine) -> None:
    with engine.connect() as connection, connection.begin():
        _refuse_taken(place, connection)


def _refuse_taken(place: DatabaseLocation, connection: Connection) -> None:
    if revision_of(connection) is not None:
        raise _taken(place)
    if inspect(connection).get_table_names():
        raise InputError(
            f"{place.shown} holds other tables already.", fix="A board needs a file or a database of its own."
        )


def _write_ahead(engine: Engine) -> None:
    """Let readers read while another process writes, where the file system can do that."""
    raw = engine.raw_connection()
    try:
        with suppress(sqlite3.OperationalError):  # the board works without it, or says so when it is written
            raw.cursor().execute("PRAGMA journal_mode = WAL")
    finally:
        raw.close()
