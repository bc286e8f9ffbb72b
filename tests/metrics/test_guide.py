"""The examples of docs/add-a-metric.md run as they are printed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import shapes

from evalkit.scoring.scorecard import Scorecard

GUIDE = Path(__file__).parents[2] / "docs" / "add-a-metric.md"
CODE = re.findall(r"^```python\n(.*?)^```$", GUIDE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
IDS = ("psnr.worst_frames", "sharpness.laplacian")


def evalkit(site: Path, *words: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(site)}
    command = [sys.executable, "-m", "evalkit", *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the examples as a package of two modules."""
    site = tmp_path_factory.mktemp("site")
    (site / "guide").mkdir()
    for name, code in zip(("over_a_feature", "with_a_feature"), CODE, strict=True):
        (site / "guide" / f"{name}.py").write_text(code, encoding="utf-8")
    info = site / "guide-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: guide\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[evalkit.metrics]\none = guide.over_a_feature:METRICS\ntwo = guide.with_a_feature:METRICS\n"
        "[evalkit.features]\ntwo = guide.with_a_feature:FEATURES\n"
    )
    return site


@pytest.mark.parametrize("code", CODE, ids=IDS)
def test_an_example_is_short(code: str) -> None:
    assert len(code.splitlines()) < 60


def test_the_record_comes_from_the_declaration(site: Path) -> None:
    record = json.loads(evalkit(site, "metrics", "show", IDS[0], "--json"))["metric"]
    assert record["summary"] == "The PSNR that 95 % of the frames exceed."
    assert record["definition"].startswith("1. PSNR of each frame")
    assert record["options"] == {"quantile": 0.05}


def test_the_examples_score_a_video(site: Path, tmp_path: Path) -> None:
    testset = shapes.write_testset(tmp_path / "testset", 1, 1.0, 96)
    archive = shapes.write_submission(tmp_path / "team.zip", 1, 1.0, shapes.unchanged, 96)
    words = ["score", str(archive), "-c", "talking-head", "--testset", str(testset), "--workers", "1", "--quiet"]
    words += ["--cache", str(tmp_path / "cache"), "-m", ",".join(IDS), "-o", str(tmp_path / "out")]
    evalkit(site, *words)
    card = Scorecard.load(tmp_path / "out")
    (video,) = card.videos
    assert video.values["sharpness.laplacian"] > 0
    assert video.values["psnr.worst_frames"] is None or video.values["psnr.worst_frames"] > 30
    assert card.features["laplacian"].options == {"sampling": "rate-5", "scale": 0.5}
