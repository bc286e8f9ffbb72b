"""Runs that are killed, interrupted, or lose a worker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from builders.processes import children, eventually
from builders.runs import decodes, events, run, values, without_timing

from evalkit.progress import Progress
from evalkit.scoring.scorecard import Scorecard

SLOW = """
import os
import time
from pathlib import Path

import numpy as np

from evalkit.metrics.base import Metric, MetricRecord, VideoValue
from evalkit.metrics.features.base import Extractor, FeatureRecord, Session


class WaitingSession(Session):
    def __init__(self, sample):
        self.sample = sample

    def finish(self):
        while self.sample >= "d03" and not Path(os.environ["SLOW_GO"]).exists():
            time.sleep(0.05)
        return {"number": np.array(float(self.sample[1:]))}


class WaitingExtractor(Extractor):
    record = FeatureRecord("waiting", 1, "waits")

    def open(self, item, upstream):
        return WaitingSession(item.sample)


class WaitingMetric(Metric):
    record = MetricRecord(
        id="waiting.number",
        title="N",
        summary="Waits.",
        higher_is_better=True,
        features=("waiting",),
        citation="none",
    )

    def compute(self, features):
        return VideoValue(float(features["waiting"]["number"]))


METRICS = (WaitingMetric(),)
"""


@pytest.fixture
def slow(tmp_path, monkeypatch):
    """Install a plugin whose feature of d03 and d04 is ready only when somebody says so; return how to say so."""
    site = tmp_path / "site"
    info = site / "slow_plugin-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: slow-plugin\nVersion: 1.0\n")
    (site / "slow_plugin.py").write_text(SLOW)
    (info / "entry_points.txt").write_text(
        "[evalkit.metrics]\nslow = slow_plugin:METRICS\n[evalkit.features]\nslow = slow_plugin:WaitingExtractor\n"
    )
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(site))
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setenv("SLOW_GO", str(tmp_path / "go"))
    return tmp_path / "go"


def command(world: Any, out: Path, cache: Path) -> list[str]:
    words = ["-c", "talking-head", "--testset", str(world.testset), "-m", "psnr,ssim,waiting.number", "--workers", "1"]
    words += ["-o", str(out), "--cache", str(cache), "--quiet"]
    return [sys.executable, "-m", "evalkit", "score", str(world.zip), *words]


def test_a_run_that_was_killed_goes_on_where_it_stopped(world, tmp_path, slow):
    straight, broken = tmp_path / "straight", tmp_path / "broken"
    process = subprocess.Popen(command(world, broken, tmp_path / "cache"), stderr=subprocess.PIPE)

    def two_are_done() -> bool:
        return (broken / "log.jsonl").exists() and len((broken / "log.jsonl").read_text().splitlines()) >= 2

    try:
        reached = eventually(two_are_done)
        os.kill(process.pid, signal.SIGKILL)
    finally:
        process.kill()
        _, error = process.communicate()
    assert reached, error
    assert {path.name for path in broken.iterdir()} == {"log.jsonl"}
    assert decodes(broken) == {"d01": 1, "d02": 1}
    copies = tmp_path / "temporary"
    assert eventually(lambda: list(copies.glob("evalkit*/*")) == [])  # not even copies of the videos

    slow.touch()
    again = subprocess.run(command(world, broken, tmp_path / "cache"), capture_output=True, check=False)
    assert again.returncode == 0, again.stderr
    assert decodes(broken) == {"d01": 0, "d02": 0, "d03": 1, "d04": 1}
    assert list(copies.glob("evalkit*")) == []  # the workers of the killed run could empty their folders only
    undisturbed = subprocess.run(command(world, straight, tmp_path / "cache-2"), capture_output=True, check=False)
    assert undisturbed.returncode == 0, undisturbed.stderr
    assert set(decodes(straight).values()) == {1}
    assert without_timing(broken) == without_timing(straight)
    assert Scorecard.load(broken).metrics["waiting.number"].value == 2.5


class Impatient(Progress):
    """Gives up after the first video, as somebody does who presses Ctrl-C."""

    def advance(self, count: int = 1) -> None:
        raise KeyboardInterrupt


def test_whoever_gives_up_leaves_no_worker_behind(world, tmp_path):
    before = children(os.getpid())
    with pytest.raises(KeyboardInterrupt) as caught:
        run(world, tmp_path, workers=2, progress=Impatient())
    assert children(os.getpid()) <= before  # although the exception, and with it the loop's frame, is still held
    assert caught.value is not None
    assert not (tmp_path / "scorecard.json").exists()


def test_a_worker_that_dies_costs_its_video(world, straight, tmp_path, monkeypatch):
    """The worker is killed by a plugin in the middle of d02; the others are as ever."""
    site = tmp_path / "site"
    info = site / "deadly-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "deadly.py").write_text(
        SLOW.replace("while self.sample", "if self.sample == 'd02': os._exit(9)\n        while self.sample")
    )
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: deadly\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[evalkit.metrics]\nslow = deadly:METRICS\n[evalkit.features]\nslow = deadly:WaitingExtractor\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(site))
    monkeypatch.setenv("SLOW_GO", str(site))
    done = subprocess.run(command(world, tmp_path / "out", tmp_path / "cache"), capture_output=True, check=False)
    assert done.returncode == 3, done.stderr
    card = Scorecard.load(tmp_path / "out")
    lost = card.videos[1]
    assert (lost.sample, lost.verdict, set(lost.reasons.values())) == (
        "d02",
        "error",
        {"invalid:content.reading-crashed"},
    )
    assert lost.findings[0]["found"] == "ended with code 9"
    for row in card.videos:
        if row.sample != "d02":
            assert row.values["psnr.rgb"] == values(straight[1])[row.sample]["psnr.rgb"]
    assert events(tmp_path / "out", "failure")["d02"]["kind"] == "crashed"
