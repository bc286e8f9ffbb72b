"""Scripts that use workers, and what becomes of workers whose parent is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from builders.processes import alive, children, eventually, kill, results, worker_processes

from evalkit.workers import pool

SCRIPT = """
import sys
from evalkit.workers.pool import Workers
run = Workers("pool_handlers:acts", None, 2).run([("echo", n) for n in range(4)])
sys.stdout.write(repr(sorted(result.value for result in run)))
"""


def run_script(text: str, folder: Path, *arguments: str) -> subprocess.Popen[str]:
    script = folder / "script.py"
    script.write_text(text)
    return started(script, folder, *arguments)


def started(script: Path, folder: Path, *arguments: str) -> subprocess.Popen[str]:
    here = Path(__file__).parent
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(here), str(here.parent)])}
    return subprocess.Popen(
        [sys.executable, str(script), *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_script_without_a_main_guard(tmp_path):
    out, error = run_script(SCRIPT, tmp_path).communicate(timeout=120)
    assert (out, error) == ("[0, 1, 2, 3]", "")


def test_files_in_the_working_folder_do_not_shadow_modules(tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "pickle.py").write_text("raise RuntimeError('shadowed')")
    (folder / "struct.py").write_text("raise RuntimeError('shadowed')")
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    assert started(script, folder).communicate(timeout=120) == ("[0, 1, 2, 3]", "")


ORPHANING = """
import sys
from evalkit.workers.pool import Workers
jobs = [("pid",), ("pid", 600), ("leave", 10, "hang"), ("pid", 600)]
for result in Workers("pool_handlers:acts", sys.argv[1], 3).run(jobs):
    pass
"""


@pytest.mark.parametrize("stopped", [False, True], ids=["running", "stopped"])
def test_workers_of_a_killed_parent_leave_in_the_middle_of_their_jobs(tmp_path, monkeypatch, stopped):
    temporary = tmp_path / "scratch"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    told = tmp_path / "told"
    told.mkdir()
    parent, pids = run_script(ORPHANING, tmp_path, str(told)), set()
    try:
        ready = eventually(lambda: len(list(told.glob("*.pid"))) >= 2 and len(list(told.glob("*.temp"))) == 1)
        assert ready
        pids = {int(path.stem) for path in told.iterdir()} | worker_processes(parent.pid)
        for pid in worker_processes(parent.pid) if stopped else ():
            os.kill(pid, signal.SIGSTOP)
        os.kill(parent.pid, signal.SIGKILL)
        assert eventually(lambda: not any(alive(pid) for pid in pids))
    finally:
        for pid in worker_processes(parent.pid) | pids:
            kill(pid)
        parent.kill()
        parent.communicate()
    assert eventually(lambda: list(temporary.iterdir()) == [])  # also what the jobs had written


THREAD = """
import subprocess, sys, threading, time
PROGRAM = (
    "import sys; from evalkit.workers.surroundings import wake_with_parent; wake_with_parent(); "
    "print(1); sys.stdin.read()"
)
def start():
    process = subprocess.Popen(
        [sys.executable, "-uc", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    process.stdout.readline()
    started.append(process)
started = []
thread = threading.Thread(target=start)
thread.start()
thread.join()
print(started[0].pid, flush=True)
time.sleep(600)
"""


def test_a_process_is_woken_by_the_end_of_its_parent_and_not_ended_by_that_of_a_thread(tmp_path):
    parent = run_script(THREAD, tmp_path)
    pid = 0
    try:
        pid = int(parent.stdout.readline())
        assert alive(pid)
        os.kill(pid, signal.SIGSTOP)
        assert eventually(lambda: " T " in Path(f"/proc/{pid}/stat").read_text())
        parent.kill()
        assert eventually(lambda: not alive(pid))
    finally:
        if pid and alive(pid):
            kill(pid)
        parent.kill()
        parent.communicate()


def test_folders_of_a_killed_run_are_removed_by_the_next_one_and_no_others(tmp_path, monkeypatch):
    temporary, told = tmp_path / "scratch", tmp_path / "told"
    for folder in (temporary, told):
        folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr("tempfile.tempdir", None)
    (temporary / f"{pool.FOLDERS}note").touch()
    parent = run_script(ORPHANING, tmp_path, str(told))
    try:
        assert eventually(lambda: len({path.stem for path in told.iterdir()}) == 3)
        held = sorted(temporary.iterdir())
        assert len(held) == 4
        assert results([("echo", 1)])[0].value == 1
        assert sorted(temporary.iterdir()) == held
        workers = children(parent.pid)
        for pid in (*workers, parent.pid):
            os.kill(pid, signal.SIGSTOP)  # none of them notices the end of another
        for pid in (*workers, parent.pid):
            os.kill(pid, signal.SIGKILL)
    finally:
        parent.kill()
        parent.communicate()
    assert eventually(lambda: not any(alive(pid) for pid in workers))
    assert sorted(temporary.iterdir()) == held
    assert results([("echo", 1)])[0].value == 1
    assert [path.name for path in temporary.iterdir()] == [f"{pool.FOLDERS}note"]


def test_a_process_that_is_killed_while_it_starts_is_started_once_more(tmp_path: Path) -> None:
    found = list(pool.Workers("pool_handlers:crash_at_first_start", str(tmp_path), 1).run([1, 2]))
    assert [(result.value, result.failure) for result in found] == [(1, None), (2, None)]
    assert (tmp_path / "was-here").exists()
