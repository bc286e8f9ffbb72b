from __future__ import annotations

import hashlib
import json
import re
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from board_tools import OTHER_YAML, START, YAML, Clock, Database, card, comparisons, rules, take_ratings
from scorecards import jpeg

from evalkit.board import Board
from evalkit.board.model import GoldItem, Snapshot
from evalkit.errors import InputError, StorageError
from evalkit.ratings.model import Key, KeyEntry

FACTS = (
    "rules",
    "teams",
    "members",
    "runs",
    "choices",
    "cards",
    "strips",
    "reference",
    "raters",
    "keys",
    "gold",
    "imports",
    "answers",
    "decisions",
)


def fill(board: Board) -> list[Snapshot]:
    """Do everything that a board can do; return what it was after each deed."""
    deeds: tuple[Callable[[], object], ...] = (
        lambda: board.add_team("alpha", ["p1", "p2"], by="olga"),
        lambda: board.add_run("alpha", "one", card("one"), by="olga", strips={"s1": [jpeg(1)]}),
        lambda: board.add_run("alpha", "two", card("two"), by="olga", primary=True),
        lambda: board.add_team("beta", ["p3"], by="olga"),
        lambda: board.add_run("beta", "one", card("beta"), by="pia"),
        lambda: board.set_key(Key({"item00000": KeyEntry("alpha", "s1")}), by="olga"),
        lambda: take_ratings(board, 30),
        lambda: board.import_answers(comparisons(8), source="p", sha256="", form="pairs", by="olga"),
        lambda: board.exclude("rater", [("r01", "speeder", "too quick")], by="pia"),
        lambda: take_ratings(board, 30, start=15),
        lambda: board.set_gold([GoldItem("g", "overall", 1, 2)], by="olga"),
        lambda: board.set_rater_team("r02", "alpha", by="olga"),
        lambda: board.include([1], by="quinn", why="no proof"),
        lambda: board.exclude("rater", [("r01", "manual", "after all")], by="quinn"),
        lambda: board.set_challenge(rules(OTHER_YAML), OTHER_YAML, by="olga"),
        lambda: board.add_run("alpha", "one", card("one", 0.9), by="olga", strips={"s1": [jpeg(2)]}, why="w"),
        lambda: board.set_gold([], by="olga"),
        lambda: board.set_rater_team("r02", None, by="olga"),
        lambda: board.set_reference({"s1": [jpeg(9)]}, by="olga"),
        lambda: board.remove_member("alpha", "p1", by="olga"),
        lambda: board.add_members("beta", ["p1"], by="olga"),
        lambda: board.set_primary("alpha", ["one"], by="olga"),
        lambda: board.remove_run("alpha", "two", by="olga", why="withdrawn"),
        lambda: board.set_reference({}, by="olga"),
        lambda: board.remove_team("beta", by="olga", why="withdrew"),
    )
    states = [board.snapshot()]
    for number, deed in enumerate(deeds, start=2):
        deed()
        states.append(board.snapshot())
        assert states[-1].number == number  # one deed, one entry
    return states


def test_every_state_can_be_seen_again(board: Board) -> None:
    states = fill(board)
    for state, following in zip(states, [*states[1:], None], strict=True):
        assert board.snapshot(state.at) == board.snapshot(state.number) == state
        if following is not None:
            last = following.at - timedelta(microseconds=1)
            assert board.snapshot(last) == replace(state, as_of=last)
    assert len({state.digest for state in states}) == len(states)
    assert board.verify() == []


@pytest.mark.parametrize("number", [0, -1, 2, 10**17])
def test_an_entry_that_the_log_does_not_have(board: Board, number: int) -> None:
    with pytest.raises(InputError, match=f"no entry {number}"):
        board.snapshot(number)


