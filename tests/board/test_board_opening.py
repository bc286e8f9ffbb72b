from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from board_tools import OTHER_YAML, YAML, Clock, Database, ratings, rules, take_ratings
from sqlalchemy import event

from evalkit.board import Board, database_location
from evalkit.board.database_location import parse_location
from evalkit.errors import EvalkitError, InputError, MachineError, StorageError, UsageError
from evalkit.ratings.model import Answer


def test_a_board_is_what_it_was_when_it_is_opened_again(database: Database) -> None:
    with database.make() as board:
        take_ratings(board, 5)
        before = board.snapshot()
    with Board.open(database.place, now=Clock()) as board:
        assert board.snapshot() == before
        board.add_team("alpha", by="olga")
        assert board.snapshot().number == 3


def test_the_first_entry_says_what_the_board_is(board: Board) -> None:
    (entry,) = board.log()
    assert (entry.number, entry.action, entry.subject, entry.by) == (1, "init", "c", "olga")
    assert entry.details["sha256"] == rules().sha256
    assert board.snapshot().challenge == rules()


def test_a_second_board_at_the_same_place_is_refused(database: Database) -> None:
    database.make().close()
    with pytest.raises(InputError, match=r"a board .* already"):
        database.make()
    with Board.open(database.place) as board:
        assert len(board.log()) == 1


def test_text_and_rules_must_agree(database: Database) -> None:
    with pytest.raises(InputError, match="something else"):
        Board.create(database.place, rules(), OTHER_YAML, by="olga")
    with pytest.raises(InputError, match="There is no board"):
        Board.open(database.place)


def test_a_database_with_other_tables_is_refused(database: Database) -> None:
    database.sql("CREATE TABLE customers (id INTEGER)")
    with pytest.raises(InputError, match="holds other tables"):
        database.make()
    with pytest.raises(InputError, match=r"is no board.*evalkit board init"):
        Board.open(database.place)
    assert database.sql("SELECT * FROM customers") == []


def test_a_missing_board_is_told_with_what_to_type(tmp_path: Path) -> None:
    for place in (tmp_path / "none.sqlite", f"sqlite:///{tmp_path}/none.sqlite", str(tmp_path / "no" / "folder")):
        with pytest.raises(InputError, match="'evalkit board init' makes a board"):
            Board.open(place)
    assert list(tmp_path.iterdir()) == []  # looking makes nothing


