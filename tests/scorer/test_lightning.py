"""The callback of Lightning, with the package itself: loggers, monitors, modes, and two processes as one."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("pytorch_lightning")

STORY = Path(__file__).with_name("lightning_story.py")


def story(puppets, out: Path, processes: int) -> list[dict]:
    """Run the story; return what each process found."""
    out.mkdir()
    command = [sys.executable, str(STORY), str(puppets.testset.root), str(puppets.cache), str(processes), str(out)]
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=900, check=False, env=os.environ | {"PYTHONPATH": root}
    )
    assert done.returncode == 0, done.stderr[-3000:]
    files = sorted(out.glob("result-*.json"))
    assert len(files) == processes
    return [json.loads(file.read_text()) for file in files]


@pytest.fixture(scope="module")
def alone(puppets, tmp_path_factory):
    out = tmp_path_factory.mktemp("lightning") / "one"
    return out, story(puppets, out, 1)[0]


def test_scores_reach_all_loggers_and_monitors(alone):
    out, found = alone
    assert set(found["scores"]) == {
        "val/psnr.rgb",
        "val/identity.strict.arc",
        "val/fid.pytorch",
        "val/clipscore.logits100",
    }
    assert found["monitored"] == pytest.approx(found["scores"], rel=1e-6)
    with (out / "csv" / "version_0" / "metrics.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["val/psnr.rgb"]]
    assert [int(row["step"]) for row in rows] == [2, 4]
    assert float(rows[-1]["val/psnr.rgb"]) == pytest.approx(found["scores"]["val/psnr.rgb"])


def test_filmstrips_reach_tensorboard(alone):
    (events,) = (alone[0] / "tb" / "version_0").glob("events.*")
    content = events.read_bytes()
    assert content.count(b"\x89PNG") == 4  # of two samples, twice
    assert b"val/p001" in content
    assert b"val/psnr.rgb" in content


def test_two_processes_are_as_one(puppets, alone, tmp_path):
    first, second = story(puppets, tmp_path / "two", 2)
    assert first["scores"] == second["scores"] == pytest.approx(alone[1]["scores"], rel=1e-6)
    assert len(first["generated"]) == len(second["generated"]) == 4  # two of four samples each, twice
    assert not set(first["generated"]) & set(second["generated"])
    assert first["card"] == second["card"] == alone[1]["card"]