def test_a_state_is_the_same_in_every_time_zone(board: Board) -> None:
    board.add_team("alpha", by="olga")
    at = board.snapshot().at
    board.add_team("beta", by="olga")
    assert board.snapshot(at.astimezone(timezone(timedelta(hours=-12)))) == board.snapshot(at)
    assert len(board.snapshot(at).teams) == 1


def test_before_the_board_there_is_nothing(board: Board) -> None:
    first = board.log()[0].at
    assert board.snapshot(first).number == 1
    with pytest.raises(InputError, match="did not exist then"):
        board.snapshot(first - timedelta(microseconds=1))
    with pytest.raises(InputError, match="no time zone"):
        board.snapshot(datetime(2026, 3, 1))


def test_the_rules_change_by_version(board: Board) -> None:
    before = board.snapshot()
    with_comment = "# why not\n" + YAML
    assert not board.set_challenge(rules(with_comment), with_comment, by="olga")
    assert board.snapshot() == before
    assert board.set_challenge(rules(OTHER_YAML), OTHER_YAML, by="olga")
    assert board.snapshot().challenge == rules(OTHER_YAML)
    assert board.snapshot(before.at).challenge == rules()
    assert board.log()[-1].details["before"] == rules().sha256
    other = YAML.replace("id: c", "id: d", 1)
    with pytest.raises(InputError, match="another challenge"):
        board.set_challenge(rules(other), other, by="olga")
    with pytest.raises(InputError, match="says something else"):
        board.set_challenge(rules(), OTHER_YAML, by="olga")


def test_the_log_says_who_did_what_when(board: Board) -> None:
    board.add_team("alpha", by="  pia ")
    take_ratings(board, 3)
    log = board.log()
    assert [(entry.number, entry.by, entry.action, entry.subject) for entry in log] == [
        (1, "olga", "init", "c"),
        (2, "pia", "add-team", "alpha"),
        (3, "olga", "import", "r.csv"),
    ]
    assert [entry.at for entry in log] == [START + timedelta(seconds=at) for at in (1, 2, 3)]
    assert all(entry.at.tzinfo is UTC for entry in log)
    assert board.log(2) == log[1:]
    assert board.log(0) == []
    assert board.log(99) == log


def test_digests_are_made_as_they_are_described(board: Board) -> None:
    fill(board)
    previous = ""
    for entry in board.log():
        at = entry.at.isoformat(timespec="microseconds")
        content = [previous, entry.number, at, entry.by, entry.action, entry.subject, dict(entry.details)]
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        assert entry.digest == hashlib.sha256(text.encode()).hexdigest()
        previous = entry.digest


def test_the_seal_of_a_row_by_hand(board: Board) -> None:
    board.add_team("alpha", by="olga")
    board.remove_team("alpha", by="olga", why="w")
    made, ended = (entry.details["facts"]["teams"] for entry in board.log()[1:])
    row = b'+{"folded":"alpha","id":1,"name":"alpha","since":2}\n'
    assert made == {"added": 1, "ended": 0, "sha256": hashlib.sha256(row).hexdigest()}
    assert ended == {"added": 0, "ended": 1, "sha256": hashlib.sha256(b"-1\n").hexdigest()}


def test_time_never_goes_back_or_stands(database: Database) -> None:
    clock = Clock(step=0)
    with database.make(now=clock) as board:
        board.add_team("alpha", by="olga")
        before = board.snapshot()
        clock.time -= timedelta(days=3)
        board.add_team("beta", by="olga")
        assert [entry.at for entry in board.log()] == [START + timedelta(microseconds=at) for at in (0, 1, 2)]
        assert board.snapshot(before.at).teams == before.teams
        assert board.verify() == []
        clock.time = START + timedelta(hours=1)
        board.add_team("gamma", by="olga")
        assert board.log()[-1].at == clock.time


