"""What a process that was killed leaves behind, and that the next one removes it: each kill at one chosen moment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from board_tools import YAML, rules
from weights_server import manifest, role

from evalkit.board import Board
from evalkit.cli import main
from evalkit.errors import InputError
from evalkit.files import OwnFolder, part_beside, sweep_folders, sweep_parts, write_text

ROOT = Path(__file__).parents[2]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@contextmanager
def another(program: str, *words: object) -> Iterator[subprocess.Popen[str]]:
    """Run ``program`` until it prints a line; kill it at the end of the block."""
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests")))}
    process = subprocess.Popen(
        [sys.executable, "-c", program, *map(str, words)], stdout=subprocess.PIPE, text=True, env=variables
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "inside\n"
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)


WRITING = """
import sys, time
from pathlib import Path
from evalkit.files import atomic_write
with atomic_write(Path(sys.argv[1])) as stream:
    stream.write(b"half")
    stream.flush()
    print("inside", flush=True)
    time.sleep(600)
"""


def test_a_writer_that_was_killed_leaves_nothing_for_long(tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    write_text(path, "old")
    (tmp_path / ".other.json.0123abcd.part").write_bytes(b"")
    (tmp_path / ".card.json.txt.part").write_bytes(b"")
    kept = names(tmp_path)
    with another(WRITING, path):
        (part,) = set(names(tmp_path)) - set(kept)
        write_text(path, "meanwhile")  # what somebody still writes stays
        assert part in names(tmp_path)
    assert part in names(tmp_path)
    assert path.read_text() == "meanwhile"
    write_text(path, "new")
    assert names(tmp_path) == kept
    assert path.read_text() == "new"


def test_a_part_that_is_a_link_or_a_folder_is_left_alone(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("kept")
    (tmp_path / ".a.0123abcd.part").symlink_to(precious)
    (tmp_path / ".a.89abcdef.part").mkdir()
    write_text(tmp_path / "a", "text")
    assert precious.read_text() == "kept"
    assert (tmp_path / ".a.89abcdef.part").is_dir()


MAKING = """
import sys, time
from pathlib import Path
from evalkit.files import part_beside
with part_beside(Path(sys.argv[1])) as part:
    for name in (part, part.with_name(part.name + "-wal")):
        name.write_bytes(b"half")
    print("inside", flush=True)
    time.sleep(600)
"""


def test_what_other_libraries_write_goes_with_its_companions(tmp_path: Path) -> None:
    path = tmp_path / "b.sqlite"
    with another(MAKING, path):
        sweep_parts(path)
        assert len(names(tmp_path)) == 3
    sweep_parts(path)
    assert names(tmp_path) == []
    with part_beside(path) as part:
        assert not part.exists()
        part.write_bytes(b"x")
        part.with_name(part.name + "-shm").write_bytes(b"x")
    assert names(tmp_path) == []


HOLDING = """
import sys, time
from evalkit.files import OwnFolder
folder = OwnFolder("evalkit-test-")
(folder.path / "video").write_bytes(b"x")
print("inside", flush=True)
time.sleep(600)
"""


def test_temporary_folders_of_a_killed_process_are_swept_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "evalkit-testament").mkdir()
    mine = OwnFolder("evalkit-test-")
    with another(HOLDING):
        sweep_folders("evalkit-test-")
        assert len(names(tmp_path)) == 3
    sweep_folders("evalkit-test-")
    assert names(tmp_path) == sorted(["evalkit-testament", mine.path.name])
    mine.remove()
    mine.remove()
    assert names(tmp_path) == ["evalkit-testament"]


CREATING = """
import os, signal, sys
sys.path.insert(0, "tests")
from board_tools import YAML, rules
from evalkit.board import Board
class Deadly(dict):
    def items(self):
        print("inside", flush=True)
        os.kill(os.getpid(), signal.SIGSTOP)
