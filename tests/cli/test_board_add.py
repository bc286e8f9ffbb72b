"""``evalkit board add``: what it asks a reason for."""

from __future__ import annotations

import json

from builders.board_shell import Shell, add_teams


def test_another_teams_scorecard_and_one_that_replaces_need_a_reason(shell: Shell) -> None:
    add_teams(shell)
    alpha = shell.folder / "alpha.json"
    before = shell.state()
    shell("board", "add", "beta", alpha, "--run", "2", code=1)
    assert "alpha/1: the same submission" in shell.err
    shell("board", "add", "beta", alpha, code=1)
    shell("board", "add", "beta", alpha, "--run", "2", "--allow-shared", code=2)
    assert "--why" in shell.err
    other = shell.write(
        "other.json", alpha.read_text().replace(json.loads(alpha.read_text())["submission"]["sha256"], "12" * 32)
    )
    shell("board", "add", "beta", other, code=1)
    assert "another scorecard on the board" in shell.err and "--why TEXT" in shell.err
    assert shell.state() == before
    assert "updated" in shell("board", "add", "beta", other, "--why", "the first ZIP was cut off")
    assert "unchanged" in shell("board", "add", "beta", other)
    last = json.loads(shell("board", "log", "--json"))["log"][-1]
    assert last["details"]["why"] == "the first ZIP was cut off"


def test_a_refused_scorecard_leaves_no_new_team(shell: Shell) -> None:
    add_teams(shell)
    before = shell.state()
    shell("board", "add", "delta", shell.folder / "alpha.json", "--new-team", code=1)
    assert shell.state() == before
