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
from evalkit.text import count, escape_for_display

ESTIMATOR = "pairs.bradley-terry"


@dataclass(frozen=True, eq=False)
class _IndexedComparisons:
    """Comparisons of one dimension: teams, samples and raters as indices, points of the first; one length."""

    first: Integers
    second: Integers
    outcome: Floats
    sample: Integers
    rater: Integers


def read_comparisons(
    challenge: Challenge,
    runs: Runs,
    counted: Sequence[AnswerVerdict],
    finalists: frozenset[RunKey] | None,
    *,
    draws: int,
    seed: int,
) -> RatedColumns:
    """Return the columns of a challenge that is decided by comparisons.

    The column ``pairs`` holds each team's share of its possible points (win 1, draw 0.5, loss 0). A dimension holds the
    log strength of the Bradley-Terry model, which takes opponents into account; where none can be fitted, the share.
    Comparisons count between the only competing runs of two teams; all others enter no score.

    Args:
        challenge: the rules.
        runs: the runs.
        counted: the verdicts on the comparisons that count.
        finalists: the runs of the final phase; only comparisons between them count. ``None`` for all runs.
        draws, seed: of the intervals.
    """
    run_of, several = _competing_run(runs)
    allowed = {team: at for team, at in run_of.items() if finalists is None or runs.entrants[at].key in finalists}
    raters = {rater: at for at, rater in enumerate(sorted({one.answer.rater for one in counted}))}
    entering = [one.answer for one in counted if allowed.keys() >= set(one.answer.teams)]
    notes = [
        f"Team '{escape_for_display(team)}' has several runs that compete; comparisons name teams only, "
        "so none enters a score."
        for team in several
    ]
    if len(entering) < len(counted):
        who = "teams that compete" if finalists is None else "finalists"
        lost = len(counted) - len(entering)
        entered, they = count(lost, "comparison enters", "comparisons enter"), "it is" if lost == 1 else "they are"
        notes.append(f"{entered} no score: {they} not between two {who}.")
    columns, strengths = [], []
    dimensions = [(dimension.id, dimension.id) for dimension in challenge.ratings.dimensions] or [(PAIRS, "")]
    for name, asked in dimensions:
        compared = _indexed([one for one in entering if one.dimension == asked], allowed, runs, raters)
        column, fitted, sentences = _column(name, runs, compared, finalists, draws=draws, seed=seed)
        columns.append(column)
        strengths += fitted
        notes += sentences
    items = {(team, one.item) for one in entering for team in one.teams}
    return RatedColumns(tuple(columns), ESTIMATOR, tuple(notes), tuple(strengths), len(items))


def _competing_run(runs: Runs) -> tuple[dict[str, int], list[str]]:
    """Return team -> its only competing run, and the teams with several."""
    found: dict[str, list[int]] = {}
    for at, one in enumerate(runs.entrants):
        if one.competes:
            found.setdefault(one.run.team, []).append(at)
    single = {team: places[0] for team, places in found.items() if len(places) == 1}
    return single, [team for team in found if team not in single]


def _indexed(
    chosen: Sequence[Answer], run_of: dict[str, int], runs: Runs, raters: dict[str, int]
) -> _IndexedComparisons:
    # Sorted, so that no result depends on the order of the answers.
    rows = sorted(
        (*(run_of[team] for team in one.teams), one.value, runs.sample_index[one.item], raters[one.rater])
        for one in chosen
    )
    whole = np.array([(a, b, sample, rater) for a, b, _, sample, rater in rows], dtype=np.int64).reshape(-1, 4)
    outcome = np.array([row[2] for row in rows], dtype=np.float64)
    return _IndexedComparisons(whole[:, 0], whole[:, 1], outcome, whole[:, 2], whole[:, 3])


