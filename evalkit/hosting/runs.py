"""What of a scorecard goes to a platform's leaderboard: the numbers that there are, and whether the run is ranked.

Platforms sort a missing value wherever their database puts it: first, on Codabench, in a column where higher is better,
and as 0 on EvalAI. So nothing stands for a missing value, and one number says whether the run counts (design/022).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evalkit.challenges.model import Challenge
from evalkit.hosting.columns import (
    COMPLETE,
    SCORE,
    HostColumn,
    counting_columns,
    host_columns,
    measured_columns,
    measured_later,
    weighted_sum,
)
from evalkit.leaderboard.table import Column
from evalkit.metrics.base import is_not_applicable
from evalkit.scoring.consequences import with_consequences
from evalkit.scoring.scorecard import MetricScore, Scorecard, gap_text
from evalkit.text import count, told_apart

_STEPS = 10_000  # of an incomplete share: it is cut off, never rounded up to 1
LARGEST = 1e10  # absolute values from here on don't fit into Codabench's DECIMAL(20, 10)
DECIMALS = 10


@dataclass(frozen=True)
class HostedRun:
    """A run as a platform's leaderboard gets it.

    Args:
        numbers: key of the column -> value, for every column that has one; ``complete`` always has.
        missing: key of the column -> why it has no value, in words.
        not_ranked: why the run is not ranked, as sentences; empty when it is.
    """

    numbers: Mapping[str, float]
    missing: Mapping[str, str]
    not_ranked: tuple[str, ...]

    @property
    def ranked(self) -> bool:
        """Whether the run may be ranked."""
        return not self.not_ranked


def hosted_run(card: Scorecard, challenge: Challenge) -> HostedRun:
    """Return what the leaderboard of a platform gets of a scorecard.

    A run is ranked by the rule of evalkit's own leaderboard: each column that counts has a value, which rests on as
    many samples as the challenge asks for. A column that is not applicable to any sample counts for nobody.

    Args:
        card: the run.
        challenge: whose columns, weights and coverage are meant.

    Raises:
        ChallengeError: when the challenge measures nothing.
    """
    card = with_consequences(card, challenge)
    columns, measured = host_columns(challenge), measured_columns(challenge)
    counting = [one for one in counting_columns(challenge, measured) if not _not_applicable(card, one)]
    shares = {column.id: _share(card.metrics.get(column.id), column, challenge) for column in counting}
    why = tuple(_why(card.metrics.get(one.id), one, challenge) for one in counting if shares[one.id] < 1)
    least = min(shares.values(), default=1.0)
    numbers = {COMPLETE: math.floor(least * _STEPS) / _STEPS if why else 1.0}
    missing: dict[str, str] = {}
    plan = weighted_sum(challenge, measured)
    if plan is not None:
        values = [_value(card, one.id) for one in plan.columns]
        known = [value for value in values if value is not None]
        if why or len(known) < len(values):
            missing[SCORE] = "the run is not ranked" if why else "a ranking column is not applicable"
        else:
            numbers[SCORE] = _rounded(float(plan.scores(np.array(known))))
    for column in columns:
        if column.metric is None:
            continue
        value, later = _value(card, column.metric), measured_later(challenge, column.metric)
        if value is None or later:
            missing[column.key] = "the organizers measure it" if later else _gap(card.metrics.get(column.metric))
        else:
            numbers[column.key] = _rounded(value)
    return HostedRun(numbers, missing, why)


def lines_about(run: HostedRun, columns: Sequence[HostColumn]) -> list[str]:
    """Return the numbers as lines for the participant, in the order of the columns."""
    width = max(len(column.title) for column in columns)
    lines = []
    for column in columns:
        value = run.numbers.get(column.key)
        shown = f"{value:.{column.precision}f}" if value is not None else f"- ({run.missing.get(column.key, 'none')})"
        lines.append(f"  {column.title:{width}}  {shown}")
    return [*lines, *(f"Not ranked: {sentence}" for sentence in run.not_ranked)]


def _value(card: Scorecard, metric: str) -> float | None:
    score = card.metrics.get(metric)
    return score.value if score is not None and score.value is not None and abs(score.value) < LARGEST else None


def _rounded(value: float) -> float:
    return round(value, DECIMALS) + 0.0  # no -0.0


def _gap(score: MetricScore | None) -> str:
    if score is None:
        return "not measured"
    return gap_text(score.reason) if score.value is None else f"{score.value:g} does not fit into the leaderboard"


def _not_applicable(card: Scorecard, column: Column) -> bool:
    score = card.metrics.get(column.id)
    return score is not None and score.value is None and is_not_applicable(score.reason)


def _share(score: MetricScore | None, column: Column, challenge: Challenge) -> float:
    """Return how much of what is needed there is, 0..1; 1 exactly when the column ranks the run."""
    if score is None or score.value is None or abs(score.value) >= LARGEST:
        return 0.0
    has, needs = (
        (float(max(score.n, 1)), float(column.min_samples))
        if column.min_samples is not None
        else (score.coverage, challenge.coverage)
    )
    return 1.0 if has >= needs else min(has / needs, 1 - 1 / _STEPS)


def _why(score: MetricScore | None, column: Column, challenge: Challenge) -> str:
    if score is None or score.value is None or abs(score.value) >= LARGEST:
        return f"{column.id} has no value: {_gap(score)}."
    if column.min_samples is not None:
        return f"{column.id} rests on {score.n}; {count(column.min_samples, 'measured sample')} are needed."
    share, needed = told_apart(100 * score.coverage, 100 * challenge.coverage)
    return f"{column.id} rests on {share} % of the samples, {needed} % are needed."
