"""Runs on a real Ray cluster of two nodes: the scorecard of one machine, whatever happens to a node."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from builders.ray_cluster import in_own_network
from builders.runs import decodes, events, without_timing
from ray_story import PIXELS

from evalkit.cli import main

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def story(runs, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("ray")
    words = in_own_network(sys.executable, "-m", "ray_story", str(folder), str(runs.zip), str(runs.testset))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=900, env=environment)
    assert done.returncode == 0, done.stderr[-5000:]
    return folder, json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def pixels(runs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the run on one machine with the metrics that most runs of the story have."""
    out = tmp_path_factory.mktemp("pixels")
    runs.score(out, metrics=PIXELS)
    return out


def test_the_command_scores_as_one_machine(pixels, story) -> None:
    folder, told = story
    assert told["command"]["code"] == 3, "one video is missing"
    assert without_timing(folder / "command") == without_timing(pixels)
    timing = json.loads((folder / "command" / "scorecard.json").read_text())["timing"]
    assert timing["engine"] == "ray"


def test_nodes_that_share_no_files_are_sent_everything(runs, story) -> None:
    folder, told = story
    assert told["shipped"] == {"workers": 2, "nodes": 2, "warnings": [], "left": []}
    assert without_timing(folder / "shipped") == without_timing(runs.root / "one")
    assert decodes(folder / "shipped") == decodes(runs.root / "one")


def test_a_limit_of_time_holds_on_nodes(runs, story, tmp_path: Path) -> None:
    folder, _ = story
    runs.score(tmp_path / "late", timeout=0.001, metrics=PIXELS)
    assert without_timing(folder / "late") == without_timing(tmp_path / "late")
    kinds = {line["kind"] for line in events(folder / "late", "failure").values()}
    assert kinds == {"timeout"}


def test_other_versions_are_refused_with_what_differs(story) -> None:
    _, told = story
    assert "has other versions than this machine" in told["versions"]
    assert f"python: {sys.version.split()[0]}, here 3.0.0" in told["versions"]
    assert "computes features otherwise" in told["features"]
    assert "feature paired_pixels: " in told["features"]


def test_a_process_that_dies_is_started_again(pixels, story) -> None:
    folder, told = story
    assert len(told["restarted"]["warnings"]) == 1
    assert "was lost" in told["restarted"]["warnings"][0]
    assert without_timing(folder / "restarted") == without_timing(pixels)


def test_a_node_that_dies_costs_no_video(pixels, story) -> None:
    folder, told = story
    assert told["alive"] == 1, "the node is really gone"
    assert told["lost"]["nodes"] == 2
    assert len(told["lost"]["warnings"]) == 1
    assert without_timing(folder / "lost") == without_timing(pixels)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--engine", "ray", "--address", "127.0.0.1:1"), 4, "no Ray cluster that answers"),
        (("--engine", "ray", "--device", "cuda"), 2, "processors only"),
        (("--address", "127.0.0.1:1"), 2, "Add --engine ray"),
        (("--engine", "ray", "--shard", "1/2"), 2, "leave out --engine"),
        (("--engine", "spark"), 2, "spark"),
    ],
)
def test_wrong_engines(
    runs, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], code: int, said: str
) -> None:
    command = ["score", str(runs.zip), "-c", "talking-head", "--testset", str(runs.testset), "-m", "psnr"]
    with pytest.raises(SystemExit) as ended:
        main([*command, "-b", "bundled", "-o", str(tmp_path / "out"), *words])
    assert (ended.value.code, said in capsys.readouterr().err) == (code, True)


def test_ray_is_loaded_for_its_engine_alone() -> None:
    code = "import sys, evalkit.api, evalkit.cluster.ray.engine; assert 'ray' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
