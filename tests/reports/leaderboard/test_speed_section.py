"""The page says whose measurement a number of speed is, on which hardware, and why it does not rank."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape

import pytest
from builders.boards import make_snapshot

from evalkit.board.model import MeasuredSpeed, Snapshot
from evalkit.challenges.model import parse_challenge
from evalkit.leaderboard.compute import compute_leaderboard
from evalkit.reports.leaderboard.page import render_leaderboard
from evalkit.reports.leaderboard.tables import leaderboard_json
from evalkit.speed.model import SampleSpeed

RULES = """
id: c
title: c
metrics: [{id: psnr.rgb}, {id: speed.fps, group: speed}, {id: speed.ttff, group: speed, rank: false}]
ranking: mean-rank
"""


def snapshot(hardware: str) -> Snapshot:
    made = make_snapshot(
        parse_challenge(RULES, "test"), {team: {"psnr.rgb": [30.0, 31.0, 32.0]} for team in ("alpha", "beta")}
    )
    speeds = tuple(
        MeasuredSpeed(
            team,
            None,
            source,
            words,
            "call",
            "olga",
            number,
            {f"s{at}": SampleSpeed(f"s{at}", 2.0 * at * number, 100, 4.0) for at in (1, 2, 3)},
        )
        for number, (team, source, words) in enumerate(
            (("alpha", "measured", "A, 16 cores"), ("beta", "imported", hardware)), 1
        )
    )
    return replace(made, speeds=speeds)


def page(board: Snapshot, audience: str = "public") -> str:
    text = render_leaderboard(board, compute_leaderboard(board, draws=100), audience)  # type: ignore[arg-type]
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text)))


def test_two_machines_on_the_page() -> None:
    text = page(snapshot("<B>, 8 cores"))
    assert (
        "speed.fps was measured on different hardware, so it ranks nobody: A, 16 cores (alpha); <B>, 8 cores (beta)"
        in text
    )
    section = text[text.index("Whose measurement each run's numbers are") :]
    assert "measured by the organizer" in section
    assert "imported by the organizer" in section
    assert "the whole call, with loading and encoding" in section
    # 100 frames in 2, 4 and 6 s: 50, 25 and 16.67 frames/s; quartiles half-way between them
    assert re.search(r"25\.00* 20\.83\d* to 37\.50* n 3", section)
    assert "not measured" in section  # nobody saw the first frame


def test_one_machine_ranks() -> None:
    text = page(snapshot("A, 16 cores"))
    assert "ranks nobody" not in text
    assert "Whose measurement each run's numbers are" in text


@pytest.mark.parametrize(("audience", "shown"), [("public", False), ("organizers", True)])
def test_who_measured_is_for_the_organizers(audience: str, shown: bool) -> None:
    board = snapshot("A, 16 cores")
    assert ("olga" in page(board, audience)) is shown
    assert "olga" not in leaderboard_json(board, compute_leaderboard(board, draws=100))


def test_without_measurements_there_is_no_section() -> None:
    assert "Whose measurement" not in page(replace(snapshot("A"), speeds=()))
