"""What the ratings of a board are worth: what counts, who rated how, estimates side by side, agreement, raters needed.

Nothing here decides anything: the leaderboard uses the challenge's estimator, and raters are left out by decisions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import numpy as np

from evalkit.board.filtering import Judged, filter_ratings
from evalkit.board.model import Decision, Snapshot
from evalkit.rating_report.dimensions import dimension_panel, rater_model
from evalkit.rating_report.model import (
    Day,
    DecisionInfo,
    GoldPanel,
    RaterInDimension,
    RaterPanel,
    RatingReport,
    Repeats,
    Screening,
)
from evalkit.rating_report.pairs import pair_panels
from evalkit.rating_report.screening import findings_of, propose_exclusions, screen
from evalkit.rating_report.tables import Video, VideoTable, by_video, video_finder
from evalkit.ratings.model import Verdict
from evalkit.text import escape_for_display

__all__ = ["RatingReport", "compute_rating_report", "propose_exclusions"]


def compute_rating_report(snapshot: Snapshot, *, draws: int = 2000, seed: int = 0) -> RatingReport:
    """Return what a report about the board's ratings says; the same board gives the same panel.

    Args:
        snapshot: the board.
        draws: resamples for the intervals of teams' scores by ``mos.plain`` and by the challenge's estimator.
        seed: of all resamples.
    """
    judged = filter_ratings(snapshot)
    rules = snapshot.challenge.ratings
    find = video_finder(snapshot)
    tables = {
        dimension.id: by_video((one for one in judged.counted if one.rating.dimension == dimension.id), find)
        for dimension in rules.dimensions
    }
    asked = {verdict.rating.dimension for verdict in judged.verdicts}
    days, undated = _days(judged)
    return RatingReport(
        summary=judged.summary(),
        pair_summary=judged.pair_summary(),
        raters=_raters(snapshot, judged, tables, find),
        dimensions=tuple(
            dimension_panel(dimension, tables[dimension.id], rules.estimator, draws=draws, seed=seed)
            for dimension in rules.dimensions
            if dimension.id in asked
        ),
        pairs=pair_panels(judged.counted_pairs),
        days=days,
        undated=undated,
        gold=_gold(snapshot, judged),
        notes=tuple(_notes(snapshot, judged)),
    )


def _raters(
    snapshot: Snapshot,
    judged: Judged,
    tables: Mapping[str, VideoTable],
    find: Callable[[Verdict], Video],
) -> tuple[RaterPanel, ...]:
    given: dict[str, list[Verdict]] = {}
    for verdict in judged.verdicts:
        given.setdefault(verdict.rating.rater, []).append(verdict)
    screened = screen(snapshot, judged)
    models = {name: _model(found) for name, found in tables.items()}
    rater_decisions, rating_decisions = snapshot.excluded("rater"), snapshot.excluded("rating")
    left_out = Counter(stored.rating.rater for stored in snapshot.ratings if stored.id in rating_decisions)
    spans: dict[str, list[float]] = {}
    for found in tables.values():
        for (rater, _), span in found.spans.items():
            spans.setdefault(rater, []).append(span)
    raters = []
    for rater, verdicts in sorted(given.items()):
        rows = _in_dimensions(rater, tables, models, screened[rater])
        decision = rater_decisions.get(rater)
        raters.append(
            RaterPanel(
                rater=rater,
                own_team=snapshot.raters.get(rater),
                ratings=len(verdicts),
                counted=sum(verdict.counted for verdict in verdicts),
                median_seconds=_median_seconds(verdicts),
                bias=_mean([row.bias for row in rows]),
                inconsistency=_mean([row.inconsistency for row in rows]),
                rest=_mean([row.rest for row in rows]),
                p913=_mean([row.p913 for row in rows]),
                most_common=_most_common(verdicts),
                repeats=_repeats(spans.get(rater, [])),
                dimensions=rows,
                screenings=screened[rater],
                decisions=() if decision is None else (_decision(decision),),
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
    screenings: Sequence[Screening],
) -> tuple[RaterInDimension, ...]:
    rest, p913 = findings_of(screenings, "rest-correlation"), findings_of(screenings, "p913")
    rows = []
    for name in tables:
        ratings, bias, inconsistency = models[name].get(rater, (0, None, None))
        if ratings or name in rest:
            statistics = (found[name].statistic if name in found else None for found in (rest, p913))
            rows.append(RaterInDimension(name, ratings, bias, inconsistency, *statistics))
    return tuple(rows)


def _median_seconds(verdicts: Sequence[Verdict]) -> float | None:
    screens: dict[str, float] = {}
    for verdict in verdicts:
        if verdict.rating.seconds is not None:
            screens.setdefault(verdict.rating.item, verdict.rating.seconds)
    return float(np.median(list(screens.values()))) if screens else None


def _most_common(verdicts: Sequence[Verdict]) -> float | None:
    values = Counter(verdict.rating.value for verdict in verdicts if "repeated" not in verdict.codes)
    return max(values.values()) / values.total() if values else None


def _repeats(spans: Sequence[float]) -> Repeats | None:
    return Repeats(len(spans), sum(spans) / len(spans)) if spans else None


def _decision(one: Decision) -> DecisionInfo:
    return DecisionInfo(one.number, one.target, one.subject, one.code, one.reason, one.by, one.at)


def _mean(numbers: Sequence[float | None]) -> float | None:
    known = [number for number in numbers if number is not None]
    return sum(known) / len(known) if known else None


def _known(number: float) -> float | None:
    return float(number) if np.isfinite(number) else None


def _days(judged: Judged) -> tuple[tuple[Day, ...], int]:
    """Return answers per day in UTC, and how many have no time."""
    answers: list[tuple[datetime | None, bool]] = [(one.rating.at, one.counted) for one in judged.verdicts]
    answers += [(one.comparison.at, one.counted) for one in judged.pair_verdicts]
    dated = [(at.astimezone(UTC).date().isoformat(), counted) for at, counted in answers if at is not None]
    every, counted = Counter(day for day, _ in dated), Counter(day for day, counts in dated if counts)
    return tuple(Day(day, every[day], counted[day]) for day in sorted(every)), len(answers) - len(dated)


def _gold(snapshot: Snapshot, judged: Judged) -> tuple[GoldPanel, ...]:
    values: dict[tuple[str, str], list[float]] = {}
    for verdict in judged.verdicts:
        if "repeated" not in verdict.codes:
            values.setdefault((verdict.rating.item, verdict.rating.dimension), []).append(verdict.rating.value)
    rows = []
    for gold in snapshot.gold:
        given = values.get((gold.item, gold.dimension), [])
        wrong = sum(not gold.low <= value <= gold.high for value in given)
        rows.append(GoldPanel(gold.item, gold.dimension, gold.low, gold.high, len(given), wrong))
    return tuple(rows)


def _notes(snapshot: Snapshot, judged: Judged) -> list[str]:
    notes = []
    if judged.verdicts and snapshot.key is None:
        what = "so no rating counts" if snapshot.challenge.ratings.blind else "so nobody knows whose video an item is"
        notes.append(f"There is no key on the board, {what}.")
    unknown = sum(verdict.rating.seconds is None for verdict in judged.verdicts)
    if unknown and judged.verdicts:
        notes.append(f"The time spent is unknown for {unknown} of {len(judged.verdicts)} ratings.")
    dimensions = {dimension.id for dimension in snapshot.challenge.ratings.dimensions}
    strange = sorted({verdict.rating.dimension for verdict in judged.verdicts} - dimensions)
    if strange:
        notes.append(
            f"Not dimensions of the challenge: {', '.join(escape_for_display(name, 60) for name in strange[:8])}."
        )
    return notes
