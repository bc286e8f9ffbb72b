"""A small board of ratings that can be checked by hand: two teams, two samples, four raters, one dimension."""

from __future__ import annotations

from typing import Any

from builders.boards import make_snapshot

from evalkit.board.model import Snapshot
from evalkit.rating_report.model import RaterReport, RatingReport

CHALLENGE = """
id: c
title: The challenge
ratings:
  method: mos
  dimensions: [{id: sync, title: Sync}]
"""
THREE = CHALLENGE.replace("[{id: sync, title: Sync}]", "[{id: a, title: A}, {id: b, title: B}, {id: c, title: C}]")
TEAMS: dict[str, Any] = {"alpha": {"psnr": [30, 31]}, "beta": {"psnr": [20, 21]}}

# (team, sample) -> scores of r1, r2, r3, r4. Means 4.5, 4, 2, 3.
SCORES = {
    ("alpha", "s1"): (5, 4, 4, 5),
    ("alpha", "s2"): (4, 4, 3, 5),
    ("beta", "s1"): (2, 1, 2, 3),
    ("beta", "s2"): (3, 3, 2, 4),
}
RATINGS = [
    (f"r{at + 1}", team, sample, "sync", value)
    for (team, sample), row in SCORES.items()
    for at, value in enumerate(row)
]


def small(**more: Any) -> Snapshot:
    return make_snapshot(CHALLENGE, TEAMS, **{"ratings": RATINGS, **more})


def rater_of(report: RatingReport, name: str) -> RaterReport:
    return next(rater for rater in report.raters if rater.rater == name)
