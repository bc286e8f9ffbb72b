"""What a confined worker can't do, and that the others go on. The filter is Linux's; CI runs there."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from evalkit.cli.doctor import _sandbox
from evalkit.errors import MachineError
from evalkit.workers import landlock, process
from evalkit.workers.pool import JobResult, Workers
from evalkit.workers.sandbox import PARENT, Limits, _seccomp, enter

TRIES = "sandbox_handlers:tries"
MIB = 1 << 20
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the filter is of Linux; CI runs there")


def results(*jobs: tuple[Any, ...], limits: Limits | None = None, timeout: float = 60.0) -> list[JobResult]:
    """Return the results in the order of the jobs, all from one worker after the other."""
    found = list(Workers(TRIES, None, 1, timeout, limits or Limits()).run(jobs))
    return sorted(found, key=lambda result: result.index)


def values(*jobs: tuple[Any, ...], **more: Any) -> list[Any]:
    found = results(*jobs, **more)
    assert [result.failure for result in found] == [None] * len(jobs)
    return [result.value for result in found]


@linux
@pytest.mark.parametrize("thread", [(), ("in early thread",)], ids=["main thread", "a thread from before"])
@pytest.mark.parametrize(
    "act",
    [
        ("socket", socket.AF_INET),
        ("socket", socket.AF_INET6),
        ("socket", socket.AF_UNIX),
        ("socket", 16),
        ("socketpair",),
        ("run",),
    ],
    ids=str,
)
def test_no_network_and_no_programs(thread: tuple[str, ...], act: tuple[Any, ...]) -> None:
    assert values((*thread, *act)) == ["refused: Operation not permitted"]


@linux
def test_no_new_process_but_threads() -> None:
    refused = "refused: Operation not permitted"
    assert values(("fork",), ("thread",), ("attach", os.getpid())) == [refused, "threaded", refused]


@linux
def test_sockets_of_this_machine_where_a_driver_needs_them() -> None:
    limits = Limits(graphics=True)
    found = values(("socket", socket.AF_UNIX), ("socket", socket.AF_INET), limits=limits)
    assert found == ["open", "refused: Operation not permitted"]


@linux
@pytest.mark.parametrize("level", ["full", "limits"])
def test_the_probe_says_whether_the_memory_of_the_parent_can_be_opened(
    level: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Landlock hides it. Without, root can open it, and elsewhere Yama may forbid it: what a process finds counts."""
    monkeypatch.setenv("EVALKIT_SANDBOX", level)
    program = "import os; open(f'/proc/{os.getppid()}/mem', 'r+b', buffering=0)"
    opened = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True).returncode == 0
    opened &= level != "full" or not landlock.version()
    limits = Limits(level, job_cpu_seconds=60.0)
    (result,) = Workers("evalkit.workers.sandbox:probe", None, 1, 60.0, limits).run([None])
    assert result.value[PARENT] is not opened
    (check,) = _sandbox()
    assert ("in /proc" in check["detail"]) is opened


# A kernel without Landlock is one that evalkit supports: there the test is that the worker is not said to be held.
WRITING = "refused" if landlock.version() else "done"


@linux
@pytest.mark.parametrize("thread", [(), ("in early thread",)], ids=["main thread", "a thread from before"])
def test_files_are_written_only_in_folders_that_were_given(tmp_path: Path, thread: tuple[str, ...]) -> None:
    """A worker that a decoder's fault took over must not change a module that evalkit imports later."""
    given, module, new = tmp_path / "given" / "a", tmp_path / "module.py", tmp_path / "new"
    given.parent.mkdir()
    module.write_text("x = 1")
    limits = Limits(writable=(given.parent,))
    allowed = [("create", str(given)), ("write", MIB)]
    elsewhere = [
        ("create", str(new)), ("append", str(module)), ("truncate", str(module)), ("link", str(given), str(new) + "-b"),
        ("rename", str(given), str(module)), ("remove", str(module)), ("create", f"/dev/shm/evalkit-{os.getpid()}"),
    ]  # fmt: skip
    found = values(*[(*thread, *act) for act in (*allowed, *elsewhere)], limits=limits)
    assert found[:2] == ["done", MIB]
    assert [result.partition(":")[0] for result in found[2:]] == [WRITING] * len(elsewhere)
    if WRITING == "refused":
        assert module.read_text() == "x = 1"
        assert not new.exists()
    Path(f"/dev/shm/evalkit-{os.getpid()}").unlink(missing_ok=True)


