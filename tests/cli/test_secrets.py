"""Passwords in a board's place, and what the environment holds: no channel shows them, and no file keeps them."""

from __future__ import annotations

from pathlib import Path

import pytest
import shapes
from hostile_text import Terminal

from evalkit.cli import main

SECRET = "hunter2-and-more"
PLACES = (
    f"postgresql://olga:{SECRET}@127.0.0.1:1/db",
    f"postgresql://olga@127.0.0.1:1/db?password={SECRET}",
    f"postgresql:/olga:{SECRET}@127.0.0.1/db",
    f"postgresql//olga:{SECRET}@127.0.0.1/db",
    f"olga:{SECRET}@127.0.0.1/db",
    f"mysql://olga:{SECRET}@127.0.0.1/db",
    f"olga:{SECRET}@postgresql://127.0.0.1/db",
    f"postgresql://olga:{SECRET}@x@127.0.0.1:1/db",
    f"postgresql://olga:{SECRET}@[::1/db",
)


@pytest.mark.parametrize("place", PLACES)
def test_a_password_in_the_boards_place_is_never_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, place: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for words in (
        ("board", "list", "--board", place),
        ("board", "list", "--board", place, "--json"),
        ("--debug", "board", "list", "--board", place),
        ("leaderboard", "--board", place),
    ):
        with pytest.raises(SystemExit) as stop:
            main(list(words))
        out, err = capsys.readouterr()
        assert stop.value.code in {1, 2, 4}
        assert err
        assert SECRET not in out + err
    assert not any(SECRET in path.name for path in tmp_path.rglob("*"))


def test_nothing_of_the_environment_is_written(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = tmp_path / "where things lie"
    shapes.write_testset(world / "testset", 2, 0.4, size=64)
    shapes.write_submission(world / "team.zip", 2, 0.4, shapes.unchanged, size=64)
    for name in ("DATABASE_URL", "API_TOKEN", "EVALKIT_BOARD", "USER", "HOSTNAME", "HOME"):
        monkeypatch.setenv(name, f"/{SECRET}" if name == "HOME" else SECRET)
    out = tmp_path / "out"
    words = ("score", world / "team.zip", "-c", "talking-head", "--testset", world / "testset", "-m", "psnr", "-o", out)
    assert Terminal(capsys)(*words, "-q", "-w", "1")[0] == 0
    written = [path for path in out.rglob("*") if path.is_file()]
    assert len(written) == 5
    for path in written:
        data = path.read_bytes()
        assert SECRET.encode() not in data
        assert str(world).encode() not in data, path.name  # nor where things lie on this machine
