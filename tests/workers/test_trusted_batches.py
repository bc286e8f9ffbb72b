"""Processes that read nothing of a submission go on with the next batch; those that did never do."""

from __future__ import annotations

from pathlib import Path

from builders.processes import ACTS, alive, eventually

from evalkit.workers.pool import Pool, Workers


def pids(pool: Pool, config: Path, jobs: int, *, trusted: bool = False) -> set[int]:
    config.mkdir(exist_ok=True)
    work = Workers(ACTS, str(config), 1, trusted=trusted)
    return {result.value for result in pool.run(work, [("pid", 0.2)] * jobs)}


def test_a_trusted_process_goes_on_with_a_batch_that_starts_alike(tmp_path: Path) -> None:
    with Pool(2) as pool:
        references = pids(pool, tmp_path / "a", 4, trusted=True)
        videos = pids(pool, tmp_path / "a", 4)
        after = pids(pool, tmp_path / "a", 4)
    assert len(references) == 2
    assert references == videos
    assert not videos & after
    assert not any(alive(pid) for pid in references | after)


def test_it_serves_no_batch_that_starts_otherwise(tmp_path: Path) -> None:
    with Pool(1) as pool:
        references = pids(pool, tmp_path / "a", 1, trusted=True)
        assert not references & pids(pool, tmp_path / "b", 1)
        assert eventually(lambda: not any(alive(pid) for pid in references))


def test_a_process_that_read_a_submission_serves_no_trusted_batch(tmp_path: Path) -> None:
    with Pool(1) as pool:
        videos = pids(pool, tmp_path / "a", 1)
        assert not videos & pids(pool, tmp_path / "a", 1, trusted=True)


def test_closing_the_pool_ends_a_process_that_waits_for_its_next_batch(tmp_path: Path) -> None:
    with Pool(1) as pool:
        references = pids(pool, tmp_path / "a", 1, trusted=True)
        assert all(alive(pid) for pid in references)
    assert eventually(lambda: not any(alive(pid) for pid in references))


def test_a_trusted_process_that_died_is_replaced(tmp_path: Path) -> None:
    tmp_path.joinpath("a").mkdir()
    with Pool(1) as pool:
        work = Workers(ACTS, str(tmp_path / "a"), 1, trusted=True)
        assert [result.failure for result in pool.run(work, [("segfault",)])] == ["crashed"]
        assert len(pids(pool, tmp_path / "a", 1)) == 1
