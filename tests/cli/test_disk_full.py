"""A disk that is full and a folder that is read-only, in every place that commands write to."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pytest
import shapes
from board_tools import YAML, card, rules
from soak import states
from weights_server import Behaviour, manifest, noise, role, serving

from evalkit.board import Board
from evalkit.cli import main
from evalkit.errors import StorageError
from evalkit.scoring.journal import Journal


@dataclass(frozen=True)
class Done:
    """Exit code, and what was printed as an error."""

    returncode: int
    stderr: str


def evalkit(place: Path, *words: object, **variables: str) -> Done:
    """Call evalkit as if it was started in ``place``."""
    more = {"EVALKIT_CACHE": "cache", "EVALKIT_WEIGHTS": "weights", "EVALKIT_BY": "olga", **variables}
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(StringIO()), redirect_stderr(StringIO()) as err:
        patch.chdir(place)
        patch.setattr("tempfile.tempdir", None)  # found anew
        for name, value in more.items():
            patch.setenv(name, value)
        with pytest.raises(SystemExit) as stop:
            main([str(word) for word in words])
    return Done(int(stop.value.code or 0), err.getvalue())


def refused(done: Done, *words: str) -> None:
    """One sentence that says what, where and what to do; exit code 4."""
    assert done.returncode == 4, done.stderr
    assert "Traceback" not in done.stderr
    assert "itself failed" not in done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    for word in words:
        assert word in line, line


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the inputs, and what an undisturbed run makes of them in ``good``."""
    folder = tmp_path_factory.mktemp("disks")
    shapes.write_testset(folder / "testset", 2, 0.4, size=64)
    shapes.write_submission(folder / "team.zip", 2, 0.4, shapes.unchanged, size=64)
    done = evalkit(folder, *score(folder), "-o", "good")
    assert done.returncode == 0, done.stderr
    return folder


def score(world: Path) -> tuple[object, ...]:
    more = ("-c", "talking-head", "--testset", world / "testset", "-m", "psnr", "-q", "-w", "1")
    return ("score", world / "team.zip", *more)


@pytest.mark.parametrize("full", ["cache", "out"])
def test_scoring(world: Path, tmp_path: Path, tiny_disk: Callable[[int], Path], full: str) -> None:
    disk = tiny_disk(96)
    filler = disk / "filler"
    filler.write_bytes(bytes(88 * 1024))
    (tmp_path / full).symlink_to(disk)
    done = evalkit(tmp_path, *score(world), "-o", "out", "--cache", "cache")
    refused(done, "no space left to write", f"{full}/", "Free some disk space")
    assert not (tmp_path / "out" / "scorecard.json").exists()
    assert states.leftovers(disk) == []
    filler.unlink()
    subprocess.run(["mount", "-o", "remount,size=4m", str(disk)], check=True)
    assert evalkit(tmp_path, *score(world), "-o", "out", "--cache", "cache").returncode == 0
    assert states.finals(tmp_path / "out") == states.finals(world / "good")


def full_device(path: Path) -> None:
    """Make a device that is always full."""
    try:
        os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 7))
    except PermissionError:
        pytest.skip("only root makes device files")


