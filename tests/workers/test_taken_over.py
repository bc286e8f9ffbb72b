"""What a worker that a video took over can reach: the table of design/010, tried on this kernel."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
import taken_over

from evalkit.workers import landlock
from evalkit.workers.pool import Workers
from evalkit.workers.sandbox import Limits

TABLE = Path(__file__).parents[2] / "design" / "010-sandbox.md"
pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the filter is of Linux; CI runs there")


def expected() -> dict[str, tuple[str, str]]:
    """Return attempt -> what happens with Landlock and without, as the page says."""
    rows: dict[str, tuple[str, str]] = {}
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and cells[0] in taken_over.ATTEMPTS:
            rows[cells[0]] = (cells[1].split()[0], cells[2].split()[0])
    return rows


def outcome(folder: Path, limits: Limits, **config: Any) -> dict[str, str]:
    """Return attempt -> what one worker found; the files are there for everybody to write."""
    module, entry = folder / "module.py", folder / "entry.npz"
    names = list(taken_over.ATTEMPTS)
    found = {}
    folder.chmod(0o777)
    for parent in list(folder.parents)[:-2]:
        if os.getuid() == 0 and parent.name.startswith("pytest-"):
            parent.chmod(0o755)
    for path in (module, entry):
        path.write_text("x = 1\n")
        path.chmod(0o666)
    where = {"folder": str(folder), "module": str(module), "entry": str(entry), **config}
    for result in Workers("taken_over:attempts", where, 1, 60.0, limits).run(names):
        found[names[result.index]] = result.value if result.failure is None else str(result)
    return {name: found[name] for name in names}


USERS = [False, True] if hasattr(os, "getuid") and os.getuid() == 0 else [False]


@pytest.mark.parametrize("user", USERS, ids=lambda user: "ordinary user" if user else "as started")
def test_what_it_reaches_is_what_the_page_says(tmp_path: Path, user: bool) -> None:
    column = 0 if landlock.version() >= 6 else 1
    wanted = {name: row[column] for name, row in expected().items()}
    assert list(wanted) == list(taken_over.ATTEMPTS)
    assert outcome(tmp_path, Limits(), user=user) == wanted


@pytest.mark.parametrize("user", USERS, ids=lambda user: "ordinary user" if user else "as started")
def test_what_it_reaches_where_there_is_no_landlock(tmp_path: Path, user: bool) -> None:
    """The worker puts the system call filter on itself, without Landlock."""
    found = outcome(tmp_path, Limits("limits"), user=user, late=True)
    wanted = {name: row[1] for name, row in expected().items()}
    if user:  # the parent of this test is root's, whose memory and files of /proc an ordinary user can't open
        wanted["write the parent's memory"] = "refused"
    Path(f"/dev/shm/evalkit-{os.getpid()}").unlink(missing_ok=True)
    assert found == wanted
    for left in Path("/dev/shm").glob("evalkit-*"):
        left.unlink()


def test_a_worker_with_thousands_of_threads_is_ended(tmp_path: Path) -> None:
    where = {"folder": str(tmp_path)}
    found = {
        r.index: r for r in Workers("taken_over:attempts", where, 1, 50.0, Limits()).run(["crowd", "signal itself"])
    }
    assert found[0].failure == "crashed"
    assert "threads, at most 512" in found[0].detail
    assert found[1].value == "done"
