"""Leaderboards computed from small boards, and what they say of a run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from builders.boards import make_rating, make_snapshot

from evalkit.board.model import Snapshot
from evalkit.leaderboard.compute import compute_leaderboard
from evalkit.leaderboard.model import Leaderboard
from evalkit.leaderboard.table import Row

OBJECTIVE = """
schema: 1
id: objective
title: Objective
submission: {runs: {max: 3, primary: 1}}
metrics:
  - {id: psnr, direction: higher}
  - {id: fid, direction: lower}
  - {id: niqe, rank: false, group: diagnostic}
  - {id: fps, group: speed, direction: higher}
ranking: rank-sum
"""
RATED = """
schema: 1
id: rated
title: Rated
ranking: mean-rank
ratings:
  method: mos
  dimensions: [{id: sync, title: Lip sync}]
  window: {opens: "2026-03-01 AoE", closes: "2026-03-05T23:59:59 AoE"}
"""
SIZES = {"fid": {"n": 500.0, "n_reference": 500.0, "dimension": 2048.0}}


def scored(psnr: list[float | None], fid: float | None = 10.0, fps: float = 25.0) -> dict[str, Any]:
    return {"psnr": psnr, "fid": fid, "niqe": [5.0 for _ in psnr], "fps": fps}


def make(challenge: str, teams: Mapping[str, Any], **more: Any) -> Leaderboard:
    options: dict[str, Any] = {"better": {"fid": False, "niqe": None}, "details": SIZES, "draws": 200, **more}
    draws = options.pop("draws")
    return compute_leaderboard(make_snapshot(challenge, teams, **options), draws=draws)


def ranks(leaderboard: Leaderboard) -> dict[str, int | None]:
    return {f"{row.team}/{row.run}": row.rank for row in leaderboard.rows}


def row_of(leaderboard: Leaderboard, team: str, run: str = "main") -> Row:
    return next(row for row in leaderboard.rows if (row.team, row.run) == (team, run))


def codes(row: Row) -> list[str]:
    return [reason.code for reason in row.reasons]


def rated_board(*late: datetime) -> Snapshot:
    ratings = [
        make_rating(f"r{rater}", team, sample, "sync", score + rater % 2)
        for rater in range(1, 5)
        for team, score in (("alpha", 3), ("beta", 2))
        for sample in ("s1", "s2")
    ]
    ratings += [make_rating("r9", "beta", "s1", "sync", 5, at) for at in late]
    return make_snapshot(RATED, {"alpha": {"psnr": [1.0, 1.0]}, "beta": {"psnr": [1.0, 1.0]}}, ratings=ratings)
