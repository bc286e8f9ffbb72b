"""The estimate of a night: its arithmetic, and that what it scored is not scored again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from builders.runs import decodes

from evalkit import api
from evalkit.batch.estimate import Estimate, _interval
from evalkit.batch.progress import OverallProgress
from evalkit.challenges.model import load_challenge
from evalkit.errors import MachineError
from evalkit.progress import Progress


def test_hours_disk_and_memory_follow_from_what_was_measured() -> None:
    found = Estimate(
        challenge=load_challenge("talking-head"), submissions=40, unreadable={}, videos=40_000, measured=24, workers=8,
        seconds_per_video=(6.0, 5.0, 8.0), seconds_per_submission=9.0, cache_bytes_per_video=250_000.0,
        peak_bytes=600 << 20, disk_free=1 << 40,
    )  # fmt: skip
    # 40,000 videos of 6 s on 8 workers: 30,000 s; 40 submissions of 9 s: 360 s
    assert found.hours == pytest.approx((30_360 / 3600, 25_360 / 3600, 40_360 / 3600))
    assert found.videos_per_minute == 80  # eight workers, ten each
    assert found.cache_bytes == 10_000_000_000
    document = found.to_json()
    assert document["hours"]["estimate"] == found.hours[0]
    assert document["memory_bytes"] == 8 * (600 << 20)
    assert document["dry_run"] is True


def test_the_spread_is_that_of_the_videos_and_of_the_submissions() -> None:
    assert _interval([[2.0] * 5, [2.0] * 3]) == (2.0, 2.0, 2.0)
    mean, low, high = _interval([[1.0] * 10, [3.0] * 10])
    # Both, or one of them twice: a mean of 1, 2 or 3, each in a quarter, a half, a quarter of the draws.
    assert (mean, low, high) == (2.0, 1.0, 3.0)
    assert _interval([[1.0, 2.0, 3.0]]) == _interval([[1.0, 2.0, 3.0]])


def test_a_dry_run_scores_into_the_cache_and_leaves_the_folder_alone(night: Any, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"metrics": ["psnr", "ssim"], "workers": 2, "cache": tmp_path / "cache"}
    found = api.estimate_all(night.zips, "talking-head", night.testset, tmp_path / "out", **settings)
    assert (found.submissions, found.videos, found.measured) == (6, 11, 9)
    assert set(found.unreadable) == {"hostile", "refused"}
    assert found.seconds_per_video[1] <= found.seconds_per_video[0] <= found.seconds_per_video[2]
    assert found.cache_bytes_per_video > 1000
    assert found.peak_bytes > 50 << 20
    assert not (tmp_path / "out").exists()
    api.score_all(night.zips, "talking-head", night.testset, tmp_path / "out", **settings)
    counted = {name: sum(decodes(tmp_path / "out" / name).values()) for name in ("alpha", "beta", "gamma", "missing")}
    assert counted == {"alpha": 0, "beta": 0, "gamma": 0, "missing": 2}
    with pytest.raises(MachineError, match="nothing to measure"):
        api.estimate_all(night.zips, "talking-head", night.testset, tmp_path / "out", **settings)


def test_the_time_left_follows_from_videos_that_were_read_now() -> None:
    now = 100.0
    counted: list[int] = []

    class Counting(Progress):
        def advance(self, count: int = 1) -> None:
            counted.append(count)

    overall = OverallProgress(Counting(), 100, lambda: now)
    earlier, part = overall.part("alpha", 40), overall.part("beta", 20)
    earlier.complete()
    assert overall.time_left() == ""
    with part.stage("computing values", 7):
        part.advance(7)
    with part.stage("scoring", 20):
        now = 110.0
        part.advance()
        part.advance(4)
    # 5 videos in 10 s, 100 - 40 - 5 are left: 110 s
    assert overall.time_left() == "about 1 min 50 s left"
    part.complete()
    part.complete()
    assert sum(counted) == 60