@pytest.mark.parametrize("content", [b"team,value\nalpha,1\n" * 100, b"\0" * 5000, b"PK\x03\x04" * 300])
def test_a_file_that_is_no_database_is_refused_and_untouched(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "results.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"is no board.*evalkit board init"):
        Board.open(path)
    with pytest.raises(InputError, match="is there already and is not a board"):
        Board.create(path, rules(), YAML, by="olga")
    assert path.read_bytes() == content


def test_a_folder_and_an_empty_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is no board.*a folder"):
        Board.open(tmp_path)
    with pytest.raises(StorageError):
        Board.create(tmp_path, rules(), YAML, by="olga")
    empty = tmp_path / "empty.sqlite"
    empty.touch()
    with pytest.raises(InputError, match="is no board"):
        Board.open(empty)
    with Board.create(empty, rules(), YAML, by="olga") as board:
        assert len(board.log()) == 1


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    database = Database("sqlite", str(tmp_path / "b.sqlite"))
    with database.make() as board:
        take_ratings(board, 2000)
    path = Path(database.place)
    content = bytearray(path.read_bytes())
    content[8192:-8192] = os.urandom(len(content) - 16384)
    path.write_bytes(bytes(content))
    with pytest.raises((StorageError, InputError)), Board.open(path) as board:
        board.snapshot()


def test_a_board_of_a_newer_evalkit_is_not_touched(database: Database) -> None:
    database.make().close()
    database.sql("UPDATE board_version SET version_num = '9999'")
    with pytest.raises(InputError, match=r"newer evalkit.*9999.*0003"):
        Board.open(database.place)
    assert database.sql("SELECT version_num FROM board_version") == [("9999",)]


@pytest.mark.parametrize("name", ["a b?c#d%20e.sqlite", "r\u00e9sultats.db", "no-ending", "'; DROP TABLE audit; --"])
def test_paths_may_have_any_signs(tmp_path: Path, name: str) -> None:
    path = tmp_path / "deep" / "er" / name
    with Board.create(path, rules(), YAML, by="olga") as board:
        assert board.place == str(path)
    assert path.exists()
    with Board.open(str(path)) as board:
        assert len(board.log()) == 1


def test_a_path_keeps_its_meaning_when_the_folder_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other").mkdir()
    with Board.create("sqlite:///board.sqlite", rules(), YAML, by="olga") as board:
        monkeypatch.chdir(tmp_path / "other")
        assert len(board.log()) == 1


def test_hidden_signs_of_a_path_are_shown(tmp_path: Path) -> None:
    with Board.create(tmp_path / "b\u202e\x1b[31m.sqlite", rules(), YAML, by="olga") as board:
        assert board.place.endswith(r"b\u202e\x1b[31m.sqlite")


def test_readers_read_while_somebody_writes(database: Database) -> None:
    with database.make() as board, Board.open(database.place) as reader:
        before = reader.snapshot()
        seen = []

        def given() -> Iterator[Answer]:
            for rating in ratings(1500):
                if rating.row == 1400:
                    seen.append(reader.snapshot())
                yield rating

        board.import_answers(given(), source="r", sha256="", form="", by="olga")
        assert seen == [before]
        assert len(reader.snapshot().answers) == 1500


def test_a_writer_that_does_not_end_is_told(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_location, "BUSY_SECONDS", 0.3)
    with database.make() as board, Board.open(database.place) as other:
        refused: list[str] = []

        def given() -> Iterator[Answer]:
            for rating in ratings(3):
                with pytest.raises(StorageError, match="Another process writes to the board") as told:
                    other.add_team("beta", by="pia")
                refused.append(str(told.value))
                yield rating

        board.import_answers(given(), source="r", sha256="", form="", by="olga")
        assert len(refused) == 3
        assert other.snapshot().teams == ()
        other.add_team("beta", by="pia")
        assert [entry.by for entry in other.log()] == ["olga", "olga", "pia"]


def test_a_folder_that_may_not_be_written(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    place = tmp_path / "in" / "board.sqlite"
    Board.create(place, rules(), YAML, by="olga").close()
    place.chmod(0o444)
    place.parent.chmod(0o555)
    request.getfixturevalue("unprivileged")
    try:
        with pytest.raises(StorageError, match="choose a folder that you may write to"), Board.open(place) as board:
            board.add_team("alpha", by="olga")
        with pytest.raises(StorageError):
            Board.create(place.with_name("new.sqlite"), rules(), YAML, by="olga")
        with pytest.raises(StorageError, match="can't be written"):
            Board.create(place.parent / "new" / "new.sqlite", rules(), YAML, by="olga")
    finally:
        os.seteuid(os.getuid())
        place.parent.chmod(0o755)


def test_a_full_disk_is_told_and_the_board_stays_whole(tiny_disk: Callable[[int], Path]) -> None:
    place = tiny_disk(1024) / "board.sqlite"
    with Database("sqlite", str(place)).make() as board:
        take_ratings(board, 100)
        before = board.snapshot()
        with pytest.raises(StorageError, match="no space left"):
            take_ratings(board, 20_000, start=100)
        assert board.snapshot() == before
        assert board.verify() == []


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("state", "message"),
    [
        ("53100", "no space left"),
        ("25006", "can't be written"),
        ("57P01", "can't be reached"),
        ("XX000", "can't be read or written"),
    ],
)
def test_what_a_server_says_becomes_a_sentence(new_database: str, state: str, message: str) -> None:
    """The server itself raises the error, with the code that it has when a disk is full or it shuts down."""
    database = Database("postgres", new_database)
    with database.make() as board:
        raising = f"BEGIN RAISE EXCEPTION 'the server''s \x1b[31m words' USING ERRCODE = '{state}'; END"
        database.sql(
            f"CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ {raising} $$",
            "CREATE TRIGGER fail BEFORE INSERT ON teams FOR EACH ROW EXECUTE FUNCTION fail()",
        )
        with pytest.raises(StorageError, match=message) as told:
            board.add_team("alpha", by="olga")
        assert r"\x1b[31m words" in str(told.value)
        assert len(board.log()) == 1


@pytest.mark.postgres
def test_a_server_that_is_not_there_and_a_database_that_is_not_there(postgres_server: str, tmp_path: Path) -> None:
    secret = "very%20secret"
    with pytest.raises(StorageError, match="can't be reached") as told:
        Board.open(f"postgresql://evalkit:{secret}@/postgres?host={tmp_path}")
    assert "secret" not in str(told.value)
    with pytest.raises(StorageError, match=r"can't be reached.*nowhere.*name of the database") as missing:
        Board.open(f"postgresql://evalkit:{secret}@/nowhere?host={postgres_server}")
    assert "secret" not in str(missing.value)
    assert "***" in str(missing.value)


@pytest.mark.postgres
def test_an_empty_postgresql_database_is_no_board_yet(new_database: str) -> None:
    with pytest.raises(InputError, match="'evalkit board init' makes a board"):
        Board.open(new_database)


@pytest.mark.postgres
def test_passwords_are_not_shown(new_database: str) -> None:
    place = new_database.replace("evalkit@", "evalkit:s3cret@") + "&sslpassword=h1dden"
    with Board.create(place, rules(), YAML, by="olga") as board:
        assert board.place.startswith("postgresql://evalkit:***@/postgres")
        assert "s3cret" not in board.place + repr(parse_location(place))
        assert "h1dden" not in board.place + repr(parse_location(place))


@pytest.mark.parametrize(
    "place",
    [
        "postgresql://u:s3cret@host:port/board",
        "postgresql://u:p@s3cret@host/board",
        "postgresql://u:s3cret@host",
        "mysql://u:s3cret@host/board",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite://s3cret/b",
        "",
        "s3cret\0",
    ],
)
def test_places_that_are_none_are_refused_without_being_shown(place: str) -> None:
    with pytest.raises(UsageError) as told:
        Board.open(place)
    assert "s3cret" not in str(told.value)


def test_without_psycopg_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MachineError, match=r"pip install 'evalkit-video\[postgres\]'") as told:
        Board.open("postgresql://u:s3cret@host/board")
    assert "s3cret" not in str(told.value)


