"""Measurements of speed on a board: entries of the log that can be taken back, and that earlier states show."""

from __future__ import annotations

from pathlib import Path

import pytest
from board_tools import Clock, Database, card, rules
from sqlalchemy import text

from evalkit.board import Board
from evalkit.board.database import open_engine
from evalkit.board.database_location import parse_location
from evalkit.errors import InputError, StorageError
from evalkit.leaderboard.compute import compute_leaderboard
from evalkit.reports.leaderboard.page import render_leaderboard
from evalkit.reports.leaderboard.tables import leaderboard_json
from evalkit.speed.model import SampleSpeed, SpeedReport
from evalkit.speed.table import TeamSpeed

YAML = """schema: 1
id: c
title: The challenge
submission: {runs: {max: 3, primary: 1}}
metrics: [{id: identity.strict}, {id: speed.fps, group: speed}]
ranking: mean-rank
"""


@pytest.fixture
def board(tmp_path: Path):
    with Board.create(tmp_path / "b.sqlite", rules(YAML), YAML, by="olga", now=Clock()) as made:
        for name in ("alpha", "beta"):
            made.add_team(name, by="olga")
            made.add_run(name, "main", card(name, text=YAML), by="olga")
        yield made


def measured(team: str = "alpha", seconds: float = 4.0, run: str | None = None, hardware: str = "A") -> TeamSpeed:
    samples = {name: SampleSpeed(name, seconds, 100, 4.0, 0.5, seconds, 2**33, 3) for name in ("s1", "s2")}
    return TeamSpeed(team, run, "olga", SpeedReport(hardware, "call", samples))


def take(board: Board, *one: TeamSpeed, digest: str = "ab", form: str = "speed measurement"):
    return board.import_speed(one, source="x/lumen.json", sha256=digest * 32, form=form, trusted="measured", by="olga")


def test_an_import_is_an_entry_of_the_log(board: Board) -> None:
    done = take(board, measured(), measured("BETA", 8.0))
    assert (done.new, done.known, done.number) == (4, 0, 1)
    entry = board.log()[-1]
    assert (entry.action, entry.subject, entry.by) == ("import-speed", "lumen.json", "olga")
    assert entry.details["teams"] == "alpha, BETA"
    first, second = board.snapshot().speeds
    assert (first.team, first.run, first.source, first.hardware, first.number) == ("alpha", "main", "measured", "A", 1)
    assert first.samples["s1"] == SampleSpeed("s1", 4.0, 100, 4.0, 0.5, 4.0, 2**33, 3)
    assert second.team == "beta"  # as the board calls it
    assert board.verify() == []


def test_the_same_file_adds_nothing_twice(board: Board) -> None:
    take(board, measured())
    entries = len(board.log())
    done = take(board, measured())
    assert (done.new, done.known, done.number) == (0, 2, None)
    assert len(board.log()) == entries
    assert take(board, measured("beta")).number == 2  # one measurement may be of two teams' runs
    assert take(board, measured(), digest="cd").number == 3


def test_an_import_is_taken_back_and_the_past_stays(board: Board) -> None:
    def made(as_of: int | None = None) -> tuple[str, str]:
        snapshot = board.snapshot(as_of)
        found = compute_leaderboard(snapshot, draws=100)
        return render_leaderboard(snapshot, found), leaderboard_json(snapshot, found)

    before = made()
    empty = board.log()[-1].number
    take(board, measured(), measured("beta", 8.0))
    number, during = board.log()[-1].number, made()
    assert during != before
    assert "25.0" in during[1]
    done = board.undo_import(1, by="olga", why="The GPU was shared.")
    assert (done.file, done.measurements, done.removed) == ("lumen.json", 4, 0)
    assert board.log()[-1].details["why"] == "The GPU was shared."
    assert board.snapshot().speeds == ()
    assert made(number) == during
    assert made(empty) == before
    assert board.verify() == []
    assert take(board, measured()).number == 2  # it may come again
    with pytest.raises(InputError, match=r"Import 1 .* was undone"):
        board.undo_import(1, by="olga", why="Again.")


def test_an_undone_import_gives_way_to_the_one_before(board: Board) -> None:
    take(board, measured(seconds=4.0))
    take(board, measured(seconds=50.0), digest="cd")

    def value() -> float | None:
        found = compute_leaderboard(board.snapshot(), draws=100)
        return next(row for row in found.rows if row.team == "alpha").cells["speed.fps"].value

    assert value() == 2.0
    board.undo_import(2, by="olga", why="Wrong machine.")
    assert value() == 25.0


def test_unknown_teams_and_runs_are_refused(board: Board) -> None:
    for one, told in (
        (measured("alpa"), "no team 'alpa'. Did you mean 'alpha'?"),
        (measured(run="man"), "has no run 'man'. Did you mean 'main'?"),
    ):
        with pytest.raises(InputError) as raised:
            take(board, measured("beta"), one)
        assert told in str(raised.value)
    assert board.snapshot().speeds == ()  # all of them, or none
    board.add_run("alpha", "second", card("alpha", 0.7, text=YAML), by="olga", allow_shared=True, why="Another seed.")
    with pytest.raises(InputError, match="has 2 runs, and nothing says which one"):
        take(board, measured())
    take(board, measured(run="second"))
    assert board.snapshot().speeds[0].run == "second"


def test_a_changed_measurement_is_noticed(board: Board, tmp_path: Path) -> None:
    take(board, measured())
    engine = open_engine(parse_location(tmp_path / "b.sqlite"), Clock())
    with engine.begin() as connection, pytest.raises(Exception, match="facts are ended"):
        connection.execute(text("UPDATE speeds SET seconds = 0.1"))
    with engine.begin() as connection:
        connection.execute(text("DROP TRIGGER speeds_update"))
        connection.execute(text("UPDATE speeds SET seconds = 0.1"))
    assert any("'speeds'" in problem for problem in board.verify())
    with engine.begin() as connection:
        connection.execute(text("UPDATE speeds SET seconds = -1"))
    with pytest.raises(StorageError, match="was changed and can't be read"):
        board.snapshot()
    engine.dispose()


def test_a_board_without_the_table_gets_it(database: Database) -> None:
    with database.make() as made:
        made.add_team("alpha", by="olga")
    database.sql("DROP TABLE speeds")
    database.sql("DROP TABLE gold_pairs")
    database.sql("UPDATE board_version SET version_num = '0001'")
    with Board.open(database.place) as opened:
        assert (opened.log()[-1].action, opened.log()[-1].details["to"]) == ("upgrade", "0003")
        assert take(opened, measured()).number == 1
        assert opened.verify() == []
        assert opened.snapshot().speeds[0].samples["s1"].peak_bytes == 2**33
        opened.undo_import(1, by="olga", why="The GPU was shared.")
        assert opened.snapshot().speeds == ()
        assert opened.verify() == []
