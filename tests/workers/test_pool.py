"""Workers that crash, hang, raise, chatter and outlive nobody."""

from __future__ import annotations

import importlib
import os
import pickle
import sys
import threading
from pathlib import Path

import pytest
from builders.processes import ACTS, alive, eventually, results

from evalkit.errors import MachineError, StorageError, WeightsError
from evalkit.scoring.jobs import VideoAnswer
from evalkit.workers import process
from evalkit.workers.pool import JobResult, Workers


class _Runs:
    """A pickle that runs something where it is read."""

    def __reduce__(self) -> tuple[object, ...]:
        return print, ("runs here",)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_every_job_is_answered_whatever_the_order(count):
    # The first job takes longest, so with two workers the answers come in another order than the jobs.
    jobs = [("sleep", 0.3, "slow"), *(("echo", number) for number in range(6))]
    found = results(jobs, count)
    assert {index: result.value for index, result in found.items()} == {0: "slow"} | {n + 1: n for n in range(6)}
    assert all(result.failure is None and result.detail == "" for result in found.values())


def test_answers_come_as_they_are_ready(tmp_path):
    signal_file = tmp_path / "go"
    run = Workers(ACTS, None, 2).run([("wait", str(signal_file)), ("echo", 1), ("echo", 2)])
    assert [next(run).value, next(run).value] == [1, 2]
    signal_file.touch()
    assert [result.value for result in run] == ["waited"]


def test_the_config_reaches_every_worker():
    assert results([("config",)] * 4, config={"a": [1, None]})[3].value == {"a": [1, None]}


def test_no_jobs():
    assert list(Workers(ACTS, None, 3).run([])) == []


def test_more_workers_than_jobs(tmp_path):
    assert set(results([("echo", 1), ("echo", 2)], 8)) == {0, 1}
    results([("pid",)] * 2, 8, config=str(tmp_path))
    assert 1 <= len(list(tmp_path.glob("*.pid"))) <= 2


@pytest.mark.parametrize("count", [0, -1])
def test_no_worker_is_refused(count):
    with pytest.raises(ValueError, match="at least 1"):
        Workers(ACTS, None, count)


@pytest.mark.parametrize(
    ("job", "detail"),
    [
        (("exit", 5), "ended with code 5"),
        (("sys.exit",), "ended with code 0"),
        (("sigkill",), "ended by SIGKILL"),
        (("segfault",), "ended by SIGSEGV"),
    ],
)
@pytest.mark.parametrize("count", [1, 2])
def test_a_crash_costs_one_job(job, detail, count):
    found = results([("echo", 0), job, ("echo", 2), ("echo", 3)], count)
    assert found.pop(1) == JobResult(1, failure="crashed", detail=detail)
    assert {index: result.value for index, result in found.items()} == {0: 0, 2: 2, 3: 3}


def test_only_crashes():
    assert {result.failure for result in results([("exit", 1)] * 4).values()} == {"crashed"}


def test_a_hang_costs_one_job():
    found = results([("echo", 0), ("sleep", 600, None), ("echo", 2)], 1, timeout=2.0)
    assert found.pop(1) == JobResult(1, failure="timeout", detail="more than 2 s")
    assert {index: result.value for index, result in found.items()} == {0: 0, 2: 2}


def test_each_job_may_have_its_own_limit():
    found = results([("sleep", 600, None), ("echo", 1), ("echo", 2)], 1, timeout=[2.0, 600.0, 600.0])
    assert found.pop(0) == JobResult(0, failure="timeout", detail="more than 2 s")
    assert {index: result.value for index, result in found.items()} == {1: 1, 2: 2}


def test_when_the_time_for_all_jobs_is_used_up_what_was_done_before_counts(monkeypatch):
    """No worker takes the place of the one that was ended: the jobs after it are not begun."""
    started, start = [], process.subprocess.Popen
    monkeypatch.setattr(
        process.subprocess, "Popen", lambda *words, **options: started.append(1) or start(*words, **options)
    )
    jobs = [("echo", 0), ("sleep", 600, None), ("echo", 2), ("echo", 3)]
    found = results(jobs, 1, timeout=300.0, total=3.0)
    assert found.pop(0) == JobResult(0, 0)
    assert {(result.failure, result.detail) for result in found.values()} == {
        ("total-timeout", "more than 3 s for all of them")
    }
    assert len(started) == 1


def test_time_that_is_left_in_total_does_not_extend_the_limit_of_one_job():
    found = results([("sleep", 600, None), ("echo", 1)], 1, timeout=2.0, total=300.0)
    assert (found[0].failure, found[1].value) == ("timeout", 1)


def test_a_hang_whose_child_process_holds_the_pipe_costs_one_job(tmp_path):
    found = results([("fork",), ("echo", 2)], 1, timeout=2.0, config=str(tmp_path))
    assert (found[0].failure, found[1].value) == ("timeout", 2)
    grandchild = int((tmp_path / "grandchild").read_text())
    assert eventually(lambda: not alive(grandchild))


