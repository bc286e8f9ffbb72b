"""`evalkit.load_leaderboard` is the ranking of ``evalkit leaderboard``, as a value."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from builders.board_shell import RULES, Shell, filled

import evalkit
from evalkit.errors import InputError, UsageError
from evalkit.leaderboard.serialise import as_dict


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    made = Shell(tmp_path, capsys)
    monkeypatch.setenv("EVALKIT_BOARD", str(made.board))
    monkeypatch.setenv("EVALKIT_BY", "organizer")
    made("board", "init", "--challenge", made.write("c.yaml", RULES))
    filled(made)
    return made


@pytest.mark.parametrize("audience", ["public", "organizers"])
def test_it_is_what_the_command_prints(shell: Shell, audience: str) -> None:
    printed = json.loads(shell("leaderboard", "--json", "--for", audience, "-o", shell.folder / "a.html"))
    board = evalkit.load_leaderboard(shell.board, audience=audience)  # type: ignore[arg-type]
    rows = json.loads(json.dumps(as_dict(board)))["rows"]
    assert [row["team"] for row in rows] == ["alpha", "beta", "gamma"]
    assert rows == printed["leaderboard"]["rows"]


def test_raters_are_numbers_for_the_public(shell: Shell) -> None:
    public, whole = (evalkit.load_leaderboard(shell.board, audience=one) for one in ("public", "organizers"))
    assert {one.rater for one in whole.ratings.raters} == {"r01", "r02", "r03", "r04"}
    assert not {one.rater for one in public.ratings.raters} & {"r01", "r02", "r03", "r04"}


def test_the_board_as_it_was(shell: Shell) -> None:
    assert len(evalkit.load_leaderboard(shell.board, as_of=3).rows) < 3


def test_wrong_arguments_are_told(shell: Shell, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such audience"):
        evalkit.load_leaderboard(shell.board, audience="press")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="at least 100 draws"):
        evalkit.load_leaderboard(shell.board, draws=10)
    with pytest.raises(InputError):
        evalkit.load_leaderboard(tmp_path / "none.sqlite")
    with pytest.raises(UsageError, match="path of a file, or a URL"):
        evalkit.load_leaderboard(7)  # type: ignore[arg-type]
