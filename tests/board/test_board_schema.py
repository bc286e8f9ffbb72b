from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from board_tools import Database, ratings, take_ratings
from sqlalchemy import Column, Integer, MetaData, inspect

from evalkit.board import Board, schema
from evalkit.board.database_location import make_engine, parse_location
from evalkit.board.tables import FACTS, VERSION_TABLE, audit, metadata
from evalkit.errors import InputError, StorageError

NEXT = '''
"""A later step."""
import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("teams", sa.Column("country", sa.Text, nullable=True))
    {more}
'''


def differences(database: Database, wanted: MetaData) -> list[object]:
    """Return what Alembic would change to make the tables like ``wanted``."""
    engine = make_engine(parse_location(database.place))
    with engine.connect() as connection:
        options = {"version_table": VERSION_TABLE, "compare_type": True, "compare_server_default": True}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), wanted))


def test_the_migrations_make_what_the_tables_say(database: Database) -> None:
    database.make().close()
    assert differences(database, metadata) == []


def test_the_comparison_sees_a_difference(database: Database) -> None:
    database.make().close()
    other = MetaData(naming_convention=metadata.naming_convention)
    for table in metadata.sorted_tables:
        table.to_metadata(other)
    other.tables["teams"].append_column(Column("country", Integer))
    other.tables["pairs"].indexes.clear()
    assert {kind for kind, *_ in map(_flat, differences(database, other))} == {"add_column", "remove_index"}


def _flat(difference: object) -> tuple[object, ...]:
    return difference if isinstance(difference, tuple) else tuple(difference[0])  # type: ignore[index]


def test_names_of_constraints_and_conditions_of_indexes(database: Database) -> None:
    """What Alembic does not compare: partial indexes, and that links to the log are checked at the end only."""
    database.make().close()
    engine = make_engine(parse_location(database.place))
    with engine.connect() as connection:
        there = inspect(connection)
        for table in FACTS:
            for index in there.get_indexes(table.name):
                held = next(one for one in table.indexes if one.name == index["name"])
                dialect = connection.dialect.name
                wanted = held.dialect_options[dialect]["where"] is not None
                assert (f"{dialect}_where" in index.get("dialect_options", {})) == wanted, index["name"]
            assert len(there.get_indexes(table.name)) == len(table.indexes)
            links = {key["name"]: key["options"] for key in there.get_foreign_keys(table.name)}
            for end in ("since", "until"):
                assert links[f"fk_{table.name}_{end}"] == {"deferrable": True, "initially": "DEFERRED"}
        assert there.get_pk_constraint(audit.name)["constrained_columns"] == ["number"]


@pytest.fixture
def newer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let evalkit have one migration more from now on; return its file."""
    folder = tmp_path / "migrations"
    shutil.copytree(schema.migrations_folder(), folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(schema, "migrations_folder", lambda: folder)
    step = folder / "versions" / "r0003.py"
    step.write_text(NEXT.format(more=""), encoding="utf-8")
    return step


@pytest.fixture
def old(database: Database) -> Database:
    """Return a board that this evalkit made."""
    with database.make() as board:
        board.add_team("alpha", by="olga")
        take_ratings(board, 5)
    return database


def test_an_older_board_is_brought_up_to_date_when_it_is_opened(old: Database, newer: Path) -> None:
    assert newer.exists()
    with Board.open(old.place) as board:
        entry = board.log()[-1]
        assert (entry.number, entry.by, entry.action) == (4, "evalkit", "upgrade")
        assert (entry.details["from"], entry.details["to"]) == ("0002", "0003")
        assert board.verify() == []  # a column that was added changes no seal
        assert board.snapshot().teams[0].name == "alpha"
        board.add_team("beta", by="olga")
    assert old.sql("SELECT country FROM teams") == [(None,), (None,)]
    with Board.open(old.place) as board:
        assert [entry.action for entry in board.log()][3:] == ["upgrade", "add-team"]


def test_a_step_that_fails_leaves_the_old_board(old: Database, newer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    newer.write_text(NEXT.format(more='op.execute("SELECT * FROM no_such_table")'), encoding="utf-8")
    with pytest.raises(StorageError, match="no_such_table"):
        Board.open(old.place)
    monkeypatch.undo()
    with Board.open(old.place) as board:
        assert len(board.log()) == 3
        assert board.verify() == []
    assert old.sql("SELECT version_num FROM board_version") == [("0002",)]
    assert len(old.sql("SELECT * FROM teams")[0]) == 5


def test_a_board_that_was_brought_up_to_date_is_newer_for_the_old_evalkit(
    old: Database, newer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert newer.exists()
    Board.open(old.place).close()
    monkeypatch.undo()
    with pytest.raises(InputError, match="newer evalkit"):
        Board.open(old.place)


def test_the_migrations_come_with_the_package() -> None:
    folder = schema.migrations_folder()
    assert (folder / "env.py").is_file()
    assert schema.known_revisions() == ["0002", "0001"]


def test_a_board_of_the_first_form_learns_that_the_platform_may_change_its_word(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "first"
    shutil.copytree(schema.migrations_folder(), folder, ignore=shutil.ignore_patterns("__pycache__", "r0002.py"))
    database.clone = None
    with monkeypatch.context() as patch:
        patch.setattr(schema, "migrations_folder", lambda: folder)
        with database.make() as board:
            take_ratings(board, 5)
    assert database.sql("SELECT version_num FROM board_version") == [("0001",)]
    with Board.open(database.place) as board:
        assert take_ratings(board, 5) == (0, 5)
        rejected = [replace(one, status="rejected") for one in ratings(5)]
        done = board.import_ratings(rejected, source="r.csv", sha256="ab" * 32, form="long", by="olga")
        assert (done.new, done.changed) == (0, 5)
        assert {one.rating.status for one in board.snapshot().ratings} == {"rejected"}
        assert board.verify() == []
    assert differences(database, metadata) == []