def test_a_worker_that_closes_its_pipe_and_lives_on_costs_one_job(monkeypatch):
    monkeypatch.setattr(process, "GRACE_SECONDS", 0.5)
    found = results([("close pipe",), ("echo", 2)], 1, timeout=None)
    assert (found[0].failure, found[1].value) == ("crashed", 2)


def test_an_exception_costs_one_job_and_tells_its_traceback():
    found = results([("raise", "a planted fault"), ("echo", 2)], 1)
    assert found[0].failure == "error"
    assert found[0].detail.startswith("Traceback")
    assert "in _raise" in found[0].detail
    assert found[0].detail.rstrip().endswith("ValueError: a planted fault")
    assert found[1].value == 2


def test_an_answer_that_cannot_be_sent_costs_one_job():
    found = results([("lambda",), ("fragile",), ("echo", 2)], 1)
    assert found[0].failure == "error"
    assert "The answer can't be sent" in found[0].detail
    assert found[1].failure == "error"
    assert "The answer can't be sent" in found[1].detail
    assert found[2].value == 2


@pytest.mark.parametrize(
    ("body", "lengths", "word"),
    [
        (pickle.dumps(_Runs()), None, "gave no answer"),
        (b"", ((1 << 63) - 1, 0), "at most 1048576 are read"),
        (b"", (0, 1 << 30), "at most 268435456 are read"),
        (b'["ok", 1]', None, "gave no answer"),
        (b'"ok"', None, "gave no answer"),
        (b'["fine", 1, false]', None, "it is not an answer"),
        (b'["stop", "words", false]', None, "it is not an answer"),
        (b'["error", 7, false]', None, "it is not an answer"),
        (b'["ok", {"record": ["os:system", {"command": "true"}]}, false]', None, "KeyError"),
        (b'["ok", {"record": ["evalkit.scoring.jobs:VideoAnswer", {"sha256": 7}]}, false]', None, "gave no answer"),
        (b'["ok", {"record": ["evalkit.scoring.jobs:VideoAnswer", []]}, false]', None, "AttributeError"),
        (b'["ok", {}, false]', None, "gave no answer"),
        (b"[" * 100_000, None, "RecursionError"),
    ],
    ids=[
        "pickle",
        "long text",
        "1 GiB",
        "short",
        "word",
        "kind",
        "stop",
        "error",
        "function",
        "record",
        "parts",
        "empty",
        "deep",
    ],
)
def test_a_worker_that_was_taken_over_costs_its_job_and_runs_nothing_here(body, lengths, word, capfd):
    importlib.import_module("evalkit.scoring.jobs")  # announces its record
    found = results([("forge", body, lengths), ("echo", 2)], 1)
    assert found[0].failure == "crashed"
    assert word in found[0].detail
    assert found[1].value == 2
    assert "runs here" not in capfd.readouterr().out


def test_records_and_plain_values_arrive_as_they_were_sent(tmp_path):
    value = {"a": [1, (2.5, None), True], 3: b"\x00", (1, 2): {"x"}, "p": tmp_path, "n": float("inf")}
    found = results([("echo", value), ("extraction",)], 1)
    assert found[0].value == value
    assert found[1].value == VideoAnswer(problem="lost", errors={"f": "k"}, notes=("f",))


def test_an_evalkit_error_stops_the_run(tmp_path):
    jobs = [("pid", 0.2)] * 3 + [("stop", "full disk")] + [("pid", 0.2)] * 50
    with pytest.raises(StorageError) as caught:
        list(Workers(ACTS, str(tmp_path), 2).run(jobs))
    assert (caught.value.what, caught.value.found, caught.value.fix) == (
        "There is no space left.",
        "0 bytes",
        "Free some.",
    )
    pids = [int(path.stem) for path in tmp_path.glob("*.pid")]
    assert pids
    assert not any(alive(pid) for pid in pids)


def test_an_evalkit_error_at_the_start_is_raised():
    with pytest.raises(WeightsError, match="The weights are missing") as caught:
        list(Workers("pool_handlers:weights_missing", "here", 2).run([("echo", 1)] * 5))
    assert caught.value.expected == "here"


@pytest.mark.parametrize(
    ("handler", "found"),
    [
        ("pool_handlers:broken_start", "RuntimeError: no start with 7"),
        ("pool_handlers:crash_at_start", "it ended with code 7"),
        ("pool_handlers:no_such_name", "AttributeError"),
        ("no_such_module:acts", "ModuleNotFoundError"),
    ],
)
def test_a_worker_that_cannot_start_is_the_machines_fault(handler, found):
    with pytest.raises(MachineError, match="A worker process could not start") as caught:
        list(Workers(handler, 7, 2).run([("echo", 1)] * 5))
    assert found in (caught.value.found or "")


