"""A board with two honest teams, for fuzzed scorecards and damaged databases."""

from __future__ import annotations

import json
import random
import sqlite3
import tempfile
from contextlib import closing
from datetime import timedelta
from functools import cache
from pathlib import Path

from board_tools import START, Clock, rules, take_ratings
from builders.boards import as_installed, make_card

from evalkit.board import Board
from evalkit.leaderboard.compute import compute_leaderboard
from evalkit.leaderboard.model import Leaderboard
from evalkit.scoring.scorecard import Scorecard

HONEST = ("alpha", "beta")
DRAWS = 100
# A weighted sum of fixed ranges: the score of a team does not depend on who else takes part.
CHALLENGE = """schema: 1
id: c
title: The challenge
submission: {runs: {max: 3, primary: 1}}
metrics:
  - {id: psnr.rgb, range: [0, 60]}
  - {id: ssim.rgb, range: [0, 1]}
  - {id: fid.pytorch, range: [0, 100]}
ranking: weighted-sum
ranking_rules: {tie_breaks: [fid.pytorch, psnr.rgb]}
ratings: {method: mos, dimensions: [{id: overall, title: Overall, weight: 0}]}
"""


def scored(name: str, base: float) -> Scorecard:
    """Return a scorecard with numbers that follow from ``base``, the higher the better."""
    samples = [f"s{at}" for at in range(1, 7)]
    held = make_card(
        name,
        {
            "psnr.rgb": [base + at for at in range(6)],
            "ssim.rgb": [0.5 + base / 100 + at / 100 for at in range(6)],
            "fid.pytorch": 60.0 - base,
        },
        samples=samples,
        better={"fid.pytorch": False},
        details={"fid.pytorch": {"n": 36.0, "n_reference": 36.0, "dimension": 2048.0}},
        ci95={"fid.pytorch": (59.0 - base, 61.0 - base)},
        groups={sample: {"view": "front" if at % 2 else "side"} for at, sample in enumerate(samples)},
    )
    challenge = held.challenge.model_copy(update={"sha256": rules(CHALLENGE).scoring_sha256})
    document = json.loads(as_installed(held.model_copy(update={"challenge": challenge})).to_json())
    document["metrics"]["fid.pytorch"]["aggregate"] = None
    for video in document["videos"]:
        shade = hash_of(f"{name} {video['sample']}")
        video["fingerprint"] = {"sha256": shade, "motion": 4.5, "picture": shade[:16], "bits": shade * 3}
        video["findings"] = [
            {"rule": "media.frame_rate", "severity": "warning", "message": "It varies.", "found": "22"}
        ]
    return Scorecard.model_validate(document)


def hash_of(text: str) -> str:
    """Return 64 hexadecimal digits."""
    return f"{random.Random(text).getrandbits(256):064x}"


@cache
def board_file() -> bytes:
    """Return the database of a board with two honest teams, a few ratings and a decision, as one file."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "board.sqlite"
        with Board.create(place, rules(CHALLENGE), CHALLENGE, by="olga", now=Clock()) as board:
            for team, base in zip(HONEST, (30.0, 20.0), strict=True):
                board.add_team(team, [f"{team}-member"], by="olga")
                board.add_run(team, "1", scored(team, base), by="olga", strips={"s1": [b"\xff\xd8\xff strip"]})
            take_ratings(board, 20)
            board.exclude("rater", [("r01", "manual", "too quick")], by="olga")
        with closing(sqlite3.connect(place)) as raw:
            raw.execute("PRAGMA journal_mode = DELETE")  # all is in the one file
        return place.read_bytes()


def opened(place: Path) -> Board:
    """Open the board there, a day later."""
    return Board.open(place, now=Clock(START + timedelta(days=1)))


@cache
def honest_result() -> Leaderboard:
    """Return the leaderboard of the honest teams."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "board.sqlite"
        place.write_bytes(board_file())
        with opened(place) as board:
            return compute_leaderboard(board.snapshot(), draws=DRAWS)
