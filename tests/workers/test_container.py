"""The container that SECURITY.md recommends, started by an ordinary user: what holds in it."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from builders.ordinary_user import IS_ROOT, NOBODY, let_pass, run_as_nobody

from evalkit.workers import landlock

SECURITY = Path(__file__).parents[2] / "SECURITY.md"
pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="bubblewrap is of Linux; CI runs there")
PROBE = """
import json, os, socket
from pathlib import Path
from evalkit.workers.pool import Workers
from evalkit.workers.sandbox import Limits

def tried(act):
    try:
        act()
    except OSError:
        return "refused"
    return "done"

(result,) = Workers("evalkit.workers.sandbox:probe", None, 1, 60.0, Limits(job_cpu_seconds=60.0)).run([None])
print(json.dumps({
    "user": os.geteuid(),
    "worker": result.value,
    "results": tried(lambda: Path("out/new").write_text("x")),
    "test set": tried(lambda: Path("testset/new").write_text("x")),
    "program": tried(lambda: Path(os.environ["VENV"], "new").write_text("x")),
    "others": sorted(entry.name for entry in Path(os.environ["ELSEWHERE"]).parent.glob("*")),
    "network": sorted(name for _, name in socket.if_nameindex()),
}))
"""


def test_the_container_of_the_manual_holds_for_an_ordinary_user(
    tmp_path: Path, interpreter: tuple[str, dict[str, str]]
) -> None:
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed (Debian: bubblewrap)")
    program, environment = interpreter
    (command,) = re.findall(
        r"^\$ mkdir -p out cache\n\$ (bwrap .*?)(?=\n```)", SECURITY.read_text("utf-8"), re.M | re.S
    )
    options, found, _ = command.partition('"$VENV/bin/evalkit"')
    assert found
    project, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
    for folder in (project, project / "testset", project / "out", project / "cache", elsewhere):
        folder.mkdir()
        if IS_ROOT:
            os.chown(folder, NOBODY, NOBODY)
    let_pass(tmp_path)
    # A copy made for the test holds everything; else the interpreter may lie elsewhere, and packages in several places.
    folders = [] if IS_ROOT else [sys.base_prefix, *environment["PYTHONPATH"].split(":"), *sys.path]
    more = " ".join(f"--ro-bind {shlex.quote(path)} {shlex.quote(path)}" for path in folders if Path(path).is_dir())
    script = f"{options} {more} {shlex.quote(program)} -c {shlex.quote(PROBE)}"
    where = {**environment, "PATH": os.environ["PATH"], "VENV": _venv(program), "ELSEWHERE": str(elsewhere)}
    run = run_as_nobody if IS_ROOT else _run
    can = run(["bwrap", "--unshare-all", "--ro-bind", "/", "/", "true"], where, project)
    if can.returncode:
        pytest.skip(f"this system does not let an ordinary user have namespaces: {can.stderr.strip()}")
    done = run(["bash", "-c", script], where, project)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    worker = told["worker"]
    if landlock.version() < 6:
        for part in ("no writing elsewhere", "no signals", "parent's memory out of reach"):
            del worker[part]
    assert set(worker.values()) == {True}, worker
    assert told == {
        "user": NOBODY if IS_ROOT else os.geteuid(), "worker": worker, "results": "done", "test set": "refused",
        "program": "refused", "others": ["project"], "network": ["lo"],
    }  # fmt: skip
    assert (project / "out" / "new").is_file()


def _venv(program: str) -> str:
    return str(Path(program).parents[1])


def _run(command: list[str], environment: dict[str, str], cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True, check=False, timeout=300)