def _column(
    name: str, runs: Runs, compared: _IndexedComparisons, finalists: frozenset[RunKey] | None, *, draws: int, seed: int
) -> tuple[RatedColumn, list[Strength], list[str]]:
    """Return one column, the strengths behind it, and notes on it."""
    wins = win_matrix(compared.first, compared.second, compared.outcome, len(runs.entrants))
    met = np.flatnonzero((wins + wins.T).sum(axis=1) > 0)
    points = pair_points(wins, [int(at) for at in met])
    notes = []
    if len(met) and not points.balanced:
        why = "The teams did not meet equally often: a share of points depends on the opponents too."
        notes.append(f"{name}: {why}")
    fitted = _fit(wins, met, runs)
    if isinstance(fitted, InputError):
        notes.append(f"{name}: {fitted}")
        fitted = None
    strength = fitted if name != PAIRS else None
    if strength is not None:
        values = np.full(len(runs.entrants), np.nan)
        values[met] = strength.theta
        answers = _influences(compared, met, strength)
    else:
        values = points.share
        rated = comparisons_as_ratings(
            compared.first, compared.second, compared.outcome, video=compared.sample, rater=compared.rater, column=0
        )
        answers = Answers(rated.team, rated.video, rated.rater, rated.value)
        if name != PAIRS and len(met):
            notes.append(f"{name}: shares of points replace the strengths.")
    cells: dict[RunKey, Cell] = {}
    for at, one in enumerate(runs.entrants):
        if at not in met:
            outside = finalists is not None and one.competes and one.key not in finalists
            cells[one.key] = Cell(None, reason="not_a_finalist" if outside else "no_comparisons", coverage=0.0)
            continue
        samples = {int(sample) for sample in compared.sample[(compared.first == at) | (compared.second == at)]}
        cells[one.key] = Cell(
            float(values[at]),
            ci=interval(answers, at, float(values[at]), draws=draws, seed=seed),
            n=int(points.comparisons[at]),
            coverage=len(samples) / max(1, len(runs.samples)),
        )
    strengths = [] if fitted is None else _strengths(name, runs, met, fitted, points)
    unit = "log strength" if strength is not None else ""
    return RatedColumn(name, cells, answers, unit=unit), strengths, notes


def _fit(wins: Floats, met: Integers, runs: Runs) -> Strengths | InputError | None:
    if len(met) < 2:
        return None
    try:
        return bradley_terry(wins[np.ix_(met, met)], names=[runs.entrants[int(at)].label for at in met])
    except InputError as error:
        return error


def _influences(compared: _IndexedComparisons, met: Integers, strength: Strengths) -> Answers:
    """Return numbers whose mean over samples changes, to first order, as each team's log strength does.

    One comparison of a with b changes the strengths by ``covariance @ (e_a - e_b) * (outcome - probability)`` (the
    influence function of maximum likelihood). Each is multiplied by the number of samples and of the comparisons of its
    sample, which the means divide by again.
    """
    place = np.searchsorted(met, compared.first), np.searchsorted(met, compared.second)
    gap = strength.theta[place[0]] - strength.theta[place[1]]
    surprise = compared.outcome - 1.0 / (1.0 + np.exp(-gap))
    samples, which, often = np.unique(compared.sample, return_inverse=True, return_counts=True)
    scale = surprise * len(samples) * often[which]
    changes = (strength.covariance[:, place[0]] - strength.covariance[:, place[1]]) * scale
    count = len(compared.outcome)
    return Answers(
        np.repeat(met, count), np.tile(compared.sample, len(met)), np.tile(compared.rater, len(met)), changes.ravel()
    )


def _strengths(name: str, runs: Runs, met: Integers, fitted: Strengths, points: PairPoints) -> list[Strength]:
    return [
        Strength(
            runs.entrants[int(at)].run.team,
            name,
            float(fitted.theta[row]),
            float(fitted.low[row]),
            float(fitted.high[row]),
            float(points.points[at]),
            int(points.comparisons[at]),
        )
        for row, at in enumerate(met)
    ]
