"""A server that is killed, and a board that somebody else writes: what is said to be saved comes on the board, once."""

from __future__ import annotations

import json
import select
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest
from builders.studies import BuiltStudy, prepared_study
from builders.studio_server import Client, Person, answer_to, served

from evalkit.board import Board, database_location
from evalkit.errors import StorageError
from evalkit.studio.journal import Journal

RATERS = 4


def start(study: BuiltStudy, board: str, port: int = 0) -> tuple[subprocess.Popen[str], str]:
    """Start the command; return the process and the address that it says."""
    words = ["studio", "serve", str(study.plan_path), "--board", board, "--submissions", str(study.submissions)]
    words += ["--testset", str(study.testset), "--port", str(port), "--json", "--quiet", "-w", "1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "evalkit", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], 120)
    line = process.stdout.readline() if ready else ""
    assert line, process.communicate(timeout=5)[1] if process.poll() is not None else "it says nothing"
    return process, json.loads(line)["url"]


@dataclass
class Stream:
    """A rater's page that answers as fast as it can, and sends again what it heard nothing of."""

    person: Person
    value: int
    saved: dict[str, dict[str, Any]] = field(default_factory=dict)
    unsent: dict[str, Any] | None = None
    sent: int = 0
    done: bool = False

    def run(self, end: threading.Event) -> None:
        while not end.is_set() and not self.done:
            try:
                self.step()
            except (OSError, HTTPException, ValueError):
                time.sleep(0.02)

    def step(self) -> None:
        if self.unsent is None:
            state = self.person.state()
            if state.get("finished"):
                self.done = True
                return
            self.person.watch(state["item"])
            self.unsent = answer_to(state, self.value)
        self.sent += 1
        reply = self.person.send(self.unsent)
        assert reply.get("refused", []) == []
        if self.unsent["id"] in reply.get("saved", []):
            self.saved[self.unsent["id"]] = self.unsent
            self.unsent = None


def test_a_kill_loses_nothing_that_was_saved_and_doubles_nothing(tmp_path: Path) -> None:
    study = prepared_study(tmp_path, raters=RATERS)
    place = str(study.board)
    process, url = start(study, place)
    port = int(url.rpartition(":")[2])
    streams = [
        Stream(Person(Client(url), study.plan.raters[f"rater-{number}"].token), 1 + number % 5)
        for number in range(1, RATERS + 1)
    ]
    for stream in streams:
        stream.person.agree()
    end = threading.Event()
    threads = [threading.Thread(target=stream.run, args=(end,)) for stream in streams]
    for thread in threads:
        thread.start()
    try:
        for enough in (6, 16):
            while sum(len(stream.saved) for stream in streams) < enough:
                time.sleep(0.005)
            process.kill()
            process.communicate()
            stored(study, {key for stream in streams for key in stream.saved})
            process, _ = start(study, place, port)
        for thread in threads:
            thread.join(60)
        assert [stream.done for stream in streams] == [True] * RATERS
    finally:
        end.set()
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=30)
    assert process.returncode == 0, told
    everything = {key for stream in streams for key in stream.saved}
    assert len(everything) == RATERS * 7
    assert stored(study, everything) == RATERS * 7, "the file knows that the board has them"
    with Board.open(place) as board:
        answers = board.snapshot().answers
        assert len(answers) == RATERS * 12
        assert Counter((one.rater, one.item, one.dimension) for one in answers).most_common(1)[0][1] == 1
        for number, stream in enumerate(streams, 1):
            mine = [one.value for one in answers if one.rater == f"rater-{number}"]
            assert mine == [float(stream.value)] * 12
        assert board.verify() == []


def stored(study: BuiltStudy, promised: set[str]) -> int:
    """Make sure that the file of a studio that was stopped has what it promised; return how many are on the board."""
    journal = Journal.open(study.folder / "plan-studio" / "studio.sqlite", study.plan.sha256)
    held = {one.id: one for one in journal.answers()}
    journal.close()
    assert promised <= held.keys()
    return sum(one.on_board for one in held.values())


HOLD = """
import sqlite3, sys
board = sqlite3.connect(sys.argv[1], isolation_level=None)
board.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def held(board: Path) -> Iterator[None]:
    """Let another process hold the board's lock until the block ends."""
    words = [sys.executable, "-c", HOLD, str(board)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield
        assert is_held(board), "it was held all the time"
        process.stdin.close()


def is_held(board: Path) -> bool:
    with closing(sqlite3.connect(board, isolation_level=None, timeout=0)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            assert "locked" in str(error)
            return True
        return False


def test_raters_go_on_while_another_process_holds_the_board_and_a_kill_loses_nothing(tmp_path: Path) -> None:
    study = prepared_study(tmp_path, raters=2)
    place = str(study.board)
    process, url = start(study, place)
    port, client = int(url.rpartition(":")[2]), Client(url)
    people = [Person(client, study.plan.raters[name].token) for name in ("rater-1", "rater-2")]
    told: set[str] = set()

    def answers(person: Person, count: int) -> None:
        for _ in range(count):
            answer, reply = person.next(2)
            assert (reply["saved"], reply["waiting"]) == ([answer["id"]], [])
            told.add(answer["id"])

    def waiting() -> dict[str, Any]:
        found: dict[str, Any] = client.get(f"/o/{study.plan.organizer}/progress").json["waiting"]
        return found

    people[0].agree()
    answers(people[0], 2)
    assert client.get(f"/o/{study.plan.organizer}/export").headers["content-disposition"].endswith('"ratings.csv"')
    try:
        with held(study.board):
            answers(people[0], 2)
            assert people[1].agree()["consented"] is True
            answers(people[1], 3)
            assert is_held(study.board)
            assert waiting()["answers"] == 4, "the first one of each rater is training"
            assert f"4 answers wait for the board since {waiting()['since'][:10]}" in (
                client.get(f"/o/{study.plan.organizer}").body.decode()
            )
            process.kill()
            process.communicate()
            assert len(told) == 7
            assert stored(study, told) == 3, "two of training, and the one from before"
            process, _ = start(study, place, port)
            assert is_held(study.board), "a restart needs no lock"
            answers(people[0], 3)
            assert waiting()["answers"] == 7
        answers(people[1], 4)
    finally:
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert stored(study, told) == 14
    with Board.open(place) as board:
        on_board = Counter((one.rater, one.item, one.dimension) for one in board.snapshot().answers)
        assert (len(on_board), set(on_board.values())) == (2 * 6 * 2, {1})
        assert len(board.snapshot().imports) == 1
        assert board.verify() == []


def test_who_stops_the_studio_hears_of_answers_that_are_not_on_the_board(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_location, "BUSY_SECONDS", 0.0)
    study = prepared_study(tmp_path, raters=1)
    with ExitStack() as lock, pytest.raises(StorageError) as told, served(study) as studio:
        lock.enter_context(held(study.board))
        person = studio.person(1)
        person.agree()
        answers = [person.next(2)[0] for _ in range(2)]
        answer = answers[1]
    assert "1 answer in " in str(told.value)
    assert "is not on the board yet" in str(told.value)
    assert "Another process writes to the board" in str(told.value)
    with served(study) as studio:
        mine = studio.board.snapshot().answers
        assert [(one.item, one.value) for one in mine] == [(answer["item"], 2.0)] * 2
