"""After the first untrusted video, evalkit loads no more code: a worker might have changed it."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import shapes

from evalkit.board import Board
from evalkit.challenges.model import load_challenge, preset_text
from evalkit.reference_models.conversation import Conversations, write_conversations

# Runs a command; prints the modules that were imported and the files of packages that were opened once a worker ran.
WATCHED = """
import json, os, sys, sysconfig
from pathlib import Path
from evalkit.cli import cli
from evalkit.workers import process

import evalkit
ours = {str(folder.resolve()) for folder in Path(evalkit.__file__).parent.iterdir() if folder.is_dir()}
CODE = (".py", ".pyc", ".so", ".html", ".js", ".css")
places = tuple({sys.prefix, sys.base_prefix, str(Path(evalkit.__file__).resolve().parent), *ours})
before, opened = set(), []
whole = process.WorkerProcess._attempt

def attempt(child, index, job):
    child._ready()
    before.update(before and () or sys.modules)
    return whole(child, index, job)

def hook(event, arguments):
    name = arguments[0] if event == "open" and before else None
    if isinstance(name, str) and name.endswith(CODE) and os.path.realpath(name).startswith(places):
        opened.append(name)

process.WorkerProcess._attempt = attempt
sys.addaudithook(hook)
try:
    cli(sys.argv[2:], standalone_mode=False)
except SystemExit:
    pass
Path(sys.argv[1]).write_text(json.dumps([len(before), sorted(set(sys.modules) - before), opened]))
"""


def watched(folder: Path, words: list[str]) -> tuple[int, list[str], list[str]]:
    """Run a command; return how many modules there were before the first file, and what was loaded after it."""
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, str(folder / "told"), *words],
        env={**os.environ, "EVALKIT_CACHE": str(folder / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    modules, late, opened = json.loads((folder / "told").read_text())
    return modules, late, opened


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    shapes.write_testset(folder / "testset", 2, 1.0, 64)
    (folder / "zips").mkdir()
    shapes.write_submission(folder / "zips" / "team.zip", 2, 1.0, shapes.blur(1.0), 64)
    return folder


def test_nor_after_the_first_motion_file(tmp_path: Path) -> None:
    """The k-means of SID is a library of its metrics (`MetricRecord.libraries`)."""
    talks = tmp_path / "talks"
    write_conversations(Conversations(talks, count=1, seconds=4))
    with zipfile.ZipFile(tmp_path / "team.zip", "w") as archive:
        for name in ("talk0001_speaker1", "talk0001_speaker2"):
            stream = io.BytesIO()
            np.save(stream, np.random.default_rng(0).normal(size=(100, 56)).astype(np.float32))
            archive.writestr(f"{name}.npy", stream.getvalue())
    words = ["score", str(tmp_path / "team.zip"), "-c", "dualtalk", "-t", str(talks), "-o", str(tmp_path / "out")]
    modules, late, opened = watched(tmp_path, words)
    assert modules > 100
    assert (late, opened) == ([], [])


@pytest.mark.parametrize("command", ["validate", "score", "score-all"])
def test_no_code_is_loaded_after_the_first_video(world: Path, tmp_path: Path, command: str) -> None:
    given = world / "zips" if command == "score-all" else world / "zips" / "team.zip"
    words = [command, str(given), "-c", "talking-head", "--testset", str(world / "testset")]
    if command != "validate":
        words += ["-o", str(tmp_path / "out"), "-b", "bundled", "--metrics", "psnr,lse_c"]
    if command == "score-all":
        place = tmp_path / "board.sqlite"
        Board.create(place, load_challenge("talking-head"), preset_text("talking-head"), by="olga").close()
        words += ["--board", str(place), "--by", "olga"]
    modules, late, opened = watched(tmp_path, words)
    assert modules > 100
    assert late == []
    assert opened == []
