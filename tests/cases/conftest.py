"""Small inputs that people's tools stumbled over, run as a user runs them; ``pytest tests/cases`` runs them all."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from evalkit.scoring.scorecard import Scorecard


@dataclass(frozen=True)
class Case:
    """A copy of a case's folder, and the command line that runs in it."""

    folder: Path

    def run(self, *words: str, code: int | None = 0) -> str:
        """Run evalkit in the folder; return what it printed, and check its exit code unless that is ``None``."""
        done = subprocess.run(
            [sys.executable, "-m", "evalkit", *map(str, words)],
            cwd=self.folder,
            env=os.environ | {"COLUMNS": "500"},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        said = done.stdout + done.stderr
        assert "Traceback" not in said, said
        assert code is None or done.returncode == code, said
        return said

    def score(self, submission: str, *words: str, testset: str = "ts", code: int | None = 0) -> Scorecard:
        """Score a submission with the bundled networks; return its scorecard."""
        out = f"out-{submission}-{testset}"
        self.run(
            "score", submission, "-c", "ch.yaml", "--testset", testset, "-o", out, "-b", "bundled", *words, code=code
        )
        return Scorecard.load(self.folder / out)


@pytest.fixture
def case(request: pytest.FixtureRequest, shared: Path, tmp_path: Path) -> Case:
    """Return a copy of the case that the module names in ``CASE``, or the test in the marker's place by parameter."""
    name = getattr(request, "param", None) or request.module.CASE
    source = shared / "data" / "cases" / name
    assert source.is_dir(), f"the case {name} is not there"
    folder = tmp_path / name
    shutil.copytree(source, folder)
    return Case(folder)