@linux
def test_modes_of_files_are_not_changed(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    assert values(("mode", str(tmp_path / "a"))) == ["refused: Operation not permitted"]


@linux
def test_no_signals_and_no_limits_for_other_processes() -> None:
    others = [("signal", os.getpid()), ("signal group",), ("prlimit", os.getpid())]
    found = values(*others, ("signal self",))
    assert [result.partition(":")[0] for result in found] == ["refused"] * 3 + ["done"]


@linux
@pytest.mark.parametrize("level", ["full", "limits"])
def test_the_probe_says_what_holds(level: Any) -> None:
    (result,) = Workers("evalkit.workers.sandbox:probe", None, 1, 60.0, Limits(level, job_cpu_seconds=60.0)).run([None])
    assert result.value["no writing elsewhere"] is (level == "full" and WRITING == "refused")
    assert result.value["no signals"] is (level == "full")


@linux
def test_a_folder_that_is_missing_does_not_lower_the_protection(tmp_path: Path) -> None:
    if landlock.version():
        with pytest.raises(MachineError, match="could not start"):
            results(("pid",), limits=Limits(writable=(tmp_path / "missing",)))
    else:  # nothing is opened where there is nothing to put in force
        assert results(("pid",), limits=Limits(writable=(tmp_path / "missing",)))[0].failure is None


@linux
def test_no_memory_that_is_not_counted() -> None:
    assert values(("memfd",)) == ["refused: Operation not permitted"]


@pytest.mark.parametrize("level", ["limits", "off"])
def test_lower_levels_leave_calls_alone(level: Any) -> None:
    assert values(("socket", socket.AF_INET), ("run",), ("fork",), limits=Limits(level=level)) == [
        "open", "ran", "forked",
    ]  # fmt: skip


@pytest.mark.parametrize("graphics", [False, True])
def test_too_much_memory_is_a_failure_and_the_next_job_has_a_fresh_worker(graphics: bool) -> None:
    limits = Limits(memory_bytes=300 * MIB, graphics=graphics)
    first, took, too_much, last, again = results(
        ("pid",), ("take", 100 * MIB), ("take", 1000 * MIB), ("pid",), ("take", 100 * MIB), limits=limits
    )
    assert took.value == again.value == 100 * MIB // 4096
    assert too_much.failure == "memory"
    assert "memory" in too_much.detail
    assert first.value != last.value


@pytest.mark.parametrize("graphics", [False, True])
def test_a_worker_that_keeps_memory_is_replaced(graphics: bool) -> None:
    limits = Limits(memory_bytes=300 * MIB, graphics=graphics)
    small, large, other = values(("keep", 40 * MIB), ("keep", 160 * MIB), ("pid",), limits=limits)
    assert small == large != other


@pytest.mark.parametrize("graphics", [False, True])
def test_what_earlier_jobs_left_in_memory_is_not_held_against_a_job(graphics: bool) -> None:
    """It fits into a fresh worker, so it is done again there."""
    limits = Limits(memory_bytes=300 * MIB, graphics=graphics)
    kept, took, other = values(("keep", 140 * MIB), ("take", 200 * MIB), ("pid",), limits=limits)
    assert took == 200 * MIB // 4096
    assert kept != other


def test_a_crash_that_earlier_jobs_caused_is_not_held_against_a_job() -> None:
    assert values(("keep", MIB), ("crash_if_kept",))[1] == "not crashed"


def test_a_worker_is_replaced_after_a_number_of_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "JOBS_PER_WORKER", 3)
    pids = values(*[("pid",)] * 7)
    assert pids[0] == pids[1] == pids[2] != pids[3]
    assert len(set(pids)) == 3


def test_open_files_and_file_size() -> None:
    limits = Limits(open_files=40, file_bytes=3 * MIB)
    opened, written = values(("files", 100), ("write", 10 * MIB), limits=limits)
    assert 20 < opened < 40
    assert written == 3 * MIB


def test_processor_time_ends_a_job_that_nobody_watches_and_is_given_to_each_job_anew() -> None:
    limits = Limits(job_cpu_seconds=1.0)
    burnt, after = results(("burn",), ("pid",), limits=limits)
    assert (burnt.failure, burnt.detail) == ("timeout", "more processor time than one job may take")
    assert after.failure is None
    first, second = values(("cpu",), ("cpu",), limits=Limits(job_cpu_seconds=1000.0))
    assert 1000 < first <= second < 1100


def test_each_worker_works_in_a_fresh_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder, listing = values(("folder",), ("listing",))
    assert Path(folder).parent == tmp_path
    assert listing == []
    assert not Path(folder).exists()
    assert values(("folder",), limits=Limits(level="off")) == [str(Path.cwd())]


@linux
def test_a_graphics_driver_may_map_much_more_than_it_uses() -> None:
    """A driver reserves address space that it doesn't fill; the limit on address space would refuse it."""
    mapped = values(("map", 1 << 40), ("take", MIB), limits=Limits(memory_bytes=300 * MIB, graphics=True))
    assert mapped == [1 << 40, MIB // 4096]
    assert values(("map", 1 << 40), limits=Limits(memory_bytes=300 * MIB)) == ["refused: Cannot allocate memory"]


def test_nothing_is_in_force_when_it_is_off() -> None:
    assert enter(Limits(level="off")).parts == ()
    assert not enter(Limits(level="off")).should_recycle()


@linux
def test_the_filter_is_found_where_nothing_lists_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small container has neither ldconfig nor a compiler, which Python asks for the place of a library."""
    monkeypatch.setattr("ctypes.util.find_library", lambda name: None)
    monkeypatch.delitem(sys.modules, "pyseccomp", raising=False)
    assert _seccomp() is not None
