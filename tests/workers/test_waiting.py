"""Jobs that wait for others."""

from __future__ import annotations

import threading

import pytest
from builders.processes import ACTS, eventually

from evalkit.workers.pool import Workers
from evalkit.workers.waiting import WaitingJobs


def test_jobs_come_in_order_and_a_held_one_after_the_one_it_waits_for() -> None:
    waiting = WaitingJobs(4, {1: 0, 2: 1})
    assert [waiting.take(), waiting.take()] == [0, 3]
    waiting.finish(3)
    waiting.finish(0)
    assert waiting.take() == 1
    waiting.finish(1)
    assert [waiting.take(), waiting.take(), waiting.take()] == [2, None, None]


def test_a_thread_waits_until_a_job_is_released_or_there_will_be_none() -> None:
    waiting = WaitingJobs(2, {1: 0})
    assert waiting.take() == 0
    taken: list[int | None] = []
    threads = [threading.Thread(target=lambda: taken.append(waiting.take())) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert taken == []
    waiting.finish(0)
    for thread in threads:
        thread.join(30)
    assert sorted(taken, key=str) == [1, None]


def test_closing_wakes_who_waits() -> None:
    waiting = WaitingJobs(2, {1: 0})
    waiting.take()
    taken: list[int | None] = []
    thread = threading.Thread(target=lambda: taken.append(waiting.take()))
    thread.start()
    waiting.close()
    thread.join(30)
    assert taken == [None]


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
