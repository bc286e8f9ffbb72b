"""Six small submissions: three whole ones, one with a missing video, a hostile one, and one that is no ZIP."""

from __future__ import annotations

import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import shapes

from evalkit import api
from evalkit.batch.result import BatchResult

SAMPLES, SECONDS, SIZE = 3, 0.4, 64
WHOLE = ("alpha", "beta", "gamma")


@dataclass(frozen=True)
class Night:
    """Where the inputs lie; nobody may change them."""

    testset: Path
    zips: Path

    def copy(self, place: Path, *names: str) -> Path:
        """Return a folder of its own with some of the submissions; all without names."""
        folder = place / "zips"
        folder.mkdir()
        for file in sorted(self.zips.iterdir()):
            if not names or file.stem in names:
                shutil.copy(file, folder)
        return folder

    def score_all(self, submissions: Path, place: Path, **options: Any) -> BatchResult:
        """Score with a cache in ``place``, into ``place/out``."""
        settings = {"metrics": ["psnr", "ssim"], "workers": 2, "cache": place / "cache", **options}
        return api.score_all(submissions, "talking-head", self.testset, place / "out", **settings)


@pytest.fixture(scope="session")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    root = tmp_path_factory.mktemp("night")
    made = Night(shapes.write_testset(root / "testset", SAMPLES, SECONDS, SIZE), root / "zips")
    made.zips.mkdir()
    for number, name in enumerate(WHOLE, 1):
        shapes.write_submission(made.zips / f"{name}.zip", SAMPLES, SECONDS, shapes.blur(0.5 * number), SIZE)
    whole = shapes.write_submission(root / "whole.zip", SAMPLES, SECONDS, shapes.blur(3.0), SIZE)
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(made.zips / "missing.zip", "w") as target:
        for member in source.infolist()[1:]:
            target.writestr(member, source.read(member))
    with zipfile.ZipFile(made.zips / "hostile.zip", "w") as target:
        target.writestr("../../d01.mp4", b"out of the folder")
        target.writestr("d02.mp4", bytes(1_000_000), zipfile.ZIP_DEFLATED)
    (made.zips / "refused.zip").write_bytes(b"PK\3\4 and no ZIP")
    return made
