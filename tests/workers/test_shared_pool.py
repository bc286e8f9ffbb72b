"""One pool for several runs: who is served first, and that no process serves two of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from builders.processes import ACTS, alive, eventually

from evalkit.errors import MachineError, StorageError
from evalkit.workers.batch_clock import BatchClock, Shares
from evalkit.workers.pool import JobResult, Pool, Workers


@pytest.fixture
def runs() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as threads:
        yield threads


def started(
    threads: ThreadPoolExecutor, pool: Pool, jobs: list[Any], rank: int = 0, **options: Any
) -> Future[list[JobResult]]:
    work = Workers(ACTS, options.pop("config", None), 1, **options)
    return threads.submit(lambda: list(pool.run(work, jobs, rank=rank)))


def folder(path: Path) -> str:
    path.mkdir()
    return str(path)


def test_a_process_serves_one_batch_and_no_other(tmp_path: Path, runs: ThreadPoolExecutor) -> None:
    with Pool(2) as pool:
        found = [started(runs, pool, [("pid", 0.05)] * 6, rank, config=str(tmp_path)) for rank in range(3)]
        pids = [{result.value for result in one.result(60)} for one in found]
    assert all(1 <= len(one) <= 2 for one in pids)
    assert len(set.union(*pids)) == sum(len(one) for one in pids)
    assert not any(alive(pid) for one in pids for pid in one)


def test_the_batch_that_is_first_in_the_queue_is_served_first(tmp_path: Path, runs: ThreadPoolExecutor) -> None:
    """The one worker is in the middle of the second batch when the first one comes, and turns to it."""
    go = tmp_path / "go"
    order: list[str] = []
    with Pool(1) as pool:
        waiting = [("wait", str(go)), ("echo", "second"), ("echo", "second")]
        work = Workers(ACTS, None, 1, accept=lambda index, value: order.append(value))
        later = runs.submit(lambda: list(pool.run(work, waiting, rank=1)))
        assert eventually(lambda: any(worker._busy for batch in pool._batches for worker in batch.workers))
        sooner = runs.submit(lambda: list(pool.run(work, [("echo", "first")] * 2, rank=0)))
        assert eventually(lambda: len(pool._batches) == 2)
        go.touch()
        assert (len(sooner.result(60)), len(later.result(60))) == (2, 3)
    assert order == ["waited", "first", "first", "second", "second"]


def test_a_worker_without_a_job_turns_to_the_next_batch(tmp_path: Path, runs: ThreadPoolExecutor) -> None:
    """The last job of the first batch lasts until the second batch is done."""
    go = tmp_path / "go"
    with Pool(2) as pool:
        first = started(runs, pool, [("wait", str(go)), ("echo", 1)])
        second = started(runs, pool, [("echo", value) for value in range(5)], 1)
        assert [result.value for result in second.result(60)] == [0, 1, 2, 3, 4]
        assert not first.done()
        assert pool.wants_more()
        go.touch()
        assert {result.value for result in first.result(60)} == {"waited", 1}


def test_the_time_of_a_batch_does_not_run_while_it_waits(tmp_path: Path, runs: ThreadPoolExecutor) -> None:
    """The second batch may take 3 s, and waits longer than that for the one worker."""
    go = tmp_path / "go"
    with Pool(1) as pool:
        first = started(runs, pool, [("wait", str(go))])
        assert eventually(lambda: any(batch.workers for batch in pool._batches))
        second = started(runs, pool, [("echo", 1), ("echo", 2)], 1, total=3.0)
        time.sleep(3.5)
        go.touch()
        assert first.result(60)[0].value == "waited"
        assert [result.value for result in second.result(60)] == [1, 2]


def test_a_batch_that_uses_up_its_time_costs_no_other(tmp_path: Path, runs: ThreadPoolExecutor) -> None:
    with Pool(2) as pool:
        hanging = started(runs, pool, [("sleep", 600, None)] * 3, total=2.0)
        other = started(runs, pool, [("echo", value) for value in range(3)], 1, total=100.0)
        assert {result.failure for result in hanging.result(60)} == {"total-timeout"}
        assert sorted(result.value for result in other.result(60)) == [0, 1, 2]


def test_leaving_one_run_leaves_the_others(tmp_path: Path, runs: ThreadPoolExecutor) -> None:
    left, kept = folder(tmp_path / "left"), folder(tmp_path / "kept")
    with Pool(2) as pool:
        run = pool.run(Workers(ACTS, left, 1), [("pid",), ("pid", 600)])
        first = next(run)
        other = started(runs, pool, [("pid", 0.1)] * 3, 1, config=kept)
        assert eventually(lambda: len(list(Path(kept).iterdir())) >= 1)
        run.close()
        pids = {result.value for result in other.result(60)}
        assert not any(alive(int(path.stem)) for path in Path(left).iterdir())
    assert first.value not in pids


def test_an_error_of_one_run_is_raised_there_alone(runs: ThreadPoolExecutor) -> None:
    with Pool(1) as pool:
        bad = started(runs, pool, [("echo", 0), ("stop", "full disk"), ("echo", 2)])
        good = started(runs, pool, [("echo", 7)], 1)
        assert isinstance(bad.exception(60), StorageError)
        assert [result.value for result in good.result(60)] == [7]


def test_closing_the_pool_ends_every_run_and_every_worker(tmp_path: Path, runs: ThreadPoolExecutor) -> None:
    pool = Pool(2)
    found = [started(runs, pool, [("pid", 600)] * 2, rank, config=str(tmp_path)) for rank in range(2)]
    assert eventually(lambda: len(list(tmp_path.glob("*.pid"))) == 2)
    pool.close()
    assert all(isinstance(one.exception(60), MachineError) for one in found)
    assert not any(alive(int(path.stem)) for path in tmp_path.glob("*.pid"))
    with pytest.raises(MachineError, match="was stopped"):
        list(pool.run(Workers(ACTS, None, 1), [("echo", 1)]))
    assert not [thread for thread in pool._threads if thread.is_alive()]


def test_the_memory_of_processes_is_seen(tmp_path: Path) -> None:
    with Pool(1) as pool:
        list(pool.run(Workers(ACTS, None, 1), [("double", bytes(50_000_000))]))
    assert 150_000_000 < pool.peak_bytes < 2_000_000_000  # the question twice, the answer once


def test_the_clock_of_a_batch_runs_by_its_share_of_the_workers() -> None:
    now = 0.0
    shares = Shares(lambda: now)
    first, second = BatchClock(None, 10.0, shares), BatchClock(None, 10.0, shares)
    for _ in range(3):
        shares.enter(first)
    first.start()
    now = 2.0  # the first has all that work: 2 s
    shares.enter(second)
    now = 6.0  # the second has not begun; the first has 3 of 4: 3 s
    second.start()
    now = 10.0  # 3 s and 1 s
    assert (first.left(), second.left()) == (10.0 - 8.0, 10.0 - 1.0)
    for _ in range(3):
        shares.leave(first)
    now = 12.0  # nobody works on the first
    assert (first.left(), second.left()) == (2.0, 7.0)
    shares.leave(second)
    now = 20.0
    assert (first.left(), second.left()) == (2.0, 7.0)
    assert BatchClock(None, None, shares).left() is None


def test_a_limit_for_all_is_kept_by_a_batch_that_shares_its_workers(runs: ThreadPoolExecutor) -> None:
    """With one of two workers each, a clock runs at half speed: 1 s of it takes 2 s."""
    with Pool(2) as pool:
        other = started(runs, pool, [("sleep", 600, None)])
        assert eventually(lambda: any(worker._busy for batch in pool._batches for worker in batch.workers))
        began = time.monotonic()
        found = started(runs, pool, [("sleep", 600, None)], 1, total=1.0).result(60)
        took = time.monotonic() - began
        pool.close()
    assert [(one.failure, one.detail) for one in found] == [("total-timeout", "more than 1 s for all of them")]
    assert took >= 2.0
    assert isinstance(other.exception(60), MachineError)
