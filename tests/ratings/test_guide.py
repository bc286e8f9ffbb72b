"""The format of docs/add-a-rating-format.md reads files as the guide says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from evalkit.ratings.cell_reader import Context
from evalkit.ratings.formats.base import RatingFormat, look
from evalkit.registry import PluginGroup, load_group

GUIDE = Path(__file__).parents[2] / "docs" / "add-a-rating-format.md"
LINES = """{"annotator": "r01", "video": "v1", "time": "2026-03-01T10:00:00Z", "scores": {"quality": 4, "sync": "x"}}
{"annotator": "r02", "video": "v1", "scores": {"quality": 5}}
{"annotator": "", "video": "v2", "scores": {"quality": 1}}
"""


@pytest.fixture
def acme() -> RatingFormat:
    block = re.search(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert block is not None
    namespace: dict[str, Any] = {"__name__": "acme"}
    exec(compile(block[1], str(GUIDE), "exec"), namespace)
    found = namespace["FORMAT"]
    assert isinstance(found, RatingFormat)
    return found


def test_the_example_reads_its_tools_file(acme: RatingFormat, tmp_path: Path) -> None:
    path = tmp_path / "export.jsonl"
    path.write_text(LINES, encoding="utf-8")
    context = Context(path.name)
    assert acme.detect(look(path), context)
    ratings = list(acme.read(path, context))
    found = [(rating.rater, rating.item, rating.dimension, rating.value, rating.row) for rating in ratings]
    assert found == [("r01", "v1", "quality", 4.0, 1), ("r02", "v1", "quality", 5.0, 2)]
    assert ratings[0].at is not None
    assert ratings[1].at is None
    assert context.faults.count == 2  # a score that is not a number, a missing rater


def test_the_example_leaves_other_files_alone(acme: RatingFormat, tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_text("rater,item,dimension,value\nr01,v1,quality,4\n", encoding="utf-8")
    assert not acme.detect(look(path), Context(path.name))


def test_the_scan_finds_the_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    block = re.search(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert block is not None
    package = tmp_path / "more_formats"
    package.mkdir()
    (package / "acme.py").write_text(block[1], encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    [(origin, found)] = load_group(PluginGroup("evalkit.rating_formats", "FORMAT", "more_formats"))
    assert (found.name, found.order, found.json) == ("acme", 25, True)
    assert "more_formats.acme" in origin
