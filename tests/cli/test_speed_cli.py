"""``evalkit speed measure``: what it writes and prints, and what it refuses."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest
from board_tools import card, rules
from click.testing import CliRunner

from evalkit.board import Board
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
        (["--command", "a {output}", "--gradio", "generate"], "--gradio needs --url"),
        (["--url", "http://127.0.0.1:9/", "--hardware", " "], "--hardware needs 1 to 300 characters"),
        (["--command", "a {output}", "--repeats", "0"], "--repeats"),
    ],
)
def test_what_can_not_be_measured_is_refused(testset: Path, words: list[str], told: str) -> None:
    done = CliRunner().invoke(cli, ["speed", "measure", "--testset", str(testset), *words])
    assert done.exit_code == 2
    assert told in done.output


@pytest.fixture
def board(tmp_path: Path) -> str:
    place = tmp_path / "b.sqlite"
    text = "id: c\ntitle: c\nmetrics: [{id: identity.strict}, {id: speed.fps, group: speed}]\nranking: mean-rank\n"
    with Board.create(place, rules(text), text, by="olga") as made:
        for name in ("alpha", "beta"):
            made.add_team(name, by="olga")
            made.add_run(name, "main", card(name, text=text), by="olga")
    return str(place)


def call(*words: object) -> tuple[int, str]:
    done = CliRunner().invoke(cli, [str(word) for word in words])
    return done.exit_code, done.output + str(done.exception or "")


def test_a_measurement_is_imported_listed_and_undone(board: str, tmp_path: Path) -> None:
    rows = [{"sample": name, "frames": 100, "clip_seconds": 4, "generation_seconds": 8} for name in ("s1", "s2")]
    document = {"schema": 1, "kind": "measurement", "timed": "call", "machine": {"processor": "A"}, "samples": rows}
    file = tmp_path / "alpha.speed.json"
    file.write_text(json.dumps(document))
    assert "Say with --team" in call("speed", "import", file, "-B", board)[1]
    code, out = call("speed", "import", file, "-B", board, "--team", "alpha", "--by", "olga")
    assert (code, out.splitlines()[0]) == (0, "Imported 2 samples of 1 run from alpha.speed.json.")
    assert "'evalkit speed undo 1 --why TEXT' takes it back" in out
    assert (
        "The board holds alpha.speed.json already" in call("speed", "import", file, "-B", board, "--team", "alpha")[1]
    )
    table = tmp_path / "speed.csv"
    table.write_text("team,sample,seconds,frames,hardware,who\nbeta,s1,4,100,A,pia\nalpha,s1,9,100,A,pia\n")
    code, out = call("speed", "import", table, "-B", board, "--json")
    assert (code, json.loads(out)) == (0, {"schema": 1, "import": 2, "new": 2, "known": 0})
    listed = json.loads(call("speed", "list", "-B", board, "--json")[1])["measurements"]
    assert [(one["team"], one["source"], one["counts"]) for one in listed] == [
        ("alpha", "measured", True),
        ("beta", "imported", True),
        ("alpha", "imported", False),
    ]
    assert (
        "alpha/main, 1 sample imported by the organizer (pia) on A; does not count"
        in call("speed", "list", "-B", board)[1]
    )
    shown = json.loads(call("leaderboard", "-B", board, "--json", "-o", tmp_path / "l.html")[1])
    cells = {row["team"]: row["cells"]["speed.fps"] for row in shown["leaderboard"]["rows"]}
    assert {team: (cell["value"], cell["source"]) for team, cell in cells.items()} == {
        "alpha": (12.5, "measured"),
        "beta": (25.0, "imported"),
    }
    assert "measurements of speed" in call("speed", "undo", 7, "-B", board, "--why", "x")[1]
    code, out = call("speed", "undo", 2, "-B", board, "--why", "Another machine.")
    assert (code, out) == (0, "Import 2 of speed.csv is undone: 2 samples removed.\n")
    assert len(json.loads(call("speed", "list", "-B", board, "--json")[1])["measurements"]) == 1


@pytest.mark.parametrize("content", ["{}", '{"schema": 1, "samples": []}', "{"])
def test_a_teams_own_file_is_not_the_organizers(board: str, tmp_path: Path, content: str) -> None:
    file = tmp_path / "speed.json"
    file.write_text(content)
    code, out = call("speed", "import", file, "-B", board, "--team", "alpha")
    assert code == 1
    assert "was not written by 'evalkit speed measure'" in out
