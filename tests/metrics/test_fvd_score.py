"""FVD and KVD of real clips from the command line, with random weights in a TorchScript program."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest
from i3d_checkpoint import random_i3d, write_checkpoint, write_program

from evalkit.metrics.distances.distributions import frechet_from_features, whole_kernel_distance
from evalkit.metrics.networks.i3d_clips import StateDictI3D
from evalkit.scoring.scorecard import Scorecard

pytestmark = pytest.mark.shared
SAMPLES = 3
MANIFEST = """\
name: random-i3d
title: random weights
roles:
  i3d: {{file: i3d.pt, sha256: {}, options: {{format: torchscript}}, licence: none}}
"""


@dataclass
class World:
    """Where things are, and how the command line is called."""

    folder: Path
    data: Path

    def run(self, name: str, cache: str, workers: int) -> subprocess.CompletedProcess[str]:
        words = ["score", str(self.data / "submissions" / f"{name}.zip"), "-c", "talking-head", "-m", "fvd,kvd"]
        words += ["--testset", str(self.data / "testset"), "-b", str(self.folder / "backbones.yaml"), "--quiet"]
        words += ["--limit", str(SAMPLES), "--workers", str(workers), "-o", str(self.folder / f"{name}-{cache}")]
        environment = {
            **os.environ,
            "EVALKIT_WEIGHTS": str(self.folder),
            "EVALKIT_CACHE": str(self.folder / cache),
        }
        return subprocess.run(
            [sys.executable, "-m", "evalkit", *words], env=environment, capture_output=True, text=True, check=False
        )

    def score(self, name: str, cache: str, workers: int) -> Scorecard:
        done = self.run(name, cache, workers)
        assert done.returncode == 0, done.stderr
        return Scorecard.load(self.folder / f"{name}-{cache}")


@pytest.fixture(scope="module")
def world(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("fvd")
    network = random_i3d()
    write_checkpoint(folder / "state.pt", network)
    _, digest = write_program(folder / "i3d.pt", network)
    (folder / "backbones.yaml").write_text(MANIFEST.format(digest))
    return World(folder, shared / "data" / "talking-heads")


def logits(world: World, paths: list[Path]) -> np.ndarray:
    network = StateDictI3D(world.folder / "state.pt")
    rows = []
    for path in paths:
        with av.open(str(path)) as container:
            frames = container.decode(video=0)
            clip = [network.prepare(next(frames).to_ndarray(format="rgb24")) for _ in range(16)]
        rows.append(network.embed(clip))
    return np.stack(rows)


def test_scores_from_the_command_line(world, tmp_path):
    one = world.score("blurred", "one", workers=1)
    subprocess.run(
        [sys.executable, "-m", "zipfile", "-e", str(world.data / "submissions" / "blurred.zip"), str(tmp_path)],
        check=True,
    )
    references = sorted((world.data / "testset" / "videos").glob("*.mp4"))[:SAMPLES]
    X, Y = logits(world, [tmp_path / path.name for path in references]), logits(world, references)
    expected = {
        "fvd.styleganv": frechet_from_features(X, Y, ddof=0),
        "kvd.styleganv": whole_kernel_distance(X, Y),
    }
    assert set(one.metrics) == set(expected)
    for name, value in expected.items():
        score = one.metrics[name]
        # The program and the written-out network agree to within their own rounding, colours to within FFmpeg's flags.
        assert score.value == pytest.approx(value, rel=1e-3)
        assert (score.n, score.coverage, score.details["dimension"]) == (SAMPLES, 1.0, 400)

    two = world.score("blurred", "two", workers=2)
    for name, score in one.metrics.items():
        assert two.metrics[name].value == pytest.approx(score.value, rel=1e-6)
        assert two.metrics[name].ci95 == pytest.approx(score.ci95, rel=1e-6)

    # Another team: the references come from the cache, and a video like its reference is nearer.
    faithful = world.score("faithful", "one", workers=1)
    assert "i3d" in faithful.timing["extractors"]
    assert "i3d_reference" not in faithful.timing["extractors"]
    assert faithful.metrics["fvd.styleganv"].value < one.metrics["fvd.styleganv"].value


def test_a_program_that_is_not_the_pinned_one_stops_the_run(world):
    path = world.folder / "i3d.pt"
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    try:
        done = world.run("faithful", "other", workers=1)
    finally:
        path.write_bytes(content)
    assert done.returncode == 4
    assert "not the pinned one" in " ".join(done.stderr.split())
