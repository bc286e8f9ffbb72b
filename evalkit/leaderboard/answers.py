"""The raters' answers in one column, as arrays for the bootstrap, and the interval of one run's value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from evalkit.leaderboard.bootstrap import Integers, Ratings
from evalkit.leaderboard.model import Strength
from evalkit.leaderboard.scoring_rules import Floats
from evalkit.leaderboard.table import Cell, Column, RunKey
from evalkit.statistics.bootstrap import two_way_interval


@dataclass(frozen=True, eq=False)
class Answers:
    """Numbers whose mean over a run's samples (of the mean over raters) changes as the run's value does; one length.

    Args:
        run, sample, rater: indices of runs, samples and raters.
        value: the answer.
    """

    run: Integers
    sample: Integers
    rater: Integers
    value: Floats


@dataclass(frozen=True, eq=False)
class RatedColumn:
    """One column that raters' answers make.

    Args:
        id: of the column.
        cells: run -> value; every run has one.
        answers: the numbers behind the values.
        items: (run, sample) -> opinion score of that video; empty for comparisons.
        unit: of the values.
    """

    id: str
    cells: Mapping[RunKey, Cell]
    answers: Answers
    items: Mapping[tuple[RunKey, str], float] = field(default_factory=dict)
    unit: str = ""


@dataclass(frozen=True, eq=False)
class RatedColumns:
    """All columns that raters' answers make.

    Args:
        columns: in the challenge's order.
        estimator: how values are computed from answers.
        notes: sentences for the reader.
        strengths: of comparisons.
        items: distinct (team, sample) that were rated or compared.
    """

    columns: tuple[RatedColumn, ...] = ()
    estimator: str = ""
    notes: tuple[str, ...] = ()
    strengths: tuple[Strength, ...] = ()
    items: int = 0

    @property
    def by_id(self) -> dict[str, RatedColumn]:
        """Column id -> column."""
        return {column.id: column for column in self.columns}


def ratings_of(columns: Sequence[Column], rated: Mapping[str, RatedColumn], rows: Sequence[int]) -> Ratings | None:
    """Return the answers of the runs ``rows`` (indices) in ``columns``, numbered as these are."""
    place = {run: at for at, run in enumerate(rows)}
    parts: list[Ratings] = []
    for number, column in enumerate(columns):
        if column.id not in rated:
            continue
        answers = rated[column.id].answers
        kept = np.isin(answers.run, np.asarray(rows, dtype=np.int64))
        team = np.array([place[int(run)] for run in answers.run[kept]], dtype=np.int64)
        parts.append(
            Ratings(
                team,
                answers.sample[kept],
                answers.rater[kept],
                np.full(len(team), number, dtype=np.int64),
                answers.value[kept],
            )
        )
    if not parts:
        return None
    names = ("team", "video", "rater", "column", "value")
    return Ratings(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def interval(answers: Answers, run: int, value: float, *, draws: int, seed: int) -> tuple[float, float] | None:
    """Return the 95 % interval of a run's value: percentiles of the two-way bootstrap over samples and raters.

    The same samples and raters are drawn as for the ranking's uncertainty (`evalkit.leaderboard.bootstrap`), among
    those of this run alone. ``None`` with fewer than two samples or two raters, which show no variation, and where most
    draws have no rating.
    """
    kept = answers.run == run
    return two_way_interval(
        answers.sample[kept], answers.rater[kept], answers.value[kept], value, draws=draws, seed=seed
    )
