"""A run from the cache keeps the times of the runs that computed, and says that they are theirs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evalkit import api
from evalkit.metrics.base import FeatureData
from evalkit.scoring.cache import FeatureCache
from evalkit.scoring.scorecard import Scorecard
from evalkit.scoring.timings import ENTRY


def score(world: Any, folder: Path, *metrics: str, **more: Any) -> dict[str, Any]:
    """Score into the one folder of results; return the timing that is in its scorecard."""
    options = {"metrics": metrics, "workers": 1, "cache": folder / "cache", "out": folder / "out", **more}
    api.score(world.zip, "talking-head", world.testset, **options)
    return Scorecard.load(folder / "out").timing


def test_the_run_that_computed_is_not_forgotten(world: Any, tmp_path: Path) -> None:
    first = score(world, tmp_path, "psnr", "ssim")
    assert "from_cache" not in first
    assert first["videos_decoded"] == 4
    assert min(first["extractors"].values()) > 0
    second = score(world, tmp_path, "psnr", "ssim")
    assert (second["videos_decoded"], second["extractors"]) == (0, {})
    kept = second["from_cache"]
    assert kept["extractors"] == pytest.approx(first["extractors"], abs=2e-3)
    assert kept["networks"] == first["networks"]
    assert (kept["videos"], kept["videos_decoded"]) == (4, 4)
    assert kept["first_computed_at"] <= kept["last_computed_at"] <= first["finished_at"]
    third = score(world, tmp_path, "psnr", "ssim")
    assert third["from_cache"] == kept
    page = (tmp_path / "out" / "report.html").read_text()
    assert "from_cache.extractors" in page


def test_what_was_computed_now_and_what_before_are_apart(world: Any, tmp_path: Path) -> None:
    first = score(world, tmp_path, "duration")
    second = score(world, tmp_path, "duration", "psnr")
    before, now = set(first["extractors"]), set(second["extractors"])
    assert now == {"paired_pixels"}
    assert before.isdisjoint(now)
    assert set(second["from_cache"]["extractors"]) == before
    third = score(world, tmp_path, "duration", "psnr")
    assert set(third["from_cache"]["extractors"]) == before | now
    assert third["from_cache"]["videos_decoded"] == first["videos_decoded"] + second["videos_decoded"]


def test_computed_again_counts_once(world: Any, tmp_path: Path) -> None:
    score(world, tmp_path, "psnr")
    again = score(world, tmp_path, "psnr", fresh=True)
    assert "from_cache" not in again
    kept = score(world, tmp_path, "psnr")["from_cache"]
    assert kept["extractors"] == pytest.approx(again["extractors"], abs=2e-3)
    assert kept["videos_decoded"] == 4


@pytest.mark.parametrize("content", [b"", b"no archive", None])
def test_damaged_or_lost_records_cost_the_times_only(world: Any, tmp_path: Path, content: bytes | None) -> None:
    score(world, tmp_path, "psnr")
    entries = list((tmp_path / "cache" / ENTRY).rglob("*.npz"))
    assert len(entries) >= 4  # of the reference videos too
    for entry in entries:
        entry.unlink() if content is None else entry.write_bytes(content)
    kept = score(world, tmp_path, "psnr")["from_cache"]
    assert kept == {"videos": 4, "videos_decoded": 0, "extractors": {}, "networks": {}}


@pytest.mark.parametrize("seconds", ["NaN", "Infinity", "-Infinity", "1e999", '"long"', "null", "{}"])
def test_records_with_impossible_numbers_never_reach_a_scorecard(world: Any, tmp_path: Path, seconds: str) -> None:
    score(world, tmp_path, "psnr")
    cache = FeatureCache(tmp_path / "cache")
    for entry in (tmp_path / "cache" / ENTRY).rglob("*.npz"):
        data = cache.load(ENTRY, entry.stem)
        assert data is not None
        assert data.arrays is not None
        changed = re.sub(r'("paired_pixels":)[0-9.e-]+', rf"\g<1>{seconds}", str(data.arrays["records"]))
        cache.store(ENTRY, entry.stem, FeatureData({"records": np.array(changed)}))
    kept = score(world, tmp_path, "psnr")["from_cache"]
    assert kept == {"videos": 4, "videos_decoded": 0, "extractors": {}, "networks": {}}