def test_the_database_refuses_to_change_the_log(database: Database) -> None:
    with database.make() as board:
        board.add_team("alpha", by="olga")
    before = database.sql("SELECT * FROM audit ORDER BY number")
    columns = "number, at, by, action, subject, details, digest"
    for statement in (
        "UPDATE audit SET by = 'someone' WHERE number = 1",
        "UPDATE audit SET number = 3 WHERE number = 2",
        "DELETE FROM audit WHERE number = 2",
        f"INSERT INTO audit ({columns}) VALUES (2, '', '', '', '', '', '')",
        f"INSERT INTO audit ({columns}) VALUES (4, '', '', '', '', '', '')",
        f"INSERT INTO audit ({columns}) VALUES (0, '', '', '', '', '', '')",
        "TRUNCATE audit CASCADE",
        f"INSERT OR REPLACE INTO audit ({columns}) VALUES (2, '', '', '', '', '', '')",
    ):
        _refused(database, statement)
    assert database.sql("SELECT * FROM audit ORDER BY number") == before


def test_the_database_refuses_to_change_facts(database: Database) -> None:
    with database.make() as board:
        fill(board)
    for table in FACTS:
        before = database.sql(f"SELECT * FROM {table} ORDER BY id")
        assert before, table
        (number,) = database.sql("SELECT max(number) FROM audit")[0]
        columns = _columns(database, table)
        everything = ", ".join(f'"{name}"' for name in columns)
        same = f"SELECT {everything} FROM {table}"
        nothing = {"id": "100000", "until": "NULL", "identity": "'another'"}
        copy = ", ".join(nothing.get(name, f'"{name}"') for name in columns)
        for statement in (
            f"DELETE FROM {table}",
            f"TRUNCATE {table} CASCADE",
            f"UPDATE {table} SET since = since",
            f"UPDATE {table} SET until = NULL",
            f"UPDATE {table} SET until = {number} WHERE until IS NULL",
            f"UPDATE {table} SET until = {number + 2} WHERE until IS NULL",
            f"UPDATE {table} SET until = {number + 1} WHERE until IS NOT NULL",
            f'UPDATE {table} SET until = {number + 1}, "{columns[1]}" = NULL',
            f"INSERT INTO {table} ({everything}) SELECT {copy} FROM {table} LIMIT 1",
            f"INSERT OR REPLACE INTO {table} ({everything}) {same} LIMIT 1",
        ):
            _refused(database, statement)
        assert database.sql(f"SELECT * FROM {table} ORDER BY id") == before
    with Board.open(database.place) as board:
        assert board.verify() == []


def _columns(database: Database, table: str) -> list[str]:
    if database.kind == "sqlite":
        return [row[1] for row in database.sql(f"PRAGMA table_info({table})")]
    where = f"table_schema = current_schema() AND table_name = '{table}'"
    query = f"SELECT column_name FROM information_schema.columns WHERE {where} ORDER BY ordinal_position"
    return [name for (name,) in database.sql(query)]


def _refused(database: Database, statement: str) -> None:
    """Run a statement that must fail, or that touches nothing."""
    if database.kind == "sqlite" and statement.startswith("TRUNCATE"):
        return
    if database.kind == "postgres" and "OR REPLACE" in statement:
        return
    if "OR REPLACE INTO answers" in statement:
        database.sql(statement)  # known ones are passed over
        return
    table = statement.removeprefix("UPDATE ").split()[0]
    where = statement.partition(" WHERE ")[2]
    if statement.startswith("UPDATE") and where and not database.sql(f"SELECT 1 FROM {table} WHERE {where}"):
        return
    with pytest.raises(sqlite3.IntegrityError if database.kind == "sqlite" else _restricted()):
        database.sql(statement)


def _restricted() -> type[Exception]:
    import psycopg

    return psycopg.errors.RestrictViolation


