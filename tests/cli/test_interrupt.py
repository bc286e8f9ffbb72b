"""Ctrl-C, SIGTERM and a closed terminal: every long command stops soon, with 130 and a word on how to go on."""

from __future__ import annotations

import gc
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
import shapes
from board_tools import YAML, rules
from soak.processes import alive, wait_until
from soak.states import leftovers
from weights_server import Behaviour, manifest, noise, role, serving

from evalkit.board import Board

GUARD = 10.0  # seconds until a command counts as hanging; on an idle machine all of them need less than one
# Whoever runs the tests in the background may have left SIGINT or SIGHUP ignored, which children inherit.
HEARD = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "signal.signal(signal.SIGHUP, signal.SIG_DFL); "
)
CALL = "from evalkit.cli import main; main()"
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@dataclass(frozen=True)
class Stopped:
    """What became of a command that was stopped."""

    seconds: float
    code: int
    err: str


def stop(
    words: tuple[str, ...], place: Path, moment: Callable[[], bool], number: signal.Signals, *, held: bool = False
) -> Stopped:
    """Start a command in ``place``, send the signal when ``moment`` has come, and wait for its end.

    ``held``: somebody else has the board open, so that SQLite's own files stay.
    """
    temporary = place / "temporary"
    temporary.mkdir(exist_ok=True)
    mark = f"{place.name}-{number.name}"
    more = {"TMPDIR": str(temporary), "EVALKIT_CACHE": "cache", "EVALKIT_WEIGHTS": "weights", "EVALKIT_SOAK": mark}
    process = subprocess.Popen(
        [sys.executable, "-c", HEARD + CALL, *words], cwd=place, env={**os.environ, **more, "EVALKIT_BY": "olga"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        assert wait_until(lambda: moment() or process.poll() is not None, 60)
        assert process.poll() is None, process.communicate()
        started = time.monotonic()
        process.send_signal(number)
        _, err = process.communicate(timeout=GUARD)
        seconds = time.monotonic() - started
        assert wait_until(lambda: not alive(mark), GUARD, 0.02)
    finally:
        process.kill()
        process.communicate()
    assert list(temporary.iterdir()) == []
    strange = [name for name in leftovers(place) if not name.startswith("weights/.parts/")]  # what came so far stays
    assert strange == [] or held
    sys.stdout.write(f"{' '.join(words[:2])}: {number.name} stopped it in {seconds:.2f} s\n")
    return Stopped(seconds, process.returncode, err)


def check_stopped(stopped: Stopped, words: str) -> None:
    assert stopped.code == 130, stopped.err
    assert "Interrupted." in stopped.err
    assert words in stopped.err
    assert "Traceback" not in stopped.err


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stopped")
    shapes.write_testset(folder / "testset", 40, 0.4, size=64)
    shapes.write_submission(folder / "team.zip", 40, 0.4, shapes.unchanged, size=64)
    return folder


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("command", ["score", "validate"])
def test_scoring_and_validating(world: Path, tmp_path: Path, command: str, number: signal.Signals) -> None:
    more = ("-m", "psnr", "-o", str(tmp_path / "out")) if command == "score" else ()
    words = (command, str(world / "team.zip"), "-c", "talking-head", "--testset", str(world / "testset"), "-w", "2")
    moment = lambda: any((tmp_path / "cache").glob("facts/*/*.npz"))  # noqa: E731
    check_stopped(
        stop((*words, *more, "--quiet"), tmp_path, moment, number), "not read again. Run the same command again"
    )
    assert not (tmp_path / "out" / "scorecard.json").exists()


def test_a_worker_that_starts_is_stopped_too(world: Path, tmp_path: Path) -> None:
    words = ("score", str(world / "team.zip"), "-c", "talking-head", "--testset", str(world / "testset"), "-m", "psnr")
    moment = lambda: any((tmp_path / "temporary").iterdir())  # noqa: E731
    check_stopped(stop((*words, "--quiet"), tmp_path, moment, signal.SIGINT), "Run the same command again")


@pytest.mark.parametrize("number", SIGNALS[:2])
def test_the_demo(tmp_path: Path, number: signal.Signals) -> None:
    moment = (tmp_path / "demo" / "testset").exists
    words = ("demo", "-o", "demo", "--samples", "3", "--quiet")
    check_stopped(stop(words, tmp_path, moment, number), "not made again. Run the same command again")


STOPPED_EARLY = """
from evalkit import files

create = files._new_part

def create_and_stop(path):
    create(path)
    raise KeyboardInterrupt  # as a signal does that arrives before the block which removes the part

files._new_part = create_and_stop
"""


def test_a_part_that_is_not_yet_written_is_removed(tmp_path: Path) -> None:
    words = ["challenges", "init", "mine.yaml"]
    program = f"import sys; sys.argv[1:] = {words}\n{STOPPED_EARLY}\n{CALL}"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    check_stopped(Stopped(0.0, done.returncode, done.stderr), "")
    assert list(tmp_path.iterdir()) == []


SLOW_GENERATOR = """
import time
import numpy as np
from pathlib import Path
from evalkit.reference_models.generators.base import GeneratedClip

def generate(request):
    with Path(__file__).with_name("calls.txt").open("a") as calls:
        calls.write(request.sample + "\\n")
    time.sleep(0.4)
    return GeneratedClip([np.full((64, 64, 3), request.seed % 251, np.uint8)] * 10, 25)
"""


@pytest.mark.parametrize("number", SIGNALS)
def test_a_generator_goes_on_where_it_was_stopped(world: Path, tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "slow.py").write_text(SLOW_GENERATOR)
    (tmp_path / "calls.txt").touch()
    words = ("baseline", "run", "--callable", "slow:generate", "--testset", str(world / "testset"), "--limit", "6")
    words = (*words, "--no-speed", "-w", "1", "-o")
    kept = tmp_path / "a.zip.clips"
    moment = lambda: len(list(kept.glob("[0-9]*.json"))) >= 2  # noqa: E731
    check_stopped(stop((*words, "a.zip", "--quiet"), tmp_path, moment, number), "Finished clips are kept in the folder")
    assert not (tmp_path / "a.zip").exists()
    finished = sorted(path.stem for path in kept.glob("*.json"))
    assert 2 <= len(finished) < 6
    assert {path.name for path in kept.iterdir()} == {
        "README.txt", *(f"{name}.{kind}" for name in finished for kind in ("mp4", "json"))
    }  # fmt: skip
    before = (tmp_path / "calls.txt").read_text().split()

    def run(output: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", CALL, *words, output], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        return done.stdout

    assert f"6 of 6 samples in a.zip ({len(finished)} kept from a run that was stopped)." in run("a.zip")
    calls = (tmp_path / "calls.txt").read_text().split()
    assert len(calls) - len(before) == 6 - len(finished)  # nothing that was finished is made again
    assert not kept.exists()
    assert "6 of 6 samples in whole.zip." in run("whole.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "whole.zip").read_bytes()


@pytest.fixture
def board(tmp_path: Path) -> Path:
    with Board.create(tmp_path / "b.sqlite", rules(), YAML, by="olga") as made:
        made.add_team("alpha", by="olga")
    return tmp_path / "b.sqlite"


@pytest.mark.parametrize("number", SIGNALS[:2])
def test_an_import_of_ratings(tmp_path: Path, board: Path, number: signal.Signals) -> None:
    lines = (f"r{at % 50},i{at // 50},overall,{at % 5 + 1},2026-03-01T12:00:00Z" for at in range(60_000))
    (tmp_path / "r.csv").write_text("\n".join(("rater_id,item_id,dimension,value,submitted_at", *lines)))
    wal = tmp_path / "b.sqlite-wal"
    words = ("ratings", "import", "r.csv", "--board", "b.sqlite")
    check_stopped(stop(words, tmp_path, wal.exists, number), "Run the same command again: nothing is added twice.")
    with Board.open(board) as opened:
        assert opened.verify() == []
        assert len(opened.snapshot().answers) in {0, 60_000}


@pytest.mark.parametrize("number", SIGNALS[:2])
def test_a_change_of_the_board_that_waits_for_another_writer(
    tmp_path: Path, board: Path, number: signal.Signals
) -> None:
    with closing(sqlite3.connect(board, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        started = time.monotonic()
        waits = lambda: time.monotonic() - started > 3  # noqa: E731
        words = ("board", "team", "beta", "--board", "b.sqlite")
        check_stopped(stop(words, tmp_path, waits, number, held=True), "is complete or not made at all")
        other.execute("ROLLBACK")
    with Board.open(board) as opened:
        assert opened.team_names() == ["alpha"]
        assert opened.verify() == []


@pytest.mark.parametrize("number", SIGNALS[:2])
def test_a_leaderboard(tmp_path: Path, number: signal.Signals) -> None:
    from board_tools import card

    with Board.create(tmp_path / "b.sqlite", rules(), YAML, by="olga") as made:
        for at in range(12):
            made.add_team(f"t{at}", by="olga")
            made.add_run(f"t{at}", "1", card(f"t{at}", 0.4 + at / 100), by="olga")
    began = tmp_path / "b.sqlite-shm"
    seen: list[float] = []

    def moment() -> bool:
        if began.exists() and not seen:
            seen.append(time.monotonic())
        return bool(seen) and not began.exists()  # read to its end: now the teams are ranked

    words = ("leaderboard", "--board", "b.sqlite", "-o", "l.html", "--draws", "100000")
    check_stopped(stop(words, tmp_path, moment, number), "Every file is either the old one or the new one.")
    assert not (tmp_path / "l.html").exists()


@pytest.fixture
def release() -> threading.Event:
    return threading.Event()


@pytest.fixture
def slow(tmp_path: Path, release: threading.Event) -> Iterator[Path]:
    """Return a set of backbones whose only file stops in the middle, until ``release`` is set."""
    with serving() as server:
        body = noise(1_000_000)

        def gate() -> None:
            release.wait(60)

        server.paths["a.bin"] = Behaviour(body, gate=gate)
        yield manifest(tmp_path, {"one": role("a.bin", body, server.url("a.bin"))})
        release.set()


@pytest.mark.parametrize("number", SIGNALS)
def test_fetching_weights(tmp_path: Path, slow: Path, number: signal.Signals) -> None:
    part = tmp_path / "weights" / ".parts" / "a.bin"
    moment = lambda: part.exists() and part.stat().st_size > 0  # noqa: E731
    words = ("weights", "pull", "-b", str(slow), "--accept-licence")
    check_stopped(
        stop(words, tmp_path, moment, number), "The bytes received so far are kept. Run the same command again"
    )
    assert part.stat().st_size > 0
    assert not (tmp_path / "weights" / "a.bin").exists()


def test_nohup_is_heeded(tmp_path: Path, slow: Path, release: threading.Event) -> None:
    """Who ignores SIGHUP wants the command to outlive the terminal."""
    part = tmp_path / "weights" / ".parts" / "a.bin"
    words = ["weights", "pull", "-b", str(slow), "--accept-licence"]
    program = f"{HEARD}signal.signal(signal.SIGHUP, signal.SIG_IGN); {CALL}"
    process = subprocess.Popen(
        [sys.executable, "-c", program, *words], cwd=tmp_path, env={**os.environ, "EVALKIT_WEIGHTS": "weights"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert wait_until(lambda: part.exists() and part.stat().st_size > 0, 60)
        process.send_signal(signal.SIGHUP)
        release.set()
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        assert (tmp_path / "weights" / "a.bin").stat().st_size == 1_000_000
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", SIGNALS)
def test_what_is_torn_down_half_way_is_silent_and_signals_are_given_back(
    number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    from evalkit.cli.signals import handle_termination_signals

    class Half:
        def __del__(self) -> None:
            raise ValueError("a half-written ZIP")

    def torn() -> None:
        half = Half()
        os.kill(os.getpid(), number)
        time.sleep(5)
        del half

    usual = (signal.default_int_handler, signal.SIG_DFL, signal.SIG_DFL)
    inherited = [signal.signal(each, handler) for each, handler in zip(SIGNALS, usual, strict=True)]
    before = [signal.getsignal(each) for each in SIGNALS]
    complain = sys.unraisablehook
    try:
        with handle_termination_signals():
            with pytest.raises(KeyboardInterrupt):
                torn()
            gc.collect()
        assert [signal.getsignal(each) for each in SIGNALS] == before
        assert sys.unraisablehook is complain
        assert capsys.readouterr().err == ""
    finally:
        for each, handler in zip(SIGNALS, inherited, strict=True):
            signal.signal(each, handler)


def test_a_bundle_that_was_stopped_is_not_said_to_be_kept() -> None:
    from evalkit.cli.signals import interruption_message

    said = interruption_message(["host", "codabench", "mine.yaml", "-t", "testset"])
    assert "kept" not in said
    assert "starts from the beginning" in said
