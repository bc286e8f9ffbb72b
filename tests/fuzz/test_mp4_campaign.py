"""A short campaign of changed MP4s, that it sees what it looks for, and the inputs that once went wrong."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from mp4_boxes import parse, write

from evalkit.workers.pool import JobResult
from fuzz import mp4_campaign
from fuzz.campaign import Figures
from fuzz.mp4 import mutated, samples, seeds
from fuzz.mp4_campaign import Seen, decoded, run_mp4_campaign

pytestmark = pytest.mark.ffmpeg
INPUTS = 120


def test_nothing_crashes_hangs_or_is_taken_wrongly(tmp_path: Path) -> None:
    figures = run_mp4_campaign(INPUTS, seed=1, keep=tmp_path)
    assert figures.clean, figures.failures
    assert figures.inputs == INPUTS
    assert figures.accepted + figures.refused == INPUTS
    assert min(figures.accepted, figures.refused) >= INPUTS // 20


def test_seeds_are_small_and_good(tmp_path: Path) -> None:
    assert sum(map(len, seeds())) < 100_000
    inspect = mp4_campaign.open_inspector(None)
    for number, data in enumerate(seeds()):
        path = tmp_path / f"{number}.mp4"
        path.write_bytes(data)
        assert write(parse(data)) == data
        assert inspect(str(path)).verdict == "ok"
        assert decoded(path) == (15, "")
    assert len(samples(seeds()[0])) == 15


def test_same_seed_makes_the_same_inputs() -> None:
    one, two, other = (
        [mutated(dice, seeds()) for _ in range(30)] for dice in (random.Random(5), random.Random(5), random.Random(6))
    )
    assert one == two != other
    assert len(set(one)) > 20


def test_a_campaign_counts_what_it_sees(tmp_path: Path) -> None:
    figures, path = Figures("mp4"), tmp_path / "a.mp4"
    path.write_bytes(seeds()[0])
    judge = mp4_campaign._judge
    assert judge(JobResult(0, Seen("ok", False, 15, 1.0)), path, figures) is None
    assert judge(JobResult(0, Seen("error", False, 3, 1.0)), path, figures) is None
    assert "ffmpeg: 15 frames" in str(judge(JobResult(0, Seen("warning", False, 14, 1.0)), path, figures))
    assert judge(JobResult(0, None, "timeout", "more than 10 s"), path, figures) == "took more than 10 s"
    assert judge(JobResult(0, None, "crashed", "ended by SIGSEGV"), path, figures) == "crashed: ended by SIGSEGV"
    assert judge(JobResult(0, Seen("error", False, 0, 999.0)), path, figures) == "the worker grew by 999 MiB"
    counts = figures.accepted, figures.refused, figures.wrong_accepts, figures.hangs, figures.crashes
    assert counts == (2, 1, 1, 1, 2)
    assert (figures.growth_mib, figures.clean) == (999.0, False)


def test_ffmpegs_program_complains_of_damage(tmp_path: Path) -> None:
    data = bytearray(seeds()[0])
    at, size = samples(bytes(data))[3]
    data[at + 5 : at + size] = bytes(size - 5)
    (tmp_path / "damaged.mp4").write_bytes(data)
    seen = decoded(tmp_path / "damaged.mp4")
    assert seen is not None and "h264" in seen[1]
