"""A night with three kills at random moments ends as a night without, and decodes next to nothing twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from batch.killing import run_with_kills
from builders.runs import without_timing

NAMES = ("alpha", "beta", "gamma", "missing")
READ = 11  # three videos of three, and two of the one that lacks one
WORKERS, KILLS = 2, 3


@pytest.mark.parametrize("seed", [0, 1])
def test_nothing_is_decoded_twice_but_what_was_under_way(night: Any, tmp_path: Path, seed: int) -> None:
    words = [
        "score-all", str(night.zips), "-c", "talking-head", "--testset", str(night.testset), "-m", "psnr,ssim",
        "-o", "out", "--cache", "cache", "-w", str(WORKERS), "--quiet",
    ]  # fmt: skip
    found = run_with_kills(words, tmp_path, tmp_path / "out", READ, KILLS, 1.0, seed)
    assert found.killed >= 1
    assert set.union(*map(set, found.finished)) <= {"alpha", "beta", "gamma", "missing"}
    assert found.code == 1  # two are refused
    assert sum(found.decodes.values()) <= READ + WORKERS * found.killed
    # What a log tells is in the cache by then, so nothing that it tells may be told again.
    assert set(found.decodes.values()) <= {0, 1}
    expected = night.score_all(night.zips, tmp_path / "undisturbed")
    assert {one.entry.name: one.state for one in expected.outcomes if one.metrics} == {
        "alpha": "scored", "beta": "scored", "gamma": "scored", "missing": "partly scored"
    }  # fmt: skip
    for name in NAMES:
        killed, whole = tmp_path / "out" / name, tmp_path / "undisturbed" / "out" / name
        assert without_timing(killed) == without_timing(whole)
    assert not list((tmp_path / "out").glob("**/.*.part"))
