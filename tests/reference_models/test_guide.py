"""The example of docs/add-a-generator.md runs as it is printed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from evalkit.media.decode import iter_frames
from evalkit.testsets.model import TestSet

GUIDE = (Path(__file__).parents[2] / "docs" / "add-a-generator.md").read_text(encoding="utf-8")
(CODE,) = re.findall(r"^```python\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Install the example as a package of one module."""
    site = tmp_path / "site"
    (site / "mypackage").mkdir(parents=True)
    (site / "mypackage" / "zoom.py").write_text(CODE, encoding="utf-8")
    info = site / "mypackage-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mypackage\nVersion: 1\n")
    (entry_point,) = re.findall(r'^zoom = "(.*)"$', GUIDE, re.MULTILINE)
    (info / "entry_points.txt").write_text(f"[evalkit.generators]\nzoom = {entry_point}\n")
    return site


def test_the_example_generates_a_submission(site: Path, puppets: TestSet, tmp_path: Path) -> None:
    (line,) = re.findall(r"^evalkit (baseline run .*)$", GUIDE, re.MULTILINE)
    words = [{"testset/": str(puppets.root), "zoom.zip": str(tmp_path / "zoom.zip")}.get(w, w) for w in line.split()]
    command = [sys.executable, "-m", "evalkit", *words, "--limit", "1", "--workers", "1", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(site)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (sample,) = json.loads(done.stdout)["made"]
    with zipfile.ZipFile(tmp_path / "zoom.zip") as archive:
        archive.extract(f"{sample}.mp4", tmp_path)
    frames = list(iter_frames(tmp_path / f"{sample}.mp4"))
    assert len(frames) == 30
    assert np.abs(frames[0].astype(int) - frames[-1].astype(int)).mean() > 3
