"""The raters in a report: how each rates, what the screening rules find, and the decisions on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from evalkit.board.filtering import FilteredAnswers
from evalkit.board.model import Snapshot
from evalkit.rating_report.dimensions import rater_model
from evalkit.rating_report.model import RaterInDimension, RaterReport, RepeatedAnswers, ScreeningResult
from evalkit.rating_report.screening import asked_kind, screen
from evalkit.rating_report.tables import VideoTable, shown_item
from evalkit.ratings.model import AnswerVerdict


def rater_reports(
    snapshot: Snapshot, filtered: FilteredAnswers, tables: Mapping[str, VideoTable]
) -> tuple[RaterReport, ...]:
    """Return the report of each rater, sorted by id: of ratings, or of comparisons where the challenge asks for them.

    Args:
        snapshot: the board.
        filtered: which of its answers count.
        tables: dimension -> the ratings that count, by video.
    """
    given: dict[str, list[AnswerVerdict]] = {}
    kind = asked_kind(snapshot)
    ratings = filtered.of(kind)
    for verdict in ratings:
        given.setdefault(verdict.answer.rater, []).append(verdict)
    screened = screen(snapshot, filtered)
    models = {name: _model(found) for name, found in tables.items()}
    rater_decisions, answer_decisions = snapshot.excluded("rater"), snapshot.excluded("answer")
    left_out = Counter(
        verdict.answer.rater for verdict in ratings if answer_decisions and verdict.answer.id in answer_decisions
    )
    spans = _pair_spans(ratings) if kind == "comparison" else {}
    for found in tables.values():
        for (rater, _), span in found.spans.items():
            spans.setdefault(rater, []).append(span)
    raters = []
    for rater, verdicts in sorted(given.items()):
        rows = _in_dimensions(rater, tables, models, screened[rater])
        decision = rater_decisions.get(rater)
        raters.append(
            RaterReport(
                rater=rater,
                own_team=snapshot.raters.get(rater),
                ratings=len(verdicts),
                counted=sum(verdict.counted for verdict in verdicts),
                median_seconds=_median_seconds(verdicts),
                bias=_mean([row.bias for row in rows]),
                inconsistency=_mean([row.inconsistency for row in rows]),
                rest_correlation=_mean([row.rest_correlation for row in rows]),
                p913_correlation=_mean([row.p913_correlation for row in rows]),
                most_common_share=_most_common_share(verdicts),
                repeats=_repeats(spans.get(rater, [])),
                dimensions=rows,
                screenings=screened[rater],
                decisions=() if decision is None else (decision,),
                excluded_ratings=left_out[rater],
            )
        )
    return tuple(raters)


def _model(found: VideoTable) -> dict[str, tuple[int, float | None, float | None]]:
    """Return rater -> (ratings that count, bias, inconsistency)."""
    if not len(found.table):
        return {}
    bias, inconsistency, _ = rater_model(found.table)
    counts = found.table.per_rater()
    return {
        rater: (int(counts[at]), _known(bias[at]), _known(inconsistency[at])) for at, rater in enumerate(found.raters)
    }


def _in_dimensions(
    rater: str,
    tables: Mapping[str, VideoTable],
    models: Mapping[str, Mapping[str, tuple[int, float | None, float | None]]],
    screenings: Sequence[ScreeningResult],
) -> tuple[RaterInDimension, ...]:
    verdicts = {screening.rule: screening.by_dimension for screening in screenings}
    rows = []
    for name in tables:
        ratings, bias, inconsistency = models[name].get(rater, (0, None, None))
        if ratings or name in verdicts["rest-correlation"]:
            found = (verdicts[rule].get(name) for rule in ("rest-correlation", "p913"))
            statistics = (None if verdict is None else verdict.statistic for verdict in found)
            rows.append(RaterInDimension(name, ratings, bias, inconsistency, *statistics))
    return tuple(rows)


def _median_seconds(verdicts: Sequence[AnswerVerdict]) -> float | None:
    screens: dict[str, float] = {}
    for verdict in verdicts:
        if verdict.answer.seconds is not None:
            screens.setdefault(shown_item(verdict.answer), verdict.answer.seconds)
    return float(np.median(list(screens.values()))) if screens else None


def _pair_spans(verdicts: Sequence[AnswerVerdict]) -> dict[str, list[float]]:
    """Return rater -> of each two videos that the rater compared again, the largest difference in points."""
    points: dict[tuple[str, str, str, tuple[str, ...]], list[float]] = {}
    for verdict in verdicts:
        answer = verdict.answer
        if set(verdict.codes) <= {"duplicate"}:
            sides = tuple(sorted(answer.teams))
            of_first = answer.value if answer.teams == sides else 1 - answer.value
            points.setdefault((answer.rater, answer.item, answer.dimension, sides), []).append(of_first)
    found: dict[str, list[float]] = {}
    for (rater, *_), given in points.items():
        if len(given) > 1:
            found.setdefault(rater, []).append(max(given) - min(given))
    return found


def _most_common_share(verdicts: Sequence[AnswerVerdict]) -> float | None:
    values = Counter(verdict.answer.value for verdict in verdicts if "repeated" not in verdict.codes)
    return max(values.values()) / values.total() if values else None


def _repeats(spans: Sequence[float]) -> RepeatedAnswers | None:
    return RepeatedAnswers(len(spans), sum(spans) / len(spans)) if spans else None


def _mean(numbers: Sequence[float | None]) -> float | None:
    known = [number for number in numbers if number is not None]
    return sum(known) / len(known) if known else None


def _known(number: float) -> float | None:
    return float(number) if np.isfinite(number) else None