def test_a_replaced_row_is_refused_by_what_is_unique_too(tmp_path: Path) -> None:
    """SQLite's REPLACE removes the row that is in the way, whatever its number, and asks no trigger about it."""
    database = Database("sqlite", str(tmp_path / "b.sqlite"))
    with database.make() as board:
        states = fill(board)
    before = database.sql("SELECT * FROM teams"), database.sql("SELECT * FROM answers")
    teams = f"INSERT OR REPLACE INTO teams VALUES (99, 'Alpha', 'alpha', {states[-1].number + 1}, NULL)"
    _refused(database, teams)
    copied = (
        "99999, identity, import_id, rater, item, left_team, right_team, dimension, 5, at, seconds, row_number, status"
    )
    database.sql(f"INSERT OR REPLACE INTO answers SELECT {copied}, {states[-1].number + 1}, NULL FROM answers")
    assert (database.sql("SELECT * FROM teams"), database.sql("SELECT * FROM answers")) == before


TAMPERED = [
    ("UPDATE audit SET by = 'someone' WHERE number = 3", r"Log entry 3 \(add-run alpha/one\) was changed"),
    ("UPDATE audit SET at = '2026-03-01T12:00:02.000000+00:00' WHERE number = 4", "Log entry 4 .* not later"),
    ("UPDATE audit SET details = '{' WHERE number = 4", "Log entry 4 .* details that can't be read"),
    ("UPDATE answers SET value = 5 WHERE id = 7", "Answer 7, added by log entry 8, was changed"),
    ("UPDATE answers SET seconds = 9 WHERE id = 7", "Log entry 8 .*'answers'.*a value was changed"),
    ("DELETE FROM answers WHERE id = 39", "Log entry 11 .*'answers'.*15 rows added, now 14"),
    ("UPDATE answers SET value = 1 WHERE id = 31", "Answer 31, added by log entry 9, was changed"),
    ("UPDATE answers SET left_team = 'gamma' WHERE id = 32", "Answer 32, added by log entry 9, was changed"),
    ("UPDATE answers SET right_team = 'beta' WHERE id = 7", "Log entry 8 .*'answers'.*a value was changed"),
    ("UPDATE cards SET text = replace(text, '0.9', '0.99')", "Scorecard 4, added by log entry 17, is not the one"),
    ("UPDATE cards SET backbones = 'bundled' WHERE id = 1", "Log entry 3 .*'cards'.*a value was changed"),
    ("UPDATE gold SET until = NULL", "Log entry 18 .*'gold'.*1 row ended, now 0"),
    ("UPDATE decisions SET until = 15 WHERE id = 1", "Log entry 15 .*'decisions'.*0 rows ended, now 1"),
    ("UPDATE teams SET name = 'gamma' WHERE id = 1", "Log entry 2 .*'teams'.*a value was changed"),
    ("UPDATE rules SET text = replace(text, 'challenge', 'contest')", "rules of log entry 1 are not the ones"),
    ("UPDATE rules SET text = '{' WHERE id = 1", "rules of log entry 1 are not the ones"),
    ("UPDATE choices SET run_id = 3 WHERE id = 1", "Log entry 3 .*'choices'.*a value was changed"),
    ("UPDATE strips SET image = (SELECT max(image) FROM strips)", "Log entry .*'strips'.*a value was changed"),
    ("UPDATE imports SET file = 'other.csv' WHERE id = 1", "Log entry 8 .*'imports'.*a value was changed"),
]


@pytest.fixture(scope="module")
def filled_sqlite(tmp_path_factory: pytest.TempPathFactory) -> str:
    place = tmp_path_factory.mktemp("filled") / "board.sqlite"
    with Database("sqlite", str(place)).make() as board:
        fill(board)
    return str(place)


@pytest.mark.parametrize(("statement", "message"), TAMPERED)
def test_what_is_changed_behind_the_boards_back_is_found(
    filled_sqlite: str, tmp_path: Path, statement: str, message: str
) -> None:
    database = Database("sqlite", str(tmp_path / "copy.sqlite"))
    shutil.copy(filled_sqlite, database.place)
    with Board.open(database.place) as board:
        assert board.verify() == []
        database.tamper(statement)
        found = board.verify()
    assert any(re.search(message, sentence) for sentence in found), found


