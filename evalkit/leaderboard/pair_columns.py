"""Comparisons into values: a team's share of points, and its Bradley-Terry strength where there are dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evalkit.challenges.model import Challenge
from evalkit.errors import InputError
from evalkit.leaderboard.answers import Answers, RatedColumn, RatedColumns, interval
from evalkit.leaderboard.bootstrap import Integers, comparisons_as_ratings
from evalkit.leaderboard.model import Strength
from evalkit.leaderboard.runs import Runs
from evalkit.leaderboard.scoring_rules import Floats
from evalkit.leaderboard.table import PAIRS, Cell, RunKey
from evalkit.ratings.model import Answer, AnswerVerdict
from evalkit.statistics.bradley_terry import Strengths, bradley_terry
from evalkit.statistics.pair_points import PairPoints, pair_points, win_matrix
from evalkit.text import escape_for_display

ESTIMATOR = "pairs.bradley-terry"


@dataclass(frozen=True, eq=False)
class _Duels:
    """Comparisons of one dimension: teams, samples and raters as indices, points of the first; one length."""

    first: Integers
    second: Integers
    outcome: Floats
    sample: Integers
    rater: Integers


def read_comparisons(
    challenge: Challenge,
    field: Runs,
    counted: Sequence[AnswerVerdict],
    finalists: frozenset[RunKey] | None,
    *,
    draws: int,
    seed: int,
) -> RatedColumns:
    """Return the columns of a challenge that is judged in pairs.

    The column ``pairs`` holds each team's share of its possible points (win 1, draw 0.5, loss 0). A dimension holds the
    log strength of the Bradley-Terry model, which allows for who met whom; where none can be fitted, the share.
    Comparisons are of the teams' only competing runs; those with anybody else don't enter.

    Args:
        challenge: the rules.
        field: the runs.
        counted: the verdicts on the comparisons that count.
        finalists: the runs of the final phase; only what they did against each other enters. ``None`` for everyone.
        draws, seed: of the intervals.
    """
    runs, several = _competing_run(field)
    allowed = {team: at for team, at in runs.items() if finalists is None or field.entrants[at].key in finalists}
    raters = {rater: at for at, rater in enumerate(sorted({one.answer.rater for one in counted}))}
    entering = [one.answer for one in counted if allowed.keys() >= set(one.answer.teams)]
    notes = [
        f"Team '{escape_for_display(team)}' has several runs that compete; comparisons name teams only, "
        "so none enters a score."
        for team in several
    ]
    if len(entering) < len(counted):
        who = "teams that compete" if finalists is None else "finalists"
        notes.append(f"{len(counted) - len(entering)} comparisons enter no score: they are not between two {who}.")
    columns, strengths = [], []
    dimensions = [(dimension.id, dimension.id) for dimension in challenge.ratings.dimensions] or [(PAIRS, "")]
    for name, asked in dimensions:
        duels = _duels([one for one in entering if one.dimension == asked], allowed, field, raters)
        column, strong, told = _column(name, field, duels, finalists, draws=draws, seed=seed)
        columns.append(column)
        strengths += strong
        notes += told
    items = {(team, one.item) for one in entering for team in one.teams}
    return RatedColumns(tuple(columns), ESTIMATOR, tuple(notes), tuple(strengths), len(items))


def _competing_run(field: Runs) -> tuple[dict[str, int], list[str]]:
    """Return team -> its only competing run, and the teams with several."""
    found: dict[str, list[int]] = {}
    for at, one in enumerate(field.entrants):
        if one.competes:
            found.setdefault(one.run.team, []).append(at)
    single = {team: places[0] for team, places in found.items() if len(places) == 1}
    return single, [team for team in found if team not in single]


def _duels(chosen: Sequence[Answer], runs: dict[str, int], field: Runs, raters: dict[str, int]) -> _Duels:
    # Sorted, so that nothing depends on the order in which the answers came.
    rows = sorted(
        (*(runs[team] for team in one.teams), one.value, field.sample_index[one.item], raters[one.rater])
        for one in chosen
    )
    whole = np.array([(a, b, sample, rater) for a, b, _, sample, rater in rows], dtype=np.int64).reshape(-1, 4)
    outcome = np.array([row[2] for row in rows], dtype=np.float64)
    return _Duels(whole[:, 0], whole[:, 1], outcome, whole[:, 2], whole[:, 3])


def _column(
    name: str, field: Runs, duels: _Duels, finalists: frozenset[RunKey] | None, *, draws: int, seed: int
) -> tuple[RatedColumn, list[Strength], list[str]]:
    """Return one column, the strengths behind it, and what there is to say about it."""
    wins = win_matrix(duels.first, duels.second, duels.outcome, len(field.entrants))
    met = np.flatnonzero((wins + wins.T).sum(axis=1) > 0)
    points = pair_points(wins, [int(at) for at in met])
    notes = []
    if len(met) and not points.balanced:
        told = "The teams did not meet equally often: a share of points depends on the opponents too."
        notes.append(f"{name}: {told}")
    fitted = _fit(wins, met, field)
    if isinstance(fitted, InputError):
        notes.append(f"{name}: {fitted}")
        fitted = None
    strength = fitted if name != PAIRS else None
    if strength is not None:
        values = np.full(len(field.entrants), np.nan)
        values[met] = strength.theta
        answers = _influences(duels, met, strength)
    else:
        values = points.share
        rated = comparisons_as_ratings(
            duels.first, duels.second, duels.outcome, video=duels.sample, rater=duels.rater, column=0
        )
        answers = Answers(rated.team, rated.video, rated.rater, rated.value)
        if name != PAIRS and len(met):
            notes.append(f"{name}: shares of points stand in for the strengths.")
    cells: dict[RunKey, Cell] = {}
    for at, one in enumerate(field.entrants):
        if at not in met:
            outside = finalists is not None and one.competes and one.key not in finalists
            cells[one.key] = Cell(None, reason="not_a_finalist" if outside else "no_comparisons", coverage=0.0)
            continue
        seen = {int(sample) for sample in duels.sample[(duels.first == at) | (duels.second == at)]}
        cells[one.key] = Cell(
            float(values[at]),
            ci=interval(answers, at, float(values[at]), draws=draws, seed=seed),
            n=int(points.comparisons[at]),
            coverage=len(seen) / max(1, len(field.samples)),
        )
    strengths = [] if fitted is None else _strengths(name, field, met, fitted, points)
    unit = "log strength" if strength is not None else ""
    return RatedColumn(name, cells, answers, unit=unit), strengths, notes


def _fit(wins: Floats, met: Integers, field: Runs) -> Strengths | InputError | None:
    if len(met) < 2:
        return None
    try:
        return bradley_terry(wins[np.ix_(met, met)], names=[field.entrants[int(at)].label for at in met])
    except InputError as error:
        return error


def _influences(duels: _Duels, met: Integers, strength: Strengths) -> Answers:
    """Return numbers whose mean over samples moves, to first order, as each team's log strength does.

    One comparison of a with b moves the strengths by ``covariance @ (e_a - e_b) * (outcome - probability)`` (the
    influence function of maximum likelihood). Each is multiplied by the number of samples and of the comparisons of its
    sample, which the means divide by again.
    """
    place = np.searchsorted(met, duels.first), np.searchsorted(met, duels.second)
    gap = strength.theta[place[0]] - strength.theta[place[1]]
    surprise = duels.outcome - 1.0 / (1.0 + np.exp(-gap))
    samples, which, often = np.unique(duels.sample, return_inverse=True, return_counts=True)
    scale = surprise * len(samples) * often[which]
    moved = (strength.covariance[:, place[0]] - strength.covariance[:, place[1]]) * scale
    count = len(duels.outcome)
    return Answers(
        np.repeat(met, count), np.tile(duels.sample, len(met)), np.tile(duels.rater, len(met)), moved.ravel()
    )


def _strengths(name: str, field: Runs, met: Integers, fitted: Strengths, points: PairPoints) -> list[Strength]:
    return [
        Strength(
            field.entrants[int(at)].run.team,
            name,
            float(fitted.theta[row]),
            float(fitted.low[row]),
            float(fitted.high[row]),
            float(points.points[at]),
            int(points.comparisons[at]),
        )
        for row, at in enumerate(met)
    ]
