"""Several processes at one board, and processes that are killed."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from subprocess import Popen

from board_tools import Clock, Database, finished, ratings, rules, take_ratings, worker

from evalkit.board import Board
from evalkit.board.model import Snapshot

TIMES, ROWS = 12, 60


def test_two_processes_write_at_once(database: Database) -> None:
    database.make().close()
    # Each import overlaps the one before it by half, and the two writers' ranges overlap by half as well.
    each = ROWS // 2 * (TIMES + 1)  # ratings that one writer hands in
    starts = (0, each // 2)
    processes = [worker(database.place, "imports", TIMES, ROWS, start, stdin=True) for start in starts]
    for one in processes:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    done = [finished(one) for one in [_let_go(one) for one in processes]]
    with Board.open(database.place) as board:
        assert board.verify() == []
        snapshot = board.snapshot()
    last = starts[1] + each
    assert set(snapshot.answers) == set(ratings(last))
    assert len(snapshot.answers) == last
    assert sum(new for one in done for new, _ in one) == last
    assert all(new + known == ROWS for one in done for new, known in one)
    assert [entry.number for entry in snapshot.log] == list(range(1, len(snapshot.log) + 1))
    assert len(snapshot.log) == 1 + sum(new > 0 for one in done for new, _ in one) == 1 + len(snapshot.imports)
    for start, one in zip(starts, done, strict=True):
        logged = [entry.details["new"] for entry in snapshot.log if entry.by == f"writer{start}"]
        assert logged == [new for new, _ in one if new]
    times = [entry.at for entry in snapshot.log]
    assert times == sorted(set(times))


def _let_go(process: Popen[str]) -> Popen[str]:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()
    return process


def test_two_processes_open_a_new_place_at_once(database: Database) -> None:
    """Only one of two boards comes into being."""
    processes = [worker(database.place, "create") for _ in range(2)]
    found = sorted(finished(one) for one in processes)
    assert found == ["made", "refused"]
    with Board.open(database.place) as board:
        assert len(board.log()) == 1
        assert board.verify() == []


@contextmanager
def killed(process: Popen[str]) -> Iterator[None]:
    """Wait until the process says that it is inside, run the block, and kill it for good."""
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "inside\n"
        yield
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL


def test_a_process_killed_inside_an_import_leaves_the_board_as_it_was(database: Database) -> None:
    with database.make() as board:
        take_ratings(board, 10, start=100_000)
        before = board.snapshot()
        with killed(worker(database.place, "stop", 4000, 3999, stdin=True)):
            assert board.snapshot() == before
        assert board.snapshot() == before
        assert board.verify() == []
        assert take_ratings(board, 4000) == (4000, 0)  # nothing is locked, nothing is half there


def test_a_process_killed_at_any_time_leaves_whole_imports(database: Database) -> None:
    rows = 40
    rng = random.Random(7)
    with database.make(now=Clock()) as board:
        seen: list[Snapshot] = [board.snapshot()]
        for _ in range(2):
            with killed(worker(database.place, "loop", rows)):
                time.sleep(rng.uniform(0.05, 0.6))
            now = board.snapshot()
            assert board.verify() == []
            assert now.number - 1 == len(now.imports)
            assert {one.new for one in now.imports} <= {rows}
            assert list(now.answers) == list(ratings(rows * len(now.imports)))
            assert now.log[: seen[-1].number] == seen[-1].log
            seen.append(now)
    assert len(seen[-1].imports) > 0
    assert rules() == seen[-1].challenge