def test_the_log_alone(world: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    full_device(tmp_path / "out" / "log.jsonl")
    refused(
        evalkit(tmp_path, *score(world), "-o", "out"), "no space left to write", "log.jsonl", "Free some disk space"
    )


def test_closing_the_log_says_what_no_event_said(tmp_path: Path) -> None:
    full_device(tmp_path / "log.jsonl")
    journal = Journal(tmp_path / "log.jsonl")
    with pytest.raises(StorageError, match="no space left"):
        journal.event("video")
    journal.close()
    journal = Journal(tmp_path / "log.jsonl")
    assert journal._stream is not None
    journal._stream.write("still in memory")
    with pytest.raises(StorageError, match="no space left"):
        journal.close()
    journal.close()


def test_no_room_for_temporary_files(world: Path, tmp_path: Path, tiny_disk: Callable[[int], Path]) -> None:
    """There is room to begin, and none for the video; then there is."""
    disk = tiny_disk(16)
    (disk / "filler").write_bytes(bytes(8 * 1024))
    done = evalkit(tmp_path, *score(world), "-o", "out", TMPDIR=str(disk))
    refused(done, "no room", str(disk), "Free some space", "TMPDIR")
    assert sorted(path.name for path in disk.iterdir()) == ["filler"]
    subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
    assert evalkit(tmp_path, *score(world), "-o", "out", TMPDIR=str(disk)).returncode == 0
    assert states.finals(tmp_path / "out") == states.finals(world / "good")
    assert sorted(path.name for path in disk.iterdir()) == ["filler"]


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system that is mounted read-only."""
    place = tmp_path / "read-only"
    place.mkdir()
    if os.geteuid() != 0 or sys.platform != "linux":
        pytest.skip("mounting a file system needs root on Linux")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro,size=64k", "tmpfs", str(place)], check=True)
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_read_only_folders(world: Path, tmp_path: Path, read_only: Path) -> None:
    with Board.create(tmp_path / "b.sqlite", rules(), YAML, by="olga"):
        pass
    refused(evalkit(tmp_path, *score(world), "-o", read_only / "out"), str(read_only), "can't be written", "Choose")
    cache = evalkit(tmp_path, *score(world), "-o", "out", "--cache", read_only / "cache")
    refused(cache, str(read_only), "can't be written", "Choose")
    page = evalkit(tmp_path, "leaderboard", "--board", "b.sqlite", "-o", read_only / "l.html")
    refused(page, str(read_only), "can't be written", "Choose")
    board = evalkit(tmp_path, "board", "init", "--board", read_only / "b.sqlite", "-c", "talking-head")
    refused(board, str(read_only), "can't be written", "Choose")
    mine = manifest(tmp_path, {"one": role("a.bin", b"x", "http://127.0.0.1:9/a.bin")})
    words = ("weights", "pull", "-b", mine, "--accept-licence")
    weights = evalkit(tmp_path, *words, EVALKIT_WEIGHTS=str(read_only / "weights"))
    refused(weights, str(read_only), "can't be written", "EVALKIT_WEIGHTS")


def test_the_board(tmp_path: Path, tiny_disk: Callable[[int], Path]) -> None:
    disk = tiny_disk(700)
    (tmp_path / "rules.yaml").write_text(YAML)
    place = disk / "b.sqlite"
    (disk / "filler").write_bytes(bytes(600 * 1024))
    refused(
        evalkit(tmp_path, "board", "init", "--board", place, "-c", "rules.yaml"), "no space left", str(place), "Free"
    )
    assert [path.name for path in disk.iterdir()] == ["filler"]  # no board, and nothing of one
    (disk / "filler").unlink()
    assert evalkit(tmp_path, "board", "init", "--board", place, "-c", "rules.yaml").returncode == 0
    lines = (f"r{at % 40:02d},i{at // 40},overall,{at % 5 + 1},2026-03-01T12:00:00Z" for at in range(4000))
    (tmp_path / "r.csv").write_text("\n".join(("rater_id,item_id,dimension,value,submitted_at", *lines)) + "\n")
    refused(
        evalkit(tmp_path, "ratings", "import", "r.csv", "--board", place), "no space left", str(place), "Nothing was"
    )
    with Board.open(place) as board:
        assert (board.verify(), len(board.log()), board.snapshot().answers) == ([], 1, ())
    subprocess.run(["mount", "-o", "remount,size=16m", str(disk)], check=True)
    assert evalkit(tmp_path, "ratings", "import", "r.csv", "--board", place).returncode == 0
    with Board.create(tmp_path / "same.sqlite", rules(), YAML, by="olga"):
        pass
    assert evalkit(tmp_path, "ratings", "import", "r.csv", "--board", "same.sqlite").returncode == 0
    assert states.board_content(place) == states.board_content(tmp_path / "same.sqlite")


def test_the_leaderboards_folder(tmp_path: Path, tiny_disk: Callable[[int], Path]) -> None:
    with Board.create(tmp_path / "b.sqlite", rules(), YAML, by="olga") as board:
        board.add_team("alpha", by="olga")
        board.add_run("alpha", "1", card("alpha"), by="olga")
    disk = tiny_disk(16)
    words = ("leaderboard", "--board", "b.sqlite", "--also", "csv", "--draws", "100", "-o")
    refused(evalkit(tmp_path, *words, disk / "l.html"), "no space left to write", str(disk / "l.html"), "Free some")
    assert list(disk.iterdir()) == []
    subprocess.run(["mount", "-o", "remount,size=16m", str(disk)], check=True)
    for folder in (disk, tmp_path):
        assert evalkit(tmp_path, *words, folder / "l.html").returncode == 0
    for name in ("l.html", "l.csv"):
        assert (disk / name).read_bytes() == (tmp_path / name).read_bytes()


def test_the_weights_folder(tmp_path: Path, tiny_disk: Callable[[int], Path]) -> None:
    body = noise(300_000)
    disk = tiny_disk(256)
    with serving() as server:
        server.paths["a.bin"] = Behaviour(body, etag='"a"')
        mine = manifest(tmp_path, {"one": role("a.bin", body, server.url("a.bin"))})
        words = ("weights", "pull", "-b", mine, "--accept-licence")
        done = evalkit(tmp_path, *words, EVALKIT_WEIGHTS=str(disk))
        refused(done, "no space left", str(disk), "Free some disk space")
        assert not (disk / "a.bin").exists()
        subprocess.run(["mount", "-o", "remount,size=4m", str(disk)], check=True)
        assert evalkit(tmp_path, *words, EVALKIT_WEIGHTS=str(disk)).returncode == 0
    assert (disk / "a.bin").read_bytes() == body
    assert states.leftovers(disk) == []
