"""Answers made in code."""

from __future__ import annotations

from datetime import datetime

from evalkit.ratings.model import Answer


def make_comparison(
    rater: str,
    sample: str,
    left: str,
    right: str,
    outcome: float,
    dimension: str,
    at: datetime | None,
    seconds: float | None,
    row: int,
    status: str = "",
) -> Answer:
    """Return a comparison of two teams' videos of a sample; ``outcome`` is the points of the left one."""
    return Answer(rater, sample, dimension, outcome, at, seconds, row, status, (left, right))