def test_errors_of_the_caller_pass_as_they_are(board: Board) -> None:
    class OddError(Exception):
        pass

    def given() -> Iterator[Answer]:
        yield Answer("r", "i", "d", 1, None, None, 2)
        raise OddError

    with pytest.raises(OddError):
        board.import_answers(given(), source="r", sha256="", form="", by="olga")
    assert issubclass(StorageError, EvalkitError)


def test_the_file_is_sqlite_and_ready_for_readers(tmp_path: Path) -> None:
    database = Database("sqlite", str(tmp_path / "b.sqlite"))
    database.make().close()
    with sqlite3.connect(database.place) as raw:
        assert raw.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    raw.close()
    assert database.sql("PRAGMA integrity_check") == [("ok",)]
    assert database.sql("PRAGMA foreign_key_check") == []


def test_a_reader_sees_one_state_though_others_write_meanwhile(database: Database) -> None:
    with database.make() as board, Board.open(database.place) as other:
        board.add_team("alpha", ["p1"], by="olga")
        before = board.snapshot()
        deeds = [lambda: other.remove_team("alpha", by="pia", why="w"), lambda: other.add_team("beta", by="pia")]

        def meanwhile(_connection: object, _cursor: object, statement: str, *_: object) -> None:
            if deeds and statement.startswith("SELECT"):  # the reader's first query and the next
                deeds.pop(0)()

        event.listen(board._engine, "after_cursor_execute", meanwhile)
        assert board.verify() == []
        deeds.append(lambda: other.add_team("gamma", by="pia"))
        assert [team.name for team in board.snapshot().teams] == ["beta"]
        assert [team.name for team in board.snapshot().teams] == ["beta", "gamma"]
        assert board.snapshot(before.at).teams == before.teams