def test_what_is_changed_is_found_on_either_database(database: Database) -> None:
    with database.make() as board:
        fill(board)
        assert board.verify() == []
        database.tamper(
            "UPDATE cards SET text = replace(text, '0.9', '0.99')",
            "UPDATE audit SET subject = 'gamma' WHERE number = 2",
            "DELETE FROM decisions WHERE id = 2",
            "UPDATE answers SET value = 5 WHERE id = 7",
        )
        found = "\n".join(board.verify())
    assert "Scorecard 4, added by log entry 17" in found
    assert "Log entry 2 (add-team gamma) was changed" in found
    assert "what it wrote to 'decisions'" in found
    assert "Answer 7" in found


def test_a_missing_log_line_and_a_missing_trigger_are_found(database: Database) -> None:
    with database.make() as board:
        board.add_team("alpha", by="olga")
        board.add_team("beta", by="olga")
        off = (
            ["PRAGMA foreign_keys = OFF"]
            if database.kind == "sqlite"
            else ["ALTER TABLE teams DROP CONSTRAINT fk_teams_since"]
        )
        database.tamper(*off, "DELETE FROM audit WHERE number = 2")
        found = board.verify()
        assert any("gap: entry 2 is missing" in sentence for sentence in found)
        assert any("'teams' holds 1 row of log entry 2, which does not exist" in sentence for sentence in found)
    on = "" if database.kind == "sqlite" else " ON audit"
    database.sql(f"DROP TRIGGER audit_update{on}")
    with Board.open(database.place) as board:
        assert any("1 triggers" in sentence and "audit_update" in sentence for sentence in board.verify())
        if database.kind == "postgres":
            database.sql("ALTER TABLE answers DISABLE TRIGGER answers_delete")
            assert any("answers_delete, audit_update" in sentence for sentence in board.verify())


def test_a_broken_board_is_told_and_not_read(database: Database) -> None:
    with database.make() as board:
        board.add_team("alpha", by="olga")
        board.add_run("alpha", "one", card(), by="olga")
        database.tamper("DELETE FROM cards")
        with pytest.raises(StorageError, match="evalkit board verify"):
            board.snapshot()
        assert any("'cards'" in sentence for sentence in board.verify())


def test_a_trigger_that_was_changed_or_added_is_found(database: Database) -> None:
    database.make().close()
    if database.kind == "sqlite":
        harmless = "CREATE TRIGGER teams_update BEFORE UPDATE ON teams WHEN 0 BEGIN SELECT 1; END"
        extra = "CREATE TRIGGER sly AFTER INSERT ON teams BEGIN SELECT 1; END"
        database.sql("DROP TRIGGER teams_update", harmless, extra)
    else:
        body = "LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$"
        harmless = "CREATE TRIGGER teams_update BEFORE UPDATE ON teams FOR EACH ROW WHEN (false) EXECUTE FUNCTION sly()"
        extra = "CREATE TRIGGER sly AFTER INSERT ON teams FOR EACH ROW EXECUTE FUNCTION sly()"
        made = f"CREATE FUNCTION sly() RETURNS trigger {body}"
        changed = f"CREATE OR REPLACE FUNCTION board_fact_stays() RETURNS trigger {body}"
        database.sql(made, "DROP TRIGGER teams_update ON teams", harmless, extra, changed)
    with Board.open(database.place) as board:
        found = board.verify()
    assert "1 triggers that keep rows from being changed were changed: teams_update." in found
    assert "1 triggers are there that evalkit did not make: sly." in found
    functions = ["1 functions of such triggers were changed: board_fact_stays."]
    assert [one for one in found if "functions" in one] == (functions if database.kind != "sqlite" else [])
