"""Links that somebody planted under the names of outputs: nothing is written through them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from evalkit.errors import EvalkitError, StorageError
from evalkit.files import write_text
from evalkit.reports.page import write_page
from evalkit.scoring.journal import Journal
from evalkit.weights.records import locked

PRECIOUS = "not to be touched"


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    """Return a file that links lead to."""
    (tmp_path / "precious").write_text(PRECIOUS)
    return tmp_path / "precious"


def test_the_log_of_a_run_is_not_written_through_a_link(tmp_path: Path, precious: Path) -> None:
    (tmp_path / "out").mkdir()
    for target in (precious, tmp_path / "new", tmp_path / "out"):
        link = tmp_path / "out" / "log.jsonl"
        link.symlink_to(target)
        with pytest.raises(StorageError, match="symbolic link"):
            Journal(link)
        link.unlink()
    assert precious.read_text() == PRECIOUS
    assert not (tmp_path / "new").exists()
    journal = Journal(tmp_path / "out" / "log.jsonl")  # a file of before is emptied and used again
    journal.event("one")
    journal.close()
    assert (tmp_path / "out" / "log.jsonl").read_text().startswith('{"event": "one"')


@pytest.mark.parametrize("write", [write_text, lambda path, text: write_page(text, path)], ids=["text", "page"])
@pytest.mark.parametrize("name", ["scorecard.json", "report.html", "leaderboard.html", "per_video.csv"])
def test_other_outputs_take_the_place_of_a_link(
    tmp_path: Path, precious: Path, name: str, write: Callable[[Path, str], object]
) -> None:
    (tmp_path / name).symlink_to(precious)
    write(tmp_path / name, "new")
    assert precious.read_text() == PRECIOUS
    assert (tmp_path / name).read_text() == "new"
    assert not (tmp_path / name).is_symlink()


def test_locks_are_not_made_through_links(tmp_path: Path, precious: Path) -> None:
    folder = tmp_path / "weights"
    (folder / ".locks").mkdir(parents=True)
    (folder / ".locks" / "x.lock").symlink_to(precious)
    with pytest.raises(EvalkitError), locked(folder, "x"):
        pass
    assert precious.read_text() == PRECIOUS
