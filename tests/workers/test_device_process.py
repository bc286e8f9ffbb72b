"""Device processes of a pool: shared by its workers, started again after they died, and ended with their parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from builders.processes import alive, eventually, kill
from device_handlers import WIDTH

from evalkit.errors import MachineError
from evalkit.workers.devices.process import DevicePool, DeviceWork, visible_device
from evalkit.workers.pool import JobResult, Pool, Workers
from evalkit.workers.sandbox import Limits

WORK = DeviceWork("device_handlers:networks", None, ("cpu",))
HANDLER = "device_handlers:uses"


def results(jobs: list[Any], count: int = 1, limits: Limits | None = None) -> tuple[list[JobResult], dict[str, int]]:
    """Return the results in the order of the jobs, and the device processes; none of them outlives the pool."""
    with Pool(count) as pool:
        work = Workers(HANDLER, None, count, 60.0, limits, devices=WORK)
        found = sorted(pool.run(work, jobs), key=lambda result: result.index)
        pids = pool.devices.pids()
    assert eventually(lambda: not any(alive(pid) for pid in pids.values()))
    return found, pids


def test_confined_workers_share_one_process() -> None:
    jobs: list[Any] = [("pid",), ("sums", 2.0, 3), ("sums", 3.0, 9), ("shrink",), ("pid",), ("refused",)]
    found, pids = results(jobs, count=2, limits=Limits())
    assert found[0].value == found[4].value == pids["cpu"]
    assert found[1].value[0].tolist() == [[4.0] * WIDTH] * 3
    assert found[2].value[1].tolist() == [9.0] * 9
    assert found[3].value == "refused, True"
    assert found[5].failure == "error"
    assert "it takes float32 Nx3, not float32 2x4" in found[5].detail


def test_a_job_whose_device_process_was_killed_is_done_again(tmp_path: Path) -> None:
    found, pids = results([("pid",), ("kill once", str(tmp_path / "mark")), ("pid",)])
    assert [result.failure for result in found] == [None, None, None]
    assert found[1].value[1].tolist() == [WIDTH, WIDTH]
    assert found[0].value != found[2].value == pids["cpu"]
    assert not alive(found[0].value)


def test_a_job_that_ends_it_each_time_fails_alone() -> None:
    found, _ = results([("fatal",), *[("sums", 1.0, 2)] * 4], count=2)
    assert found[0].failure == "crashed"
    assert found[0].detail == "lost its device process 3 times"
    assert all(result.value[1].tolist() == [WIDTH, WIDTH] for result in found[1:])


def test_workers_that_die_or_say_nonsense_cost_their_jobs_alone() -> None:
    found, pids = results([("killed under way",), ("pid",), ("babble",), ("pid",), ("sums", 1.0, 1)], count=2)
    assert [result.failure for result in found] == ["crashed", None, "crashed", None, None]
    assert found[1].value == found[3].value == pids["cpu"]  # it was never started again


def test_the_last_try_waits_until_no_other_job_is_under_way() -> None:
    pool, order = DevicePool(), []

    def use(name: str, *, alone: bool, seconds: float) -> None:
        with pool.use(alone=alone):
            order.append(f"{name} begins")
            time.sleep(seconds)
            order.append(f"{name} ends")

    threads = [threading.Thread(target=use, args=("first",), kwargs={"alone": False, "seconds": 0.3})]
    threads += [threading.Thread(target=use, args=("alone",), kwargs={"alone": True, "seconds": 0.1})]
    threads += [threading.Thread(target=use, args=("later",), kwargs={"alone": False, "seconds": 0.0})]
    for thread in threads:
        thread.start()
        time.sleep(0.1)
    for thread in threads:
        thread.join()
    assert order == ["first begins", "first ends", "alone begins", "alone ends", "later begins", "later ends"]


def test_what_the_networks_raise_when_they_are_opened_ends_the_run() -> None:
    with Pool(1) as pool, pytest.raises(MachineError, match="could not open the networks"):
        work = Workers(HANDLER, None, 1, devices=DeviceWork("device_handlers:nothing", None, ("cpu",)))
        list(pool.run(work, [("pid",)]))


RUN = """
import sys, device_handlers
from evalkit.workers.devices.process import DeviceWork
from evalkit.workers.pool import Pool, Workers
with Pool(2) as pool:
    work = Workers("device_handlers:uses", None, 2, devices=DeviceWork("device_handlers:networks", None, ("cpu",)))
    results = pool.run(work, [("pid",), *[("wait",)] * 2])
    print(next(results).value, flush=True)
    next(results)
"""


@pytest.mark.parametrize(
    ("number", "stopped"),
    [(signal.SIGINT, False), (signal.SIGKILL, False), (signal.SIGKILL, True)],
    ids=["interrupt", "kill", "kill while stopped"],
)
def test_nothing_outlives_the_parent(number: signal.Signals, stopped: bool) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    parent = subprocess.Popen(
        [sys.executable, "-c", RUN], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert alive(pid)
    if stopped:
        os.kill(pid, signal.SIGSTOP)
    parent.send_signal(number)
    try:
        assert eventually(lambda: not alive(pid))
    finally:
        if alive(pid):
            kill(pid)
        parent.communicate(timeout=30)


@pytest.mark.parametrize(
    ("place", "visible", "expected"),
    [
        ("cpu", "0,1", {}),
        ("cuda:1", "", {"CUDA_VISIBLE_DEVICES": "1"}),
        ("cuda:1", "4,6", {"CUDA_VISIBLE_DEVICES": "6"}),
        ("cuda:0", "GPU-8932f937, GPU-1b", {"CUDA_VISIBLE_DEVICES": "GPU-8932f937"}),
    ],
)
def test_each_process_sees_one_gpu(
    place: str, visible: str, expected: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert visible_device(place) == expected


def test_workers_are_spread_over_the_places() -> None:
    pool = DevicePool()
    work = DeviceWork("device_handlers:networks", None, ("cpu:0", "cpu:1"))
    try:
        leases = [pool.lease(work) for _ in range(3)]
        assert sorted(lease.process.place for lease in leases) == ["cpu:0", "cpu:0", "cpu:1"]
        pool.release(leases[0])
        pool.release(leases[2])
        assert pool.lease(work).process.place == "cpu:0"
    finally:
        pool.close()
