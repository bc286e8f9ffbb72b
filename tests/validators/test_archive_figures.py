"""Seconds and memory of ``evalkit validate`` on archives that are out to use them up. ``-s`` prints the figures."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import hostile_bombs
import pytest
from hostile_zips import DEFLATED, Entry, absolute, raw_zip

LIMIT_MIB = 48  # by which memory may exceed that of refusing an archive of one member; 10,000 findings take some 25


class Run(NamedTuple):
    seconds: float
    mib: float
    report: dict[str, Any]


# The peak is this program's own: the one that ``wait4`` gives counts what the parent held when it started the child.
OWN_PEAK = """
import atexit, re, runpy, sys
from pathlib import Path

def told(place=Path(sys.argv[1])):
    place.write_text(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1])

atexit.register(told)
sys.argv = sys.argv[2:]
runpy.run_module("evalkit", run_name="__main__") if sys.argv[0] == "evalkit" else exec(sys.argv[0])
"""


def run(folder: Path, *command: str) -> tuple[float, float, str]:
    """Return the wall time, the peak memory of the process in MiB, and what it printed."""
    if sys.platform != "linux":
        pytest.skip("the peak memory is read from /proc")
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", OWN_PEAK, str(folder / "peak"), *command], stdout=subprocess.PIPE, text=True, check=False
    )
    seconds = time.perf_counter() - started
    assert done.returncode in {0, 1}
    return seconds, int((folder / "peak").read_text()) / 1024, done.stdout


def validate(path: Path) -> Run:
    seconds, mib, out = run(path.parent, "evalkit", "validate", str(path), "-c", "talking-head", "--json", "--quiet")
    return Run(seconds, mib, json.loads(out))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return validate(absolute(tmp_path_factory.mktemp("plain") / "in.zip"))


BOMBS: dict[str, tuple[Callable[[Path], Path], set[str]]] = {
    "a million members": (hostile_bombs.million_members, {"archive.too-many-files"}),
    "100 GB claimed": (hostile_bombs.claims_100_gb, {"archive.bomb-ratio", "archive.too-large-file"}),
    "overlap, 109 GB in 5200 members": (
        lambda path: hostile_bombs.nested_overlap_bomb(path, 5200, 20 << 20, checksums=False),
        {"archive.overlap", "archive.bomb-ratio", "archive.too-large-total"},
    ),
    "overlap by extra fields": (
        lambda path: hostile_bombs.extra_field_bomb(path, 1000, 20 << 20),
        {"archive.overlap", "archive.bomb-ratio"},
    ),
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_in_flat_memory(name: str, plain: Run, tmp_path: Path) -> None:
    build, rules = BOMBS[name]
    path = build(tmp_path / "in.zip")
    seen = validate(path)
    print(
        f"\n{name}: {path.stat().st_size:,} bytes, {len(seen.report['findings'])} findings, {seen.seconds:.1f} s, "
        f"{seen.mib:.0f} MiB (an archive of one member: {plain.seconds:.1f} s, {plain.mib:.0f} MiB)"
    )
    assert seen.report["refused"]
    assert seen.report["files"] == []
    assert {finding["rule"] for finding in seen.report["findings"]} == rules
    assert seen.mib < plain.mib + LIMIT_MIB


def test_a_large_member_is_copied_in_flat_memory(tmp_path: Path) -> None:
    """192 MiB of zeros out of 190 kB, beside 1 kB: streamed, not held."""
    code = (
        "import sys; from pathlib import Path; from evalkit.submission.model import Submission; "
        "Submission.open(sys.argv[1]).copy('s01.mp4', Path(sys.argv[2]), 1 << 30)"
    )
    peaks = []
    for size in (1000, 192 << 20):
        path = raw_zip(tmp_path / f"{size}.zip", Entry("s01.mp4", data=bytes(size), method=DEFLATED))
        seconds, mib, _ = run(tmp_path, code, str(path), str(tmp_path / f"{size}.out"))
        assert (tmp_path / f"{size}.out").stat().st_size == size
        peaks.append(mib)
        print(f"\na member of {size:,} bytes: {seconds:.1f} s, {mib:.0f} MiB")
    assert peaks[1] < peaks[0] + 16
