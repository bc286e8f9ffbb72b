"""Odd standard outputs, and what is said when a call is wrong: real processes, real pipes."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import shapes

from evalkit.cli import main
from evalkit.progress import Progress, ProgressLines, progress_for

CALL = [sys.executable, "-c", "from evalkit.cli import main; main()"]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a test set and a submission, scored once so that the cache has everything."""
    folder = tmp_path_factory.mktemp("output")
    shapes.write_testset(folder / "testset", 2, 0.4, size=64)
    shapes.write_submission(folder / "team.zip", 2, 0.4, shapes.unchanged, size=64)
    return folder


def score(world: Path) -> list[str]:
    more = ["-c", "talking-head", "--testset", str(world / "testset"), "-m", "psnr", "-q", "-w", "1"]
    return ["score", str(world / "team.zip"), *more, "-o", str(world / "out"), "--cache", str(world / "cache")]


def to_a_closed_pipe(words: list[str]) -> tuple[int, str]:
    """Return exit code and standard error of a call whose reader is gone."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run([*CALL, *words], stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    finally:
        os.close(writer)
    return done.returncode, done.stderr


def test_a_reader_that_has_seen_enough_is_no_fault(world: Path) -> None:
    assert to_a_closed_pipe(score(world)) == (0, "")
    assert to_a_closed_pipe(["--help"]) == (0, "")
    assert to_a_closed_pipe(["metrics", "list"]) == (0, "")


def test_a_wrong_call_keeps_its_code_when_the_reader_is_gone(tmp_path: Path) -> None:
    code, err = to_a_closed_pipe(["metrics", "show", "no.such", "--json"])
    assert (code, "no.such" in err, "Traceback" in err) == (2, True, False)
    assert to_a_closed_pipe(["score", "--json"])[0] == 2


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_output_is_told(world: Path, unbuffered: str) -> None:
    more = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*CALL, *score(world)], stdout=full, stderr=subprocess.PIPE, text=True, env=more, check=False
        )
    assert done.returncode == 4
    assert done.stderr.startswith("error: The output can't be written.")
    assert "bug" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_an_output_that_is_not_utf8(world: Path, tmp_path: Path) -> None:
    words = score(world)
    words[words.index("-o") + 1] = str(tmp_path / "weißer Rabe ✓")
    more = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = subprocess.run([*CALL, *words], capture_output=True, env={**os.environ, **more}, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"report.html" in done.stdout


def test_debug_stands_anywhere(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--debug", "metrics", "show", "no.such"], ["metrics", "show", "no.such", "--debug"]):
        with pytest.raises(SystemExit) as stop:
            main(words)
        err = capsys.readouterr().err
        assert (stop.value.code, "Traceback" in err, "no.such" in err) == (2, True, True)
    with pytest.raises(SystemExit):
        main(["metrics", "show", "--", "--debug"])  # a name, not the option
    err = capsys.readouterr().err
    assert "Traceback" not in err
    assert "--debug" in err


def test_without_a_standard_error_nothing_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", None)
    assert type(progress_for()) is Progress


@pytest.mark.parametrize("words", [["score"], ["score", "--nonsense"], ["no-such-command"]])
def test_a_wrong_call_is_a_document_too(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([*words, "--json"])
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert (stop.value.code, document["ok"], document["schema"]) == (2, False, 1)
    assert (document["error"]["kind"], document["error"]["exit_code"]) == ("UsageError", 2)
    assert set(document["error"]) == {"kind", "message", "found", "expected", "fix", "exit_code"}
    assert document["error"]["message"].split()[0] in captured.err


class Clock:
    """A clock that a test sets."""

    now = 0.0

    def __call__(self):
        return self.now


def lines_of(stages):
    """Return the lines for stages of (title, total, steps done, seconds each)."""
    stream, clock = io.StringIO(), Clock()
    progress = ProgressLines(stream, clock)
    for title, total, steps, seconds in stages:
        with progress.stage(title, total):
            for _ in range(steps):
                clock.now += seconds
                progress.advance()
    return stream.getvalue().splitlines()


def test_a_stage_that_took_no_time_has_no_line():
    assert lines_of([("reading", 20, 20, 0.0), ("checking", 0, 0, 0.0), ("scoring", 2, 2, 3.0)]) == [
        "scoring: 2/2 in 6 s"
    ]


def test_a_stage_that_ended_early_has_a_line_however_short():
    assert lines_of([("reading", 20, 3, 0.0), ("listing", None, 4, 0.0)]) == [
        "reading: 3/20 in 0 s",
        "listing: 4 in 0 s",
    ]


def test_a_long_stage_says_what_is_left():
    assert lines_of([("scoring", 3, 3, 6.0)]) == ["scoring: 2/3, about 6 s left", "scoring: 3/3 in 18 s"]