def test_a_worker_that_hangs_at_the_start_is_the_machines_fault(monkeypatch):
    monkeypatch.setattr(process, "_STARTUP_SECONDS", 0.01)
    with pytest.raises(MachineError, match="could not start"):
        list(Workers(ACTS, None, 1).run([("echo", 1)]))


def test_leaving_the_loop_ends_all_workers(tmp_path):
    run = Workers(ACTS, str(tmp_path), 2).run([("pid",), ("pid", 600), *[("pid", 600)] * 4])
    first = next(run)
    assert eventually(lambda: len(list(tmp_path.glob("*.pid"))) == 2)
    run.close()
    pids = {int(path.stem) for path in tmp_path.glob("*.pid")}
    assert first.value in pids
    assert not any(alive(pid) for pid in pids)


def test_an_exception_in_the_callers_loop_ends_all_workers(tmp_path):
    def loop() -> None:
        for _ in Workers(ACTS, str(tmp_path), 2).run([("pid",), *[("pid", 600)] * 3]):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        loop()
    assert not any(alive(int(path.stem)) for path in tmp_path.glob("*.pid"))


def test_a_worker_that_is_stopped_in_the_middle_of_a_job_tidies_up_in_silence(tmp_path, capfd):
    written = tmp_path / "written"
    run = Workers(ACTS, str(written), 2).run([("echo", 1), ("write half",), ("write half",)])
    next(run)
    assert eventually(lambda: written.is_dir() and len(list(written.iterdir())) == 2)
    run.close()
    assert list(written.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_workers_that_do_not_leave_when_asked_are_killed(tmp_path):
    run = Workers(ACTS, str(tmp_path), 2).run([("echo", 1), ("stubborn",), ("stubborn",)])
    next(run)
    assert eventually(lambda: len(list(tmp_path.glob("*.pid"))) == 2)
    run.close()
    assert not any(alive(int(path.stem)) for path in tmp_path.glob("*.pid"))


def test_what_a_job_prints_goes_to_standard_error(capfd):
    found = results([("chatter", 1), ("chatter", 2)], 1)
    assert [found[0].value, found[1].value] == [1, 2]
    out, error = capfd.readouterr()
    assert out == ""
    for line in ("a line from print", "bytes from below", "a line from a program"):
        assert error.count(line) == 2


def test_what_a_job_prints_can_not_act_in_a_terminal_or_fill_it(capfd):
    found = results([("flood", "\x1b]52;c;ZXZpbA==\x07\n" * 20_000)], 1)
    assert found[0].value == "done"
    error = capfd.readouterr().err
    assert "\x1b" not in error
    assert "\\x1b]52" in error
    assert len(error) < 200_000
    assert "prints more" in error


def test_payloads_larger_than_a_pipe():
    # A pipe holds 64 KiB. 20 MB travel in both directions.
    load = os.urandom(1 << 20) * 20
    found = results([("double", load), ("double", load[::-1])], 2)
    assert found[0].value == load + load
    assert found[1].value == load[::-1] * 2


def test_a_job_that_cannot_be_sent_is_the_callers_mistake():
    with pytest.raises((AttributeError, TypeError, EOFError), match="pickle"):
        list(Workers(ACTS, None, 1).run([("echo", threading.Lock())]))


@pytest.mark.parametrize(("ending", "failure"), [("crash", "crashed"), ("hang", "timeout")])
def test_temporary_files_of_a_lost_worker_are_removed(tmp_path, ending, failure):
    found = results([("leave", 1 << 20, ending), ("echo", 1)], 1, timeout=3.0, config=str(tmp_path))
    assert (found[0].failure, found[1].value) == (failure, 1)
    (told,) = tmp_path.glob("*.temp")
    assert not Path(told.read_text()).exists()


def test_workers_compute_on_one_thread():
    assert results([("environment", "OMP_NUM_THREADS")], 1)[0].value == "1"


def test_runs_leak_no_file_and_no_thread(tmp_path):
    def held() -> tuple[int, int]:
        return len(list(Path("/proc/self/fd").iterdir())), threading.active_count()

    handler = "pool_handlers_light:echo"
    # A worker that imports nothing heavy, so that many are quickly started.
    (tmp_path / "pool_handlers_light.py").write_text("def echo(config):\n    return lambda job: job\n")
    sys.path.insert(0, str(tmp_path))
    try:
        list(Workers(handler, None, 2, 60.0).run([1, 2]))
        before = held()
        for turn in range(18):  # three of each kind: one or two workers, left early or not
            run = Workers(handler, None, 1 + turn % 2, 60.0).run([1, 2, 3])
            if turn % 3 == 0:
                next(run)
                run.close()
            else:
                assert sorted(result.value for result in run) == [1, 2, 3]
    finally:
        sys.path.remove(str(tmp_path))
    assert held() == before
