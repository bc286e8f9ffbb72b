"""``evalkit score-all`` on the command line: what it prints, its exit codes, how it stops."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from builders.processes import eventually

from evalkit.cli import main


def words(night: Any, place: Path, *more: object) -> list[str]:
    common = ["-c", "talking-head", "--testset", night.testset, "-m", "psnr", "-w", "2", "--cache", place / "cache"]
    return [str(word) for word in ("score-all", *more, *common, "-o", place / "out")]


def call(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    printed = capsys.readouterr()
    return int(stop.value.code or 0), printed.out, printed.err


def test_the_table_names_every_submission_and_what_is_wrong(
    night: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = call(words(night, tmp_path, night.zips), capsys)
    assert code == 1
    for line in (
        "alpha",
        "missing: missing: 1 video",
        "refused: ",
        "3 scored, 2 refused and 1 partly scored",
        "summary.csv",
    ):
        assert line in out
    assert "[6 of 6 submissions" in err
    code, out, err = call(words(night, tmp_path, night.zips, "--json"), capsys)
    document = json.loads(out)
    assert (code, document["exit_code"], document["ok"]) == (1, 1, False)
    assert [one["by_an_earlier_run"] for one in document["submissions"]] == [True, True, True, False, True, False]
    assert document["submissions"][3]["error"]["kind"] == "SubmissionError"


@pytest.mark.parametrize(("names", "code"), [(("alpha",), 0), (("alpha", "missing"), 3), (("missing", "refused"), 1)])
def test_the_exit_code_is_the_worst(
    night: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], names: tuple[str, ...], code: int
) -> None:
    zips = night.copy(tmp_path, *names)
    assert call(words(night, tmp_path, zips, "--quiet"), capsys)[0] == code


def test_wrong_words_are_refused(night: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for more, said in (
        (("--dry-run", "--fresh"), "scores a few files only"),
        (("--allow-shared",), "--why"),
    ):
        code, _, err = call(words(night, tmp_path, night.zips, *more), capsys)
        assert code == 2
        assert said in err
    code, _, err = call(words(night, tmp_path, tmp_path / "nothing"), capsys)
    assert (code, "does not exist" in err) == (2, True)


def test_the_estimate_is_printed(night: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(words(night, tmp_path, night.copy(tmp_path, "alpha", "refused"), "--dry-run"), capsys)
    assert code == 0
    for line in ("2 submissions, 3 files", "Time: ", "files a minute", "Disk: ", "Memory: ", "refused: "):
        assert line in out


def test_a_command_that_is_stopped_says_how_to_go_on(night: Any, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "evalkit", *words(night, tmp_path, night.zips)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    try:
        logs = tmp_path / "out"
        assert eventually(lambda: any('"video"' in log.read_text() for log in logs.glob("*/log.jsonl")))
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    if process.returncode != 1:  # it was not done before the signal came
        assert process.returncode == 130
        assert "Finished submissions are kept" in err
        assert "Traceback" not in err
        assert out == ""
