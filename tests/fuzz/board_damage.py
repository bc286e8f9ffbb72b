"""Damaged database files of a board: every use ends with a result or one clear error."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from board_tools import ratings

from evalkit.board.tables import FACTS, audit
from evalkit.errors import EvalkitError
from evalkit.leaderboard.compute import compute_leaderboard
from evalkit.reports.leaderboard.tables import leaderboard_json
from fuzz.boards import DRAWS, board_file, opened, scored
from fuzz.kinds import WrongAcceptError

TABLES = (audit, *FACTS)
VALUES = (
    "NULL", "''", "'x'", "-1", "0", "999999999999", "9223372036854775807", "1.5", "1e308", "x'ff00fe'",
    "CAST(x'c3280aff' AS TEXT)", "zeroblob(300000)", "'2026-13-45T99:99:99+00:00'", "'[1]'", "'{}'", "'{\"facts\": 3}'",
    "'{\"facts\": {\"teams\": [1]}}'", "char(0)", "char(55296)", "printf('%.*c', 100000, '[')",
)  # fmt: skip


def make_damaged(dice: random.Random) -> bytes:
    """Return the database file after damage to its bytes, its rows or its schema."""
    data = board_file()
    kind = dice.random()
    if kind < 0.08:
        return dice.choice(
            (b"", b"SQLite format 3\0", dice.randbytes(9000), b"PK\x03\x04" + data, data[:100], data[16:])
        )
    if kind < 0.6:
        data = _with_sql(data, dice)
    if kind >= 0.5:
        data = _with_bytes(data, dice)
    return data


def _with_bytes(data: bytes, dice: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(dice.randint(1, 4)):
        kind = dice.random()
        at = dice.randrange(len(changed))
        if kind < 0.2:
            at = dice.randrange(min(100, len(changed)))  # the header
        if kind < 0.6:
            changed[at] = dice.randrange(256)
        elif kind < 0.75:
            page = at - at % 4096
            changed[page : page + 4096] = dice.choice((bytes(4096), dice.randbytes(4096), data[4096:8192]))
        elif kind < 0.9:
            del changed[max(1, at) :]
        else:
            changed[at : at + 8] = b"\xff" * 8
    return bytes(changed)


def _with_sql(data: bytes, dice: random.Random) -> bytes:
    """Change rows or the schema past all of evalkit."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as raw:
        raw.deserialize(data)
        triggers = raw.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            raw.execute(f"DROP TRIGGER {name}")
        raw.execute("PRAGMA ignore_check_constraints = ON")
        for _ in range(dice.randint(1, 3)):
            try:
                raw.execute(_statement(dice))
            except sqlite3.Error:
                continue  # a constraint that holds without triggers too
        for _, text in triggers if dice.random() < 0.7 else ():
            try:
                raw.execute(text)
            except sqlite3.Error:
                continue  # its table is gone
        return bytes(raw.serialize())


def _statement(dice: random.Random) -> str:
    table = dice.choice(TABLES)
    column, value = dice.choice(list(table.columns)).name, dice.choice(VALUES)
    row = f"rowid = (SELECT rowid FROM {table.name} ORDER BY random_order LIMIT 1)".replace(
        "random_order", f"(rowid * {dice.randrange(1, 10**6)}) % 1009"
    )
    makers: tuple[Callable[[], str], ...] = (
        lambda: f'UPDATE {table.name} SET "{column}" = {value} WHERE {row}',
        lambda: f'UPDATE {table.name} SET "{column}" = {value} WHERE {row}',
        lambda: f'UPDATE {table.name} SET "{column}" = {value}',
        lambda: f"DELETE FROM {table.name} WHERE {row}",
        lambda: f"DELETE FROM {table.name}",
        lambda: f"DROP TABLE {table.name}",
        lambda: f'ALTER TABLE {table.name} RENAME COLUMN "{column}" TO other',
        lambda: f"ALTER TABLE {table.name} RENAME TO other",
        lambda: f"ALTER TABLE {table.name} ADD COLUMN more TEXT",
        lambda: f"UPDATE board_version SET version_num = {value}",
        lambda: dice.choice(("DELETE FROM board_version", "DROP TABLE board_version", "PRAGMA user_version = 77")),
        lambda: f"CREATE TABLE {table.name}_more (a); INSERT INTO {table.name}_more VALUES (1)".split(";")[0],
        lambda: f"CREATE VIEW v AS SELECT * FROM {table.name}",
    )
    return dice.choice(makers)()


def use_damaged(path: Path) -> None:
    """Give a damaged database to what the board's commands call; a change of its rows must not verify.

    Raises:
        EvalkitError: when the database is refused.
    """
    data = path.read_bytes()
    dice = random.Random(data)
    if dice.random() < 0.15:
        path.with_name(path.name + dice.choice(("-wal", "-journal"))).write_bytes(
            dice.choice((b"", dice.randbytes(5000), b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" + bytes(600), data[:5000]))
        )
    refusal = None
    found: list[str] | None = None
    for use in (_verify, _log, _rank, _add, _list):
        try:
            done = use(path)
        except EvalkitError as error:
            refusal = EvalkitError(str(error))  # whose frames would keep a half-read statement, and its lock
        else:
            found = done if use is _verify else found
    for suffix in ("-wal", "-journal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    if found == [] and _rows(data) != _rows(board_file()):
        raise WrongAcceptError("it verifies, and its rows are not those that were written")
    if found is None and refusal is not None:
        raise refusal


def _verify(path: Path) -> list[str]:
    with opened(path) as board:
        return board.verify()


def _log(path: Path) -> None:
    with opened(path) as board:
        board.log(limit=1)
        board.log()


def _rank(path: Path) -> None:
    with opened(path) as board:
        snapshot = board.snapshot()
    leaderboard = compute_leaderboard(snapshot, draws=DRAWS)
    leaderboard_json(snapshot, leaderboard, "organizers")


def _list(path: Path) -> None:
    with opened(path) as board:
        board.challenge()
        board.team_names()
        board.trusted_keys()
        list(board.by_rater())


def _add(path: Path) -> None:
    with opened(path) as board:
        board.add_run("gamma", "1", scored("gamma", 10.0), by="olga", new_team=True)
        board.import_answers(ratings(3, 100), source="r.csv", sha256="ab" * 32, form="long", by="olga")
        board.exclude("team", [("alpha", "manual", "because")], by="olga")


def _rows(data: bytes) -> list[Any]:
    """Return all that the tables of a database hold, or why that can't be read."""
    try:
        with closing(sqlite3.connect(":memory:")) as raw:
            raw.deserialize(bytes(data[:18]) + b"\x01\x01" + bytes(data[20:]))
            raw.text_factory = bytes
            return [
                raw.execute(f"SELECT {_columns(table)} FROM {table.name} ORDER BY 1").fetchall() for table in TABLES
            ]
    except (sqlite3.Error, UnicodeDecodeError) as error:
        return [str(error)]


def _columns(table: Any) -> str:
    return ", ".join(f'"{column.name}"' for column in table.columns)
