"""``evalkit speed measure``: what it writes and prints, and what it refuses."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from evalkit.cli import cli
from evalkit.media.encode import write_video
from evalkit.speed.document import read_report

PLANTED = 0.4  # seconds that the command sleeps at least


@pytest.fixture
def testset(tmp_path: Path) -> Path:
    folder = tmp_path / "testset"
    folder.mkdir()
    (folder / "samples.jsonl").write_text('{"id": "s1", "text": "a"}\n')
    return folder


def test_a_command_is_measured(testset: Path, tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mp4", [np.full((64, 64, 3), level, np.uint8) for level in range(10)], 25)
    script = tmp_path / "slow.sh"
    script.write_text(f'sleep {PLANTED}\ncp {shlex.quote(str(tmp_path / "clip.mp4"))} "$1"\n')
    out = tmp_path / "slow.speed.json"
    words = ["--testset", testset, "--command", f"sh {shlex.quote(str(script))} {{output}}", "--repeats", 2, "-o", out]
    done = CliRunner().invoke(cli, ["speed", "measure", *map(str, words)])
    assert done.exit_code == 0, done.output
    document = json.loads(out.read_text())
    report = read_report(out.read_bytes())
    assert report.samples["s1"].runs == 2
    # No machine is so quick that a sleep ends early.
    assert 0 < document["summary"]["speed.fps"]["median"] <= 10 / PLANTED
    assert document["samples"][0]["generation_seconds"] >= PLANTED
    assert "1 sample, 2 timed runs each after 1 warm-up, on " in done.output
    assert "speed.ttff      not measured" in done.output
    assert "Measurement: " in done.output


def test_a_program_that_fails_is_named(testset: Path) -> None:
    line = f"{shlex.quote(sys.executable)} -c 'import sys; sys.exit(3)' {{output}}"
    done = CliRunner().invoke(
        cli, ["speed", "measure", "--testset", str(testset), "--command", line, "--warm-ups", "0"]
    )
    assert "No sample could be measured" in str(done.exception)
    assert "s1" in str(done.exception)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "Give --command, --callable or --url"),
        (["--command", "a {output}", "--url", "http://a/"], "Give --command, --callable or --url"),
        (["--url", "http://127.0.0.1:9/"], "--url needs --hardware"),
        (["--url", "http://127.0.0.1:9/", "--hardware", " "], "--hardware needs 1 to 300 characters"),
        (["--command", "a {output}", "--repeats", "0"], "--repeats"),
    ],
)
def test_what_can_not_be_measured_is_refused(testset: Path, words: list[str], told: str) -> None:
    done = CliRunner().invoke(cli, ["speed", "measure", "--testset", str(testset), *words])
    assert done.exit_code == 2
    assert told in done.output
