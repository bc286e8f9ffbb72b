"""A notebook that Jupyter runs: tables and plots are what its cells show."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from builders.board_shell import RULES, Shell, filled
from pages import Page
from scorecards import make_scorecard

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")
pytest.importorskip("matplotlib")

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "notebooks.md"
CELLS = (
    "import evalkit\ncard = evalkit.Scorecard.load('scorecard.json')\ncard",
    "card.to_pandas('long').head(3)",
    "evalkit.plot.distributions(card, 'psnr')",
    "from evalkit.batch.result import BatchResult\n"
    "BatchResult(evalkit.load_challenge('talking-head'), 'out', ())",
)  # fmt: skip


def run(folder: Path, cells: Sequence[str]) -> list[list[Any]]:
    """Run a notebook in ``folder`` and return the outputs of each cell; an error in a cell is one of the test."""
    kernel = {"display_name": "Python", "language": "python", "name": "python3"}
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(text) for text in cells], metadata={"kernelspec": kernel}
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("IPYTHONDIR", str(folder / "ipython"))
        patch.setenv("JUPYTER_CONFIG_DIR", str(folder / "config"))
        client = nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}})
        client.execute()
    return [list(cell.outputs) for cell in notebook.cells]


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> list[list[Any]]:
    folder = tmp_path_factory.mktemp("notebook")
    (folder / "scorecard.json").write_text(make_scorecard(30, 1, hostile=True).to_json())
    return run(folder, CELLS)


def test_a_scorecard_shows_its_table(outputs: list[list[Any]]) -> None:
    (shown,) = outputs[0]
    page = Page(shown["data"]["text/html"])
    assert page.find("caption")[0]["text"] == "Metrics of the whole submission"
    assert "<script>" not in shown["data"]["text/html"]
    assert shown["data"]["text/plain"].startswith("<Scorecard: ")  # where HTML can't be shown


def test_pandas_shows_its_own_table(outputs: list[list[Any]]) -> None:
    (shown,) = outputs[1]
    assert "reason" in shown["data"]["text/html"]


def test_a_plot_is_shown_without_an_import_of_pyplot(outputs: list[list[Any]]) -> None:
    pictures = [one for one in outputs[2] if "image/png" in one.get("data", {})]
    assert len(pictures) == 1
    data = base64.b64decode(pictures[0]["data"]["image/png"])
    assert data.startswith(b"\x89PNG")
    width = int.from_bytes(data[16:20], "big")
    assert width > 300


def test_a_batch_shows_itself(outputs: list[list[Any]]) -> None:
    (shown,) = outputs[3]
    assert "0 submissions to talking-head" in Page(shown["data"]["text/html"]).find("p")[0]["text"]


def test_the_guide_runs_as_it_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shell = Shell(tmp_path, capsys)
    monkeypatch.setenv("EVALKIT_BOARD", str(shell.board))
    monkeypatch.setenv("EVALKIT_BY", "organizer")
    shell("board", "init", "--challenge", shell.write("c.yaml", RULES))
    filled(shell)
    for at, name in enumerate(("lumen", "baseline")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "scorecard.json").write_text(make_scorecard(20, at).to_json())
    shell.write("train.csv", "step,psnr\n0,25.5\n1000,\n2000,28.25\n")
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), flags=re.DOTALL)
    shown = run(tmp_path, blocks)
    html = [one["data"]["text/html"] for cell in shown for one in cell if "text/html" in one.get("data", {})]
    captions = [Page(one).find("caption")[0]["text"] for one in html if "evalkit-out" in one]
    assert captions == ["Metrics of the whole submission", "Runs, best first"]
    pictures = [sum("image/png" in one.get("data", {}) for one in cell) for cell in shown]
    assert pictures == [0, 0, 1, 1, 1, 0, 2, 1]
    assert (tmp_path / "training.png").stat().st_size > 5000
    assert (tmp_path / "both.png").stat().st_size > 5000
