"""A short campaign of every target, and that campaigns see what they look for."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from evalkit.errors import InputError
from fuzz.campaign import run_campaign
from fuzz.kinds import Target, WrongAcceptError
from fuzz.targets import TARGETS

INPUTS = 400


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_nothing_crashes_hangs_or_is_taken_wrongly(target: Target, tmp_path: Path) -> None:
    inputs = INPUTS // target.costs
    figures = run_campaign(target, inputs, seed=1, keep=tmp_path, limit=5.0 * target.costs)
    assert figures.clean, figures.failures
    assert figures.inputs == inputs
    assert figures.accepted + figures.refused == inputs
    # inputs that are all good, or all bad, try nothing
    assert min(figures.accepted, figures.refused) >= inputs // 100


def read_badly(path: Path) -> None:
    data = path.read_bytes()
    if data.startswith(b"crash"):
        raise KeyError("no such thing")
    if data.startswith(b"hang"):
        time.sleep(5)
    if data.startswith(b"spin"):
        while time.process_time():
            pass
    if data.startswith(b"wrong"):
        raise WrongAcceptError("taken")
    if data.startswith(b"bad"):
        raise InputError("It is bad.")


def test_a_campaign_counts_what_it_sees(tmp_path: Path) -> None:
    words = iter([b"good", b"bad", b"crash 1", b"hang", b"spin", b"wrong", b"good", b"crash 2"])
    figures = run_campaign(Target("t", lambda _: next(words), read_badly), 8, 3, limit=0.2, keep=tmp_path / "kept")
    assert (figures.accepted, figures.refused, figures.crashes, figures.hangs, figures.wrong_accepts) == (2, 1, 2, 2, 1)
    assert not figures.clean
    assert sorted(path.read_bytes() for path in (tmp_path / "kept").iterdir()) == [
        b"crash 1",
        b"crash 2",
        b"hang",
        b"spin",
        b"wrong",
    ]
    assert "KeyError" in figures.failures[0]


def test_the_same_seed_makes_the_same_inputs() -> None:
    for target in TARGETS:
        one, two, other = (run_campaign(target, 40 // target.costs, seed).as_dict() for seed in (5, 5, 6))
        one.pop("growth_mib"), two.pop("growth_mib"), other.pop("growth_mib")
        assert one == two
