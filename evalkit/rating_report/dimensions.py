"""One dimension of the rating report: scores by every estimator, agreement, and raters needed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from evalkit.challenges.rating_rules import Dimension
from evalkit.errors import EvalkitError, InputError
from evalkit.rating_report.model import (
    DimensionReport,
    EstimatorScores,
    ItemScore,
    RatersNeeded,
    TeamScore,
)
from evalkit.rating_report.tables import VideoTable
from evalkit.statistics.agreement import (
    IccForm,
    Scale,
    intraclass_correlation,
    krippendorff_alpha,
    pooled_deviation,
    raters_needed,
)
from evalkit.statistics.arrays import IntervalEstimate, Vector
from evalkit.statistics.bootstrap import two_way_interval
from evalkit.statistics.estimators import ESTIMATORS, EstimatedScores, estimate
from evalkit.statistics.mos import mean_scores
from evalkit.statistics.opinion_table import OpinionTable
from evalkit.statistics.subject_model import projected_scores

HALF_WIDTHS = (0.5, 0.25)
ALPHA_DRAWS = 500


def dimension_report(
    dimension: Dimension, found: VideoTable, declared: str, *, real: VideoTable, draws: int, seed: int
) -> DimensionReport:
    """Return the report of one dimension.

    Args:
        dimension: of the challenge.
        found: its ratings that count.
        declared: the challenge's estimator.
        real: ratings of the real videos, which don't count.
        draws: resamples for the intervals of teams' scores by ``mos.plain`` and by the declared estimator.
        seed: of all resamples.
    """
    table = found.table
    deviation = pooled_deviation(table)
    return DimensionReport(
        id=dimension.id,
        title=dimension.title,
        scale=dimension.scale,
        ratings=len(table),
        raters=len(np.unique(table.rater)),
        items=len(found.videos),
        declared=declared,
        estimators=tuple(
            _scores(name, found, draws=draws if name in {"mos.plain", declared} else 0, seed=seed)
            for name in ESTIMATORS
        ),
        alpha_ordinal=_alpha(table, "ordinal", seed),
        alpha_interval=_alpha(table, "interval", seed),
        icc_single=_icc(table, "2,1"),
        icc_mean=_icc(table, "2,k"),
        deviation=deviation,
        needed=tuple(_needed(deviation, half) for half in HALF_WIDTHS),
        no_inconsistency=rater_model(table)[2],
        real=next(iter(_scores("mos.plain", real, draws=draws, seed=seed).teams), None),
    )


def rater_model(table: OpinionTable) -> tuple[Vector, Vector, str | None]:
    """Return the raters' biases and inconsistencies (raters,), and why there are no inconsistencies.

    Both come from the model of `projected_scores`. Where that can't be computed, the bias is the mean difference to the
    items' mean scores, and the inconsistencies are NaN.
    """
    try:
        model = projected_scores(table)
    except InputError as error:
        score = mean_scores(table).score
        with np.errstate(invalid="ignore", divide="ignore"):
            bias = table.per_rater(table.value - score[table.item]) / table.per_rater()
        return bias, np.full(table.raters, np.nan), str(error)
    return model.bias, model.inconsistency, None


def _scores(name: str, found: VideoTable, *, draws: int, seed: int) -> EstimatorScores:
    if not len(found.table):
        return EstimatorScores(name, "there are no ratings")
    made = estimate(found.table, name)
    if made.used != name:
        return EstimatorScores(name, made.notes[0])
    ratings = made.table.per_item().astype(int)
    items = tuple(
        ItemScore(
            video.team,
            video.run,
            video.sample,
            _interval_estimate(made.score[at], made.low[at], made.high[at]),
            int(ratings[at]),
        )
        for at, video in enumerate(found.videos)
    )
    return EstimatorScores(name, None, made.notes, _teams(found, made, draws=draws, seed=seed), items)


def _teams(found: VideoTable, made: EstimatedScores, *, draws: int, seed: int) -> tuple[TeamScore, ...]:
    """Return the mean over items of every run; nothing where the items' teams are unknown."""
    whose = [(video.team, video.run) for video in found.videos]
    runs = sorted({run for run in whose if run[0]})
    samples = {sample: at for at, sample in enumerate(sorted({video.sample for video in found.videos}))}
    run_number = {run: at for at, run in enumerate(runs)}
    run_of = np.array([run_number.get(run, -1) for run in whose], dtype=np.int64)
    sample_of = np.array([samples[video.sample] for video in found.videos], dtype=np.int64)
    table, known = made.table, np.isfinite(made.score)
    rated_run = run_of[table.item]
    rows = []
    for at, (team, run) in enumerate(runs):
        own = known & (run_of == at)
        rated = rated_run == at
        ratings = int(rated.sum())
        if not own.any():
            rows.append(TeamScore(team, run, IntervalEstimate(None, reason="no ratings left"), 0, ratings))
            continue
        value = float(made.score[own].mean())
        ends = None
        if draws:
            of = table.keep(rated)
            ends = two_way_interval(sample_of[of.item], of.rater, of.value, value, draws=draws, seed=seed)
        why = "fewer than two samples or two raters" if draws else "not asked for"
        figure = IntervalEstimate(value, *ends) if ends else IntervalEstimate(value, reason=why)
        rows.append(TeamScore(team, run, figure, int(own.sum()), ratings))
    return tuple(rows)


def _alpha(table: OpinionTable, scale: Scale, seed: int) -> IntervalEstimate:
    rng = np.random.default_rng(seed)
    return _agreement(lambda: krippendorff_alpha(table, scale, draws=ALPHA_DRAWS, rng=rng))


def _icc(table: OpinionTable, form: IccForm) -> IntervalEstimate:
    return _agreement(lambda: intraclass_correlation(table, form))


def _agreement(compute: Callable[[], IntervalEstimate]) -> IntervalEstimate:
    try:
        return compute()
    except EvalkitError as error:
        return IntervalEstimate(None, reason=str(error))


def _needed(deviation: float | None, half_width: float) -> RatersNeeded:
    if deviation is None:
        return RatersNeeded(half_width, None, "no item has two ratings")
    try:
        return RatersNeeded(half_width, raters_needed(deviation, half_width))
    except EvalkitError as error:
        return RatersNeeded(half_width, None, str(error))


def _interval_estimate(value: float, low: float, high: float) -> IntervalEstimate:
    if not np.isfinite(value):
        return IntervalEstimate(None, reason="no ratings left")
    if not (np.isfinite(low) and np.isfinite(high)):
        return IntervalEstimate(float(value), reason="fewer than two ratings")
    return IntervalEstimate(float(value), float(low), float(high))
