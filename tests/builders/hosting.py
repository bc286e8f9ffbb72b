"""Bundles for tests, and the folders and the steps with which Codabench runs a scoring program."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from evalkit.challenges.model import preset_ids
from evalkit.hosting.bundle import Choices, read_choices

RULES = """\
id: faces
title: Clear Faces 2026
submission: {layouts: ["{id}.mp4"], runs: {max: 3}, video: {min_frames: 2}}
metrics:
  - {id: video.fps, rank: false, group: diagnostic}
  - {id: psnr.rgb, range: [10, 50], weight: 3}
  - {id: ssim.gray, range: [0, 1], weight: 1, published_as: Structure}
ranking: weighted-sum
schedule:
  - {id: development, opens: 2026-03-01 UTC, closes: 2026-03-10 UTC}
  - {id: final, opens: 2026-03-11T02:00:00+02:00, closes: 2026-03-20 AoE}
"""
RANKED_BY_IMPORTED_FILES = {"lip-to-speech", "lip-to-speech-video"}
INSTALLED = {**os.environ, "PYTHONUNBUFFERED": "1"}


def hostable_presets() -> list[str]:
    """Return the presets that a platform can score: the others rank by files that other programs made."""
    return [name for name in preset_ids() if name not in RANKED_BY_IMPORTED_FILES]


def choices(folder: Path, rules: str = RULES, testset: Path | None = None, **others: object) -> Choices:
    """Return the choices for a challenge of this text; its file lies in ``folder``."""
    file = folder / "challenge.yaml"
    file.write_text(rules, encoding="utf-8")
    return read_choices(str(file), "bundled", testset, **others)


@dataclass(frozen=True)
class Finished:
    """What a scoring program left: exit code, what it printed, the folder of its output."""

    code: int
    printed: str
    output: Path


def unzip(archive: Path, into: Path) -> Path:
    """Unpack a ZIP as the platform does."""
    into.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(into)
    return into


def codabench_folders(root: Path, bundle: Path, submission: Path) -> Path:
    """Lay out what a worker mounts at /app, for a submission of results: its copy gets a file ``metadata``."""
    competition = unzip(bundle, root / "competition")
    app = root / "app"
    unzip(competition / "scoring_program.zip", app / "program")
    unzip(competition / "reference_data.zip", app / "input" / "ref")
    if zipfile.is_zipfile(submission):
        unzip(submission, app / "input" / "res")
    else:
        shutil.copytree(submission, app / "input" / "res")
    (app / "input" / "res" / "metadata").write_text("elapsedTime: null\nexitCode: null\n")
    (app / "output").mkdir(parents=True)
    return app


def run_codabench(app: Path, environment: dict[str, str] | None = None) -> Finished:
    """Run the command of ``metadata.yaml`` as the platform does, with another root than /app."""
    import yaml

    command = yaml.safe_load((app / "program" / "metadata.yaml").read_text())["command"]
    words = [
        str(app / word.removeprefix("/app/")) if word.startswith("/app/") else word for word in shlex.split(command)
    ]
    assert words[0] == "python3"
    done = subprocess.run(
        [sys.executable, *words[1:]],
        cwd=app / "program",
        env={**INSTALLED, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=600,
    )
    return Finished(done.returncode, done.stdout, app / "output")
