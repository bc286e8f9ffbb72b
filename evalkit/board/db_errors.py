"""What to tell people when the database refuses: who else writes, what is full, what may not be written."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError

from evalkit.board.database_location import DatabaseLocation
from evalkit.errors import EvalkitError, InputError, StorageError
from evalkit.text import escape_for_display

_INIT = "'evalkit board init' makes a board."


@contextmanager
def translate_db_errors(place: DatabaseLocation) -> Iterator[None]:
    """Turn what the database says into errors of evalkit; passwords never pass.

    Raises:
        StorageError: another process writes, the disk is full, the place may not be written, the server can't be
            reached, the file is damaged.
        InputError: the file is no database.
    """
    try:
        yield
    except DBAPIError as error:
        cause = error.orig
        fault = _sqlite(place, cause) if isinstance(cause, sqlite3.Error) else _postgres(place, error)
        raise fault from None
    except UnicodeDecodeError:  # SQLite quotes names of its schema, and these are bytes that are no text
        raise _damaged(place, "names in its schema that are not UTF-8") from None


def _sqlite(place: DatabaseLocation, error: sqlite3.Error) -> EvalkitError:
    name = getattr(error, "sqlite_errorname", "") or ""
    said = str(error)
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return _busy(place)
    if name.startswith("SQLITE_NOTADB"):
        return no_board(place, "a file that is no SQLite database")
    if name.startswith("SQLITE_FULL"):
        return _full(place, said)
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH")):
        return StorageError(
            f"The board {place.shown} can't be opened for reading and writing.",
            found=said,
            fix="SQLite writes beside the file, also while it reads: choose a folder that you may write to, "
            "or copy the board to one.",
        )
    if name.startswith("SQLITE_CORRUPT"):
        return _damaged(place, said)
    return _other(place, said)


def _postgres(place: DatabaseLocation, error: DBAPIError) -> EvalkitError:
    state = str(getattr(error.orig, "sqlstate", None) or "")
    said = _scrubbed(place, str(error.orig))
    if state == "55P03":
        return _busy(place)
    if state == "53100":
        return _full(place, said)
    if state in {"25006", "42501"}:
        return StorageError(
            f"The board {place.shown} can't be written.", found=said, fix="Ask for the rights to write this database."
        )
    if not state or state.startswith(("08", "28", "57P")):
        return StorageError(
            f"The board {place.shown} can't be reached.",
            found=said,
            fix="Check host, port, user, password and the name of the database.",
        )
    return _other(place, said)


def _damaged(place: DatabaseLocation, said: str) -> StorageError:
    return StorageError(f"The board {place.shown} is damaged.", found=said, fix="Take the last copy of it.")


def no_board(place: DatabaseLocation, found: str) -> InputError:
    """Return the error for something that is there and is no board."""
    return InputError(f"{place.shown} is no board.", found=found, expected="a board", fix=_INIT)


def missing(place: DatabaseLocation) -> InputError:
    """Return the error for a board that is not there."""
    return InputError(f"There is no board {place.shown}.", fix=f"Check the path, or make one: {_INIT}")


def _busy(place: DatabaseLocation) -> StorageError:
    return StorageError(
        f"Another process writes to the board {place.shown} and has not finished.",
        fix="Try again once it has ended. Nothing was changed.",
    )


def _full(place: DatabaseLocation, said: str) -> StorageError:
    return StorageError(
        f"There is no space left to write the board {place.shown}.",
        found=said,
        fix="Free some disk space and run the same command again. Nothing was changed.",
    )


def _other(place: DatabaseLocation, said: str) -> StorageError:
    return StorageError(f"The board {place.shown} can't be read or written.", found=said, fix="Nothing was changed.")


def _scrubbed(place: DatabaseLocation, text: str) -> str:
    for word in sorted(place.passwords, key=len, reverse=True):
        text = text.replace(word, "***")
    return escape_for_display(text, limit=300)
