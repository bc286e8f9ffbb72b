"""A server that is killed while answers stream in: what it said is saved is on the board, once."""

from __future__ import annotations

import json
import select
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any

from builders.studies import BuiltStudy, build_study
from builders.studio_server import Client, Person, answer_to

from evalkit.board import Board
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
    study = build_study(tmp_path, raters=RATERS)
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
            promised = {key for stream in streams for key in stream.saved}
            on_board(study, place, promised)
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
    on_board(study, place, everything)
    with Board.open(place) as board:
        answers = board.snapshot().answers
        assert len(answers) == RATERS * 12
        assert Counter((one.rater, one.item, one.dimension) for one in answers).most_common(1)[0][1] == 1
        for number, stream in enumerate(streams, 1):
            mine = [one.value for one in answers if one.rater == f"rater-{number}"]
            assert mine == [float(stream.value)] * 12
        assert board.verify() == []


def on_board(study: BuiltStudy, place: str, promised: set[str]) -> None:
    """Make sure that the files of a studio that was stopped hold all answers that it promised to have."""
    journal = Journal.open(study.folder / "plan-studio" / "studio.sqlite", study.plan.sha256)
    held = {one.id: one for one in journal.answers()}
    journal.close()
    assert promised <= held.keys()
    training = {name for name, item in study.plan.items.items() if item.kind == "training"}
    with Board.open(place) as board:
        there = {(one.rater, one.item) for one in board.snapshot().answers}
    assert {(held[key].rater, held[key].item) for key in promised if held[key].item not in training} <= there
