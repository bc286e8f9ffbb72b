"""From ratings to scores: an opinion score per video, and per run the mean over its samples."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from evalkit.board.filtering import rated_run
from evalkit.board.model import Run
from evalkit.challenges.model import Challenge
from evalkit.leaderboard.answers import Answers, RatedColumn, RatedColumns, interval
from evalkit.leaderboard.runs import Runs
from evalkit.leaderboard.table import Cell, RunKey
from evalkit.ratings.model import AnswerVerdict
from evalkit.statistics.estimators import EstimatedScores, estimate
from evalkit.statistics.opinion_table import OpinionTable, opinion_table
from evalkit.text import count

Item = tuple[int, int]  # (run, sample) as indices


def read_opinions(
    challenge: Challenge, runs: Runs, counted: Sequence[AnswerVerdict], *, draws: int, seed: int
) -> RatedColumns:
    """Return the columns of a challenge that is rated by scores.

    A video that was shown under several anonymous ids is one item: a rater's answers to them are averaged first. A
    rating whose key entry names a run is of that run, otherwise of the team's only primary run. A run's value is the
    mean over its rated samples of the opinion score by ``ratings.estimator``. Biases and screening of raters use all
    ratings that count, those of runs that don't compete included.

    Args:
        challenge: the rules.
        runs: the runs.
        counted: the verdicts on the ratings that count.
        draws, seed: of the intervals.
    """
    gathered, lost = _gather(runs, counted)
    raters = tuple(sorted({verdict.answer.rater for verdict in counted}))
    number = {rater: at for at, rater in enumerate(raters)}
    notes = [
        f"{count(number, 'rating enters', 'ratings enter')} no score: {why}." for why, number in sorted(lost.items())
    ]
    columns = []
    items: set[tuple[str, int]] = set()
    for dimension in challenge.ratings.dimensions:
        answered = gathered.get(dimension.id, {})
        rated, table = _table(answered, number)
        items |= {(runs.entrants[at].run.team, sample) for at, sample in rated}
        found = estimate(table, challenge.ratings.estimator)
        notes += [f"{dimension.id}: {note}" for note in found.notes]
        columns.append(_column(dimension.id, runs, rated, found, draws=draws, seed=seed))
    return RatedColumns(tuple(columns), challenge.ratings.estimator, tuple(notes), items=len(items))


def _gather(
    runs: Runs, counted: Sequence[AnswerVerdict]
) -> tuple[dict[str, dict[Item, dict[str, list[float]]]], Counter[str]]:
    """Return dimension -> item -> rater -> answers, and reason -> how many ratings belong to no item."""
    gathered: dict[str, dict[Item, dict[str, list[float]]]] = defaultdict(lambda: defaultdict(dict))
    lost: Counter[str] = Counter()
    answered = [{video.sample for video in one.run.card.videos} for one in runs.entrants]
    records = [one.run for one in runs.entrants]
    known: dict[tuple[str, str | None], Run | str] = {}
    for verdict in counted:
        entry, answer = verdict.entry, verdict.answer
        if entry is None:
            lost["there is no key that says whose video they are of"] += 1
            continue
        whose = (entry.team, entry.run)
        if whose not in known:
            known[whose] = rated_run(records, *whose)
        run = known[whose]
        if isinstance(run, str):
            lost[run] += 1
            continue
        at = runs.position[run.team, run.name]
        if entry.sample not in answered[at]:
            lost["the run's scorecard does not have the sample"] += 1
            continue
        item = (at, runs.sample_index[entry.sample])
        gathered[answer.dimension][item].setdefault(answer.rater, []).append(answer.value)
    return gathered, lost


def _table(answered: dict[Item, dict[str, list[float]]], number: dict[str, int]) -> tuple[list[Item], OpinionTable]:
    """Return the rated items, sorted, and the table over them: one answer per rater and item."""
    rated = sorted(answered)
    who, what, value = [], [], []
    for at, item in enumerate(rated):
        for rater, given in answered[item].items():
            who.append(number[rater])
            what.append(at)
            value.append(math.fsum(given) / len(given))
    names = tuple(number)
    table = opinion_table(
        np.array(who, dtype=np.int64),
        np.array(what, dtype=np.int64),
        np.array(value, dtype=np.float64),
        items=len(rated),
        rater_names=names,
    )
    return rated, table


def _column(
    name: str, runs: Runs, rated: Sequence[Item], found: EstimatedScores, *, draws: int, seed: int
) -> RatedColumn:
    run = np.array([item[0] for item in rated], dtype=np.int64)
    sample = np.array([item[1] for item in rated], dtype=np.int64)
    table = found.table
    answers = Answers(run[table.item], sample[table.item], table.rater, table.value)
    known = np.isfinite(found.score)
    cells: dict[RunKey, Cell] = {}
    for at, one in enumerate(runs.entrants):
        own = known & (run == at)
        if not own.any():
            cells[one.key] = Cell(None, reason="no_ratings", coverage=0.0)
            continue
        value = float(found.score[own].mean())
        cells[one.key] = Cell(
            value,
            ci=interval(answers, at, value, draws=draws, seed=seed),
            n=int((answers.run == at).sum()),
            coverage=int(own.sum()) / len(one.run.card.videos),
        )
    items = {
        (runs.entrants[at].key, runs.samples[where]): float(score)
        for (at, where), score in zip(rated, found.score, strict=True)
        if math.isfinite(score)
    }
    return RatedColumn(name, cells, answers, items)
