"""Jobs that wait for others."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from builders.processes import ACTS, eventually

from evalkit.workers.pool import Pool, Workers
from evalkit.workers.waiting import WaitingJobs


def test_jobs_come_in_order_and_a_held_one_after_the_one_it_waits_for() -> None:
    waiting = WaitingJobs(4, {1: 0, 2: 1})
    assert [waiting.take(), waiting.take()] == [0, 3]
    assert (waiting.ready, waiting.held) == (0, True)
    waiting.finish(3)
    waiting.finish(0)
    assert waiting.ready == 1
    assert waiting.take() == 1
    waiting.finish(1)
    assert waiting.take() == 2
    assert (waiting.ready, waiting.held) == (0, False)
    with pytest.raises(IndexError):
        waiting.take()


def test_nothing_is_left_of_what_was_given_up() -> None:
    waiting = WaitingJobs(3, {2: 0})
    waiting.take()
    waiting.clear()
    waiting.finish(0)
    assert (waiting.ready, waiting.held) == (0, False)


def test_a_worker_whose_jobs_are_held_keeps_its_process() -> None:
    """The second job waits for the first; the worker without a job takes it with the process that it has."""
    with Pool(2) as pool:
        work = Workers(ACTS, None, 2, 60.0)
        jobs = [("sleep", 1.0, 0), ("own pid",), ("own pid", 0.5), ("own pid", 0.5)]
        found = {result.index: result.value for result in pool.run(work, jobs, {2: 0, 3: 0})}
    assert found[1] in {found[2], found[3]}


def test_a_worker_whose_jobs_are_held_serves_another_batch(tmp_path: Path) -> None:
    go = tmp_path / "go"
    with Pool(2) as pool, ThreadPoolExecutor(1) as threads:
        work = Workers(ACTS, None, 2, 60.0)
        held = threads.submit(lambda: list(pool.run(work, [("wait", str(go)), ("echo", 1)], {1: 0})))
        assert eventually(lambda: len(pool._batches) == 1)
        assert [one.value for one in pool.run(work, [("echo", 2)] * 3, rank=1)] == [2, 2, 2]
        assert not held.done()
        go.touch()
        assert [one.value for one in held.result(60)] == ["waited", 1]


@pytest.mark.parametrize("after", [{0: 0}, {0: 1}, {1: 2, 2: 1}, {3: 0}, {1: -1}])
def test_a_job_waits_only_for_an_earlier_one(after: dict[int, int]) -> None:
    with pytest.raises(ValueError, match="earlier one"):
        WaitingJobs(3, after)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_workers_start_a_held_job_when_the_other_is_done(count: int) -> None:
    jobs = [("sleep", 0.3, "first"), ("echo", "second"), ("echo", "third"), ("exit", 5), ("echo", "after a crash")]
    done = [result.index for result in Workers(ACTS, None, count, 60.0).run(jobs, {1: 0, 2: 1, 4: 3})]
    assert sorted(done) == [0, 1, 2, 3, 4]
    assert done.index(0) < done.index(1) < done.index(2)
    assert done.index(3) < done.index(4)


def test_leaving_the_loop_ends_workers_that_wait() -> None:
    before = set(threading.enumerate())
    run = Workers(ACTS, None, 3, 60.0).run([("echo", 0), ("sleep", 50, 1), ("echo", 2)], {2: 1})
    assert next(run).value == 0
    run.close()
    assert eventually(lambda: set(threading.enumerate()) <= before)
