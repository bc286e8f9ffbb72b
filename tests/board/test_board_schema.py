from __future__ import annotations

import pytest
from board_tools import Database, take_ratings
from sqlalchemy import Connection, Table, inspect, text

from evalkit.board import Board, schema
from evalkit.board.database_location import make_engine, parse_location
from evalkit.board.tables import FACTS, audit
from evalkit.errors import InputError, StorageError


def columns(database: Database) -> list[str]:
    engine = make_engine(parse_location(database.place))
    with engine.connect() as connection:
        return [str(column["name"]) for column in inspect(connection).get_columns("teams")]


def test_indexes_and_links_are_what_the_tables_say(database: Database) -> None:
    """Partial indexes hold active rows only, and links to the log are checked at the end of a transaction."""
    database.make().close()
    engine = make_engine(parse_location(database.place))
    with engine.connect() as connection:
        there = inspect(connection)
        dialect = connection.dialect.name
        for table in FACTS:
            assert [column["name"] for column in there.get_columns(table.name)] == [one.name for one in table.columns]
            found = {index["name"]: index for index in there.get_indexes(table.name)}
            assert found.keys() == {index.name for index in table.indexes}
            for index in table.indexes:
                wanted = index.dialect_options[dialect]["where"] is not None
                held = found[str(index.name)]
                assert (f"{dialect}_where" in held.get("dialect_options", {})) == wanted, index.name
                assert bool(held["unique"]) == index.unique
            links = {key["name"]: key["options"] for key in there.get_foreign_keys(table.name)}
            for end in ("since", "until"):
                assert links[f"fk_{table.name}_{end}"] == {"deferrable": True, "initially": "DEFERRED"}
        assert there.get_pk_constraint(audit.name)["constrained_columns"] == ["number"]


def _unique_indexes(table: Table) -> int:
    return sum(bool(index.unique) for index in table.indexes)


def test_a_table_has_at_most_one_unique_index() -> None:
    """The triggers of SQLite are made from it."""
    assert {_unique_indexes(table) for table in FACTS} == {0, 1}


KNOWN = schema.UPGRADES


def add_country(connection: Connection) -> None:
    connection.execute(text("ALTER TABLE teams ADD COLUMN country TEXT"))


def fail(connection: Connection) -> None:
    add_country(connection)
    connection.execute(text("SELECT * FROM no_such_table"))


@pytest.fixture
def old(database: Database) -> Database:
    """Return a board that this evalkit made."""
    with database.make() as board:
        board.add_team("alpha", by="olga")
        take_ratings(board, 5)
    return database


def test_an_older_board_is_brought_up_to_date_when_it_is_opened(old: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "UPGRADES", (*KNOWN, ("0004", add_country), ("0005", lambda _: None)))
    with Board.open(old.place) as board:
        entry = board.log()[-1]
        assert (entry.number, entry.by, entry.action) == (4, "evalkit", "upgrade")
        assert (entry.details["from"], entry.details["to"]) == ("0003", "0005")
        assert board.verify() == []  # a column that was added changes no seal
        assert board.snapshot().teams[0].name == "alpha"
        board.add_team("beta", by="olga")
    assert old.sql("SELECT country FROM teams") == [(None,), (None,)]
    assert old.sql("SELECT version_num FROM board_version") == [("0005",)]
    with Board.open(old.place) as board:
        assert [entry.action for entry in board.log()][3:] == ["upgrade", "add-team"]


def test_only_the_steps_that_a_board_lacks_are_taken(old: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "UPGRADES", (*KNOWN, ("0004", add_country)))
    Board.open(old.place).close()
    monkeypatch.setattr(schema, "UPGRADES", (*KNOWN, ("0004", fail), ("0005", lambda _: None)))
    Board.open(old.place).close()
    assert old.sql("SELECT version_num FROM board_version") == [("0005",)]


def test_a_step_that_fails_leaves_the_old_board(old: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    before = columns(old)
    with monkeypatch.context() as patch:
        patch.setattr(schema, "UPGRADES", (*KNOWN, ("0004", fail)))
        with pytest.raises(StorageError, match="no_such_table"):
            Board.open(old.place)
    with Board.open(old.place) as board:
        assert len(board.log()) == 3
        assert board.verify() == []
    assert old.sql("SELECT version_num FROM board_version") == [("0003",)]
    assert columns(old) == before


def test_a_board_that_was_brought_up_to_date_is_newer_for_the_old_evalkit(
    old: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(schema, "UPGRADES", (*KNOWN, ("0004", add_country)))
        Board.open(old.place).close()
    with pytest.raises(InputError, match="newer evalkit"):
        Board.open(old.place)
