"""A score per item from the ratings of one dimension, by a named estimator.

See docs/definitions/ratings-statistics.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from evalkit.errors import InputError
from evalkit.statistics.arrays import Vector
from evalkit.statistics.mos import mean_scores, remove_bias, standardise
from evalkit.statistics.opinion_table import OpinionTable
from evalkit.statistics.screening import bt500, rejected_raters
from evalkit.statistics.subject_model import projected_scores


@dataclass(frozen=True, eq=False)
class EstimatedScores:
    """Scores of items, and the ratings whose means they are.

    Args:
        score: (items,) NaN where there is none.
        low, high: (items,) ends of the 95 % interval; NaN where there is none.
        table: the ratings that were used: without excluded raters, with bias removed or standardised where the
            estimator does so.
        used: the estimator; ``mos.plain`` where the declared one could not be computed.
        notes: sentences on excluded raters, and why another estimator was used.
    """

    score: Vector
    low: Vector
    high: Vector
    table: OpinionTable
    used: str
    notes: tuple[str, ...] = ()


def estimate(table: OpinionTable, estimator: str) -> EstimatedScores:
    """Return the items' scores; plain means where ``estimator`` can't be computed, with a note.

    - ``mos.plain``: the mean over raters.
    - ``mos.bias-removed``: the mean of ratings minus each rater's bias.
    - ``mos.bt500``: the mean without the raters that ITU-R BT.500 rejects.
    - ``mos.p913``: the bias removed, raters rejected by BT.500 on what remains, the mean (ITU-T P.913, 12.4).
    - ``mos.zscore``: the mean of z-scores per rater; in standard deviations, not on the scale.
    - ``mos.ap``: the rater model, solved by alternating projection.

    Args:
        table: ratings of one dimension.
        estimator: one of `ESTIMATORS`.
    """
    try:
        return ESTIMATORS[estimator](table) if len(table) else _plain(table)
    except InputError as error:
        return replace(_plain(table), notes=(f"{estimator} could not be computed, plain means are used: {error}",))


def _means(table: OpinionTable, used: str, notes: tuple[str, ...] = ()) -> EstimatedScores:
    found = mean_scores(table)
    return EstimatedScores(found.score, found.low, found.high, table, used, notes)


def _plain(table: OpinionTable) -> EstimatedScores:
    return _means(table, "mos.plain")


def _bias_removed(table: OpinionTable) -> EstimatedScores:
    return _means(remove_bias(table)[0], "mos.bias-removed")


def _bt500(table: OpinionTable) -> EstimatedScores:
    return _screened(table, "mos.bt500")


def _p913(table: OpinionTable) -> EstimatedScores:
    return _screened(remove_bias(table)[0], "mos.p913")


def _screened(table: OpinionTable, used: str) -> EstimatedScores:
    rejected = rejected_raters(bt500(table))
    notes = (f"The screening of {used} excluded {len(rejected)} of {_active(table)} raters.",) if rejected else ()
    return _means(table.without(rejected), used, notes)


def _zscore(table: OpinionTable) -> EstimatedScores:
    standard, excluded = standardise(table)
    notes: tuple[str, ...] = ()
    if excluded:
        notes = (f"{len(excluded)} of {_active(table)} raters gave one score only, which can't be standardised.",)
    return _means(standard, "mos.zscore", notes)


def _ap(table: OpinionTable) -> EstimatedScores:
    found = projected_scores(table)
    notes: tuple[str, ...] = ()
    if found.floored:
        notes = (
            f"{len(found.floored)} of {_active(table)} raters reached the smallest inconsistency of mos.ap: the "
            "scores follow those raters closely.",
        )
    unbiased = table.with_values(table.value - found.bias[table.rater])
    return EstimatedScores(found.score, found.low, found.high, unbiased, "mos.ap", notes)


def _active(table: OpinionTable) -> int:
    return len(np.unique(table.rater))


ESTIMATORS: dict[str, Callable[[OpinionTable], EstimatedScores]] = {
    "mos.plain": _plain,
    "mos.bias-removed": _bias_removed,
    "mos.bt500": _bt500,
    "mos.p913": _p913,
    "mos.zscore": _zscore,
    "mos.ap": _ap,
}
