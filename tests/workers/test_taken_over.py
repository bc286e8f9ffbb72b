"""What a worker that a video took over can reach: the table of design/010, tried on this kernel.

As root and as an ordinary user, of whom evalkit itself is a process too. Where the tests run without root's rights, the
half of the ordinary user is tried alone.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import taken_over
from builders.ordinary_user import IS_ROOT, NOBODY, let_pass, run_as_nobody

from evalkit.workers import landlock
from evalkit.workers.pool import Workers
from evalkit.workers.sandbox import Limits

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "design" / "010-sandbox.md"
pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the filter is of Linux; CI runs there")
WHO = ["root", "ordinary user"] if IS_ROOT else ["ordinary user (the tests do not run as root)"]
# What an unconfined process can't do either: everywhere, or where a container or its user's rights forbid it.
NEEDS_MORE = {
    "take the terminal": "a terminal",
    "type into the terminal": "a terminal",
    "write the parent's memory": "a kernel without Yama",
    "reach around the filter (io_uring)": "a kernel that offers it",
    "namespaces": "root outside of a container",
    "mount": "root outside of a container",
    "make a device in its own folder": "root with CAP_MKNOD",
    "open a file by its number": "root with CAP_DAC_READ_SEARCH",
    "watch and hold up all files (fanotify)": "root with CAP_SYS_ADMIN",
    "lift its limit on open files": "root with CAP_SYS_RESOURCE",
    "change a file's flags": "a file system that has them",
    "change a file's attributes": "a file system that has them",
    "change a file's attributes (setxattrat)": "Linux 6.13 and a file system that has them",
}
Try = Callable[[str, str], dict[str, Any]]


def expected(who: str, column: str) -> dict[str, str]:
    """Return attempt -> the cell of the page."""
    lines = TABLE.read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    (header,) = [row for row in rows if row[0] == "attempt"]
    at = header.index(f"{column}, {who.partition(' (')[0]}")
    return {row[0]: row[at] for row in rows if row[0] in taken_over.ATTEMPTS}


@pytest.fixture
def attempt(tmp_path: Path, interpreter: tuple[str, dict[str, str]]) -> Try:
    """Return a function that lets one worker of a parent that belongs to a user try everything."""
    program, environment = interpreter

    def attempt(who: str, confined: str) -> dict[str, Any]:
        let_pass(tmp_path)
        for folder in (tmp_path / "work", tmp_path / "work" / "temporary"):
            folder.mkdir()
            if IS_ROOT and who != "root":
                os.chown(folder, NOBODY, NOBODY)
        command = [program, "-m", "taken_over", str(folder.parent), confined]
        run = run_as_nobody if IS_ROOT and who != "root" else _run
        done = run(command, {**environment, "TMPDIR": str(folder)}, folder.parent)
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        assert (told["user"] == 0) is (who == "root")
        assert list(folder.iterdir()) == []
        return dict(told)

    return attempt


def _run(command: list[str], environment: dict[str, str], cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True, check=False, timeout=300)


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("confined", ["full", "late"])
def test_what_it_reaches_is_what_the_page_says(attempt: Try, who: str, confined: str) -> None:
    """``late``: the worker puts the system call filter on itself, without Landlock."""
    cells = expected(who, "with Landlock" if confined == "full" and landlock.version() >= 6 else "without")
    assert list(cells) == list(taken_over.ATTEMPTS)
    told = attempt(who, confined)
    free = told["memory is open to programs"]  # what Yama, where the kernel has it, leaves to any program
    wanted = {
        name: "refused" if "Yama" in cell and not free else cell.partition(",")[0] for name, cell in cells.items()
    }
    assert told["found"] == wanted


@pytest.mark.parametrize("who", WHO)
def test_without_confinement_the_attempts_succeed(attempt: Try, who: str) -> None:
    """So what is refused above is refused by evalkit's confinement, and not by a mistake in the attempt."""
    found = attempt(who, "off")["found"]
    assert {name for name, word in found.items() if word != "done"} <= NEEDS_MORE.keys()


def test_a_worker_with_thousands_of_threads_is_ended(tmp_path: Path) -> None:
    where = {"folder": str(tmp_path)}
    found = {
        r.index: r for r in Workers("taken_over:attempts", where, 1, 50.0, Limits()).run(["crowd", "signal itself"])
    }
    assert found[0].failure == "crashed"
    assert "threads, at most 512" in found[0].detail
    assert found[1].value == "done"