Board.create(sys.argv[1], rules(), YAML, by="olga", reference=Deadly(s1=[b"x"]))
"""


def test_a_board_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    """Killed when the rules are written and the pictures are not: a second try makes the same board as the first."""
    place = tmp_path / "b.sqlite"
    with another(CREATING, place):
        assert not place.exists()
        with Board.create(tmp_path / "other.sqlite", rules(), YAML, by="olga"):
            pass
    assert not place.exists()
    assert len(names(tmp_path)) > 1
    picture = b"\xff\xd8\xff\xe0 a picture"
    with Board.create(place, rules(), YAML, by="olga", reference={"s1": [picture]}) as board:
        assert names(tmp_path) == ["b.sqlite", "other.sqlite"]
        assert board.snapshot().reference == {"s1": (picture,)}
        assert [entry.action for entry in board.log()] == ["init", "set-reference"]
        assert board.verify() == []
    with pytest.raises(InputError, match="There is a board"):
        Board.create(place, rules(), YAML, by="olga")
    assert names(tmp_path) == ["b.sqlite", "other.sqlite"]


def test_an_empty_file_of_a_killed_older_version_becomes_a_board(tmp_path: Path) -> None:
    place = tmp_path / "b.sqlite"
    place.write_bytes(b"")
    with Board.create(place, rules(), YAML, by="olga") as board:
        assert board.verify() == []
    assert names(tmp_path) == ["b.sqlite"]


def test_members_leave_together_or_not_at_all(tmp_path: Path) -> None:
    with Board.create(tmp_path / "b.sqlite", rules(), YAML, by="olga") as board:
        board.add_team("alpha", ["p1", "p2", "p3"], by="olga")
        with pytest.raises(InputError, match="'p9' is not in the team"):
            board.remove_members("alpha", ["p1", "p9"], by="olga")
        assert board.snapshot().teams[0].members == ("p1", "p2", "p3")
        board.remove_members("alpha", ["p3", "P1"], by="olga", why="moved")
        assert board.snapshot().teams[0].members == ("p2",)
        details = dict(board.log()[-1].details)
        assert (details["members"], details["why"]) == (["p3", "p1"], "moved")
        assert board.verify() == []


@pytest.mark.parametrize("in_archive", [False, True])
def test_a_pull_killed_after_its_last_rename_is_tidied_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_archive: bool
) -> None:
    """The file has its name; the note of it, or the whole archive it came in, still lies among the unfinished."""
    folder = tmp_path / "weights"
    monkeypatch.setenv("EVALKIT_WEIGHTS", str(folder))
    url = "http://127.0.0.1:9/never"  # nothing has to be fetched
    entry = role("a.bin", b"weights", **({"archive": "p.zip"} if in_archive else {"urls": [url]}))
    more = {"archives": {"p.zip": {"urls": [url], "sha256": "0" * 64, "bytes": 9}}} if in_archive else {}
    mine = manifest(tmp_path, {"one": entry}, **more)
    (folder / ".parts").mkdir(parents=True)
    (folder / "a.bin").write_bytes(b"weights")
    left = ("a.bin.json", "p.zip", "p.zip.json") if in_archive else ("a.bin.json",)
    for name in (*left, "unrelated.bin"):
        (folder / ".parts" / name).write_bytes(b"{}")
    with pytest.raises(SystemExit) as stop:
        main(["weights", "pull", "-b", str(mine), "--accept-licence", "--quiet"])
    assert stop.value.code == 0
    assert names(folder / ".parts") == ["unrelated.bin"]
    assert (folder / "a.bin").read_bytes() == b"weights"


def test_the_note_of_a_file_that_somebody_fetches_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from evalkit.weights.records import locked

    folder = tmp_path / "weights"
    monkeypatch.setenv("EVALKIT_WEIGHTS", str(folder))
    mine = manifest(tmp_path, {"one": role("a.bin", b"weights")})
    (folder / ".parts").mkdir(parents=True)
    (folder / "a.bin").write_bytes(b"weights")
    (folder / ".parts" / "a.bin.json").write_bytes(b"{}")
    started = time.monotonic()
    with locked(folder, "a.bin"), pytest.raises(SystemExit) as stop:
        main(["weights", "pull", "-b", str(mine), "--accept-licence", "--quiet"])
    assert (stop.value.code, names(folder / ".parts")) == (0, ["a.bin.json"])
    assert time.monotonic() - started < 60  # it does not wait for the other one
