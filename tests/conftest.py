"""Fixtures for all tests, and the rule that CI has no excuse.

What a test needs beyond Python packages is said by a marker: ``shared`` (real clips and networks), ``oracles`` (other
people's implementations in an environment of their own), ``ffmpeg``, ``browser``, ``postgres`` (a server's programs),
``ray`` (the package).
Without it the test skips with a reason; under ``EVALKIT_REQUIRE=all`` every skip is a failure.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings
from parallel import core_of, longest_first, seconds_by_module

if TYPE_CHECKING:
    from evalkit.board.model import Snapshot

ROOT = Path(__file__).parents[1]
REQUIRE_ALL = os.environ.get("EVALKIT_REQUIRE") == "all"

# A busy machine must not fail a test: no example has a time limit.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """Turn a skip into a failure where everything must be there."""
    report = yield
    if REQUIRE_ALL and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} skipped under EVALKIT_REQUIRE=all: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, Any, Any]:
    """The same for a module that skips itself while it is collected."""
    report = yield
    if REQUIRE_ALL and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"{collector.nodeid} skipped under EVALKIT_REQUIRE=all: {report.longrepr}"
    return report


def pytest_configure() -> None:
    """Keep to one core where there is a process for each."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker is not None and hasattr(os, "sched_setaffinity"):
        core = core_of(worker, int(os.environ["PYTEST_XDIST_WORKER_COUNT"]), os.sched_getaffinity(0))
        if core is not None:
            os.sched_setaffinity(0, {core})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start with the longest modules where processes share the tests."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        items[:] = longest_first(items)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Where the longest tests are shown, show the longest modules too."""
    shown = config.getoption("durations")
    if shown:
        reports = [report for found in terminalreporter.stats.values() for report in found]
        modules = seconds_by_module(one for one in reports if isinstance(one, pytest.TestReport))
        terminalreporter.section(f"slowest {shown} modules")
        for module, seconds in modules[:shown]:
            terminalreporter.write_line(f"{seconds:.1f}s {module}")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip marked tests whose needs are not met."""
    if item.get_closest_marker("shared") and not _shared_folder().is_dir():
        pytest.skip(f"no shared data under {_shared_folder()}; set EVALKIT_SHARED")
    if item.get_closest_marker("ffmpeg") and not (shutil.which("ffmpeg") and shutil.which("ffprobe")):
        pytest.skip("ffmpeg and ffprobe are not installed")
    if item.get_closest_marker("oracles") and not _oracle_python().exists():
        pytest.skip("no oracle environment; run 'make oracles'")
    if item.get_closest_marker("browser") and not _chromium():
        pytest.skip("no Chromium; install it or set EVALKIT_CHROMIUM")
    if item.get_closest_marker("ray") and importlib.util.find_spec("ray") is None:
        pytest.skip("no Ray; install the extra 'cluster'")
    if item.get_closest_marker("postgres") and not _has_postgres():
        pytest.skip("no PostgreSQL server programs (Debian: postgresql) or no psycopg")


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the tests out of the user's cache."""
    patch = pytest.MonkeyPatch()
    patch.setenv("EVALKIT_CACHE", str(tmp_path_factory.mktemp("cache")))
    patch.delenv("EVALKIT_BACKBONES", raising=False)
    yield
    patch.undo()


def _shared_folder() -> Path:
    return Path(os.environ.get("EVALKIT_SHARED", ROOT.parent / "shared"))


def _oracle_python() -> Path:
    return Path(os.environ.get("EVALKIT_ORACLES", ROOT / ".venv-oracles")) / "bin" / "python"


def _has_postgres() -> bool:
    bundled = any(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return importlib.util.find_spec("psycopg") is not None and (bundled or shutil.which("initdb") is not None)


def _chromium() -> str | None:
    return os.environ.get("EVALKIT_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium without a window; tests with the marker ``browser`` are skipped before this when it is not there."""
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as tool:
        running = tool.chromium.launch(executable_path=_chromium(), args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder with the real clips and networks."""
    folder = _shared_folder()
    if not folder.is_dir():
        pytest.skip(f"no shared data under {folder}; set EVALKIT_SHARED")
    return folder


@pytest.fixture(scope="session")
def oracle_python() -> Path:
    """Return the interpreter that can import the other implementations."""
    python = _oracle_python()
    if not python.exists():
        pytest.skip("no oracle environment; run 'make oracles'")
    return python


@pytest.fixture(scope="session")
def backbones() -> Path:
    """Return the manifest of the small real networks."""
    return ROOT / "tests" / "backbones.yaml"


@pytest.fixture(scope="session")
def real_board(shared: Path) -> Snapshot:
    """Return the board of the talking-heads footage with its real ratings."""
    from builders.boards import talking_heads_board

    return talking_heads_board(shared)


@pytest.fixture
def weights(shared: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let evalkit find the small real networks."""
    monkeypatch.setenv("EVALKIT_WEIGHTS", str(shared / "weights"))
    return shared / "weights"


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Return a function that mounts a file system of so many KiB and returns its folder; root on Linux only."""
    mounted: list[Path] = []

    def mount(kibibytes: int) -> Path:
        if os.geteuid() != 0 or sys.platform != "linux":
            pytest.skip("mounting a tiny file system needs root on Linux")
        place = tmp_path / f"disk{len(mounted)}"
        place.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={kibibytes}k", "tmpfs", str(place)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"can't mount a file system here: {done.stderr.strip()}")
        mounted.append(place)
        return place

    yield mount
    for place in mounted:
        subprocess.run(["umount", place], check=True)


@pytest.fixture
def unprivileged(tmp_path: Path) -> Iterator[None]:
    """Run the test as a user whom file permissions bind, also where the tests run as root."""
    if os.geteuid() != 0:
        yield
        return
    for folder in (tmp_path, *tmp_path.parents):
        mode = folder.stat().st_mode
        if folder.is_relative_to("/tmp") and folder != Path("/tmp") and mode & 0o777:
            folder.chmod(mode | 0o055)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
