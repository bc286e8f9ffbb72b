"""The report about a board's ratings as one HTML file: what counts, who rated how, estimates, agreement.

For the organizers it names raters by their ids and says what the screening rules find; the public page has neither.
Names, reasons and notes are foreign text; `evalkit.reports.page` escapes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from evalkit.board.model import Snapshot
from evalkit.rating_report.model import DimensionReport, RaterReport, RatingReport, TeamScore
from evalkit.rating_report.screening import asked_kind
from evalkit.ratings import REASON_TITLES
from evalkit.reports.audience import Audience, ratings_for
from evalkit.reports.page import listed, render_page
from evalkit.statistics.arrays import IntervalEstimate
from evalkit.text import count, escape_for_display

ITEM_ROWS = 300  # videos of one dimension
DAY_ROWS = 60
TABLE_ROWS = 200  # imports, decisions, gold items
NAMED_RATERS = 8  # in a sentence
ESTIMATOR_WORDS = {
    "mos.plain": "plain mean",
    "mos.bias-removed": "bias removed",
    "mos.bt500": "BT.500 screening",
    "mos.p913": "P.913: bias removed, then screening",
    "mos.zscore": "z-scores (in standard deviations)",
    "mos.ap": "rater model",
}
TARGET_WORDS = {
    "rater": "rater",
    "answer": "one answer",
    "run": "run",
    "team": "team",
}


@dataclass(frozen=True)
class _RaterState:
    """The state of a rater: a word, the CSS class of its tag, its sorting order, and what a decision would change."""

    word: str
    tag: str
    order: int
    effect: str


def render_ratings_report(snapshot: Snapshot, report: RatingReport, audience: Audience = "public") -> str:
    """Return the page; the same board gives the same text.

    Args:
        snapshot: the board.
        report: from `evalkit.rating_report.compute.compute_rating_report`.
        audience: who may see it.
    """
    snapshot, report = ratings_for(audience, snapshot, report)
    answers = asked_kind(snapshot)
    return render_page(
        "ratings",
        audience=audience,
        snapshot=snapshot,
        challenge=snapshot.challenge,
        rules=snapshot.challenge.ratings,
        report=report,
        summary=_summary(report),
        reasons=_reasons(report),
        raters=[(rater, _state(rater, answers)) for rater in report.raters],
        answers=answers,
        dimensions=[_dimension(one) for one in report.dimensions],
        estimator_words=ESTIMATOR_WORDS,
        day_rows=DAY_ROWS,
        most_answers=max((day.answers for day in report.days), default=0),
        table_rows=TABLE_ROWS,
        target_words=TARGET_WORDS,
        pair_rows=[(pair, _pair_axis([team.strength for team in pair.teams])) for pair in report.comparisons],
    )


def _summary(report: RatingReport) -> str:
    parts = []
    ratings, pairs = report.summary, report.comparison_summary
    if ratings.total:
        raters = sum(counted > 0 for counted, _ in ratings.raters.values())
        parts.append(
            f"{ratings.counted} of {count(ratings.total, 'rating')} count: {count(raters, 'rater')}, "
            f"{count(ratings.items, 'item')}."
        )
    if pairs.total:
        raters = sum(counted > 0 for counted, _ in pairs.raters.values())
        parts.append(
            f"{pairs.counted} of {count(pairs.total, 'comparison')} count: {count(raters, 'rater')}, "
            f"{count(pairs.items, 'sample')}."
        )
    if not parts:
        return "There are no ratings on the board."
    flagged = [rater.rater for rater in report.raters if rater.rejected_by and not rater.decisions]
    excluded = sum(bool(rater.decisions) for rater in report.raters)
    if flagged:
        names = listed([escape_for_display(name, 40) for name in flagged], NAMED_RATERS)
        parts.append(f"Screening rejects {names}; no decision has been made yet.")
    elif report.raters:
        parts.append("Screening rejects no rater who is not yet excluded.")
    if excluded:
        parts.append(f"{count(excluded, 'rater')} excluded by a decision.")
    return " ".join(parts)


def _reasons(report: RatingReport) -> list[tuple[str, str, int, int]]:
    """Return (code, words, ratings, comparisons) of every reason why answers don't count."""
    ratings, pairs = report.summary.reasons, report.comparison_summary.reasons
    return [
        (code, words, ratings.get(code, 0), pairs.get(code, 0))
        for code, words in REASON_TITLES.items()
        if code in ratings or code in pairs
    ]


def _state(rater: RaterReport, answers: str) -> _RaterState:
    if rater.decisions:
        return _RaterState("excluded", "error", 0, f"Decision {rater.decisions[0].number} holds; it can be revoked.")
    if rater.rejected_by:
        if rater.counted:
            effect = f"A decision would exclude {count(rater.counted, answers)} that count."
        else:
            effect = "A decision would change nothing: none of the ratings counts anyway."
        return _RaterState("flagged", "warning", 1, effect)
    if not rater.counted:
        return _RaterState("nothing counts", "", 2, "No rating counts by the challenge's rules.")
    return _RaterState("counts", "ok", 3, "Nothing to do.")


def _dimension(one: DimensionReport) -> dict[str, Any]:
    """Return a dimension with the scores of its estimators in rows: per team and run, and per video."""
    usable = [scores for scores in one.estimators if scores.reason is None]
    by_team = [{(team.team, team.run): team for team in scores.teams} for scores in usable]
    by_item = [{(item.team, item.run, item.sample): item for item in scores.items} for scores in usable]
    declared = next((at for at, scores in enumerate(usable) if scores.estimator == one.declared), None)
    declared = declared if declared is not None else 0
    runs = sorted({key for found in by_team for key in found})
    videos = sorted({key for found in by_item for key in found})
    team_rows = [(key, [found.get(key) for found in by_team]) for key in runs]
    if usable:  # best first, by the estimator that the challenge declares
        team_rows.sort(key=lambda row: _best_first(row[1][declared]))
    several = len({team for team, _ in runs}) < len(runs)
    return {
        "report": one,
        "usable": usable,
        "unusable": [scores for scores in one.estimators if scores.reason is not None],
        "notes": [(scores.estimator, note) for scores in usable for note in scores.notes],
        "teams": [
            (team, run if several else "", _axis(cells[declared], one, usable[declared].estimator), cells)
            for (team, run), cells in team_rows
        ],
        "shown": usable[declared].estimator if usable else None,
        "videos": [
            (team, run if several else "", sample, [found.get((team, run, sample)) for found in by_item])
            for team, run, sample in videos[:ITEM_ROWS]
        ],
        "more_videos": max(0, len(videos) - ITEM_ROWS),
        "agreement": _agreement(one),
    }


def _agreement(one: DimensionReport) -> list[tuple[str, IntervalEstimate]]:
    rows = [
        ("Krippendorff's alpha, ordinal", one.alpha_ordinal),
        ("Krippendorff's alpha, interval", one.alpha_interval),
    ]
    if one.icc_single == one.icc_mean:  # the same reason why there is none
        return [*rows, ("ICC(2,1) and ICC(2,k)", one.icc_single)]
    return [*rows, ("ICC(2,1), one rater", one.icc_single), ("ICC(2,k), mean of all raters", one.icc_mean)]


def _best_first(cell: TeamScore | None) -> tuple[bool, float]:
    value = None if cell is None else cell.score.value
    return (value is None, -(value or 0.0))


def _axis(cell: TeamScore | None, one: DimensionReport, estimator: str) -> dict[str, float] | None:
    """Return where a score and its interval lie on the scale, in percent; none for standardised scores."""
    if cell is None or estimator == "mos.zscore":
        return None
    return _axis_positions(cell.score, *map(float, one.scale))


def _pair_axis(strengths: Sequence[IntervalEstimate]) -> list[dict[str, float] | None]:
    """Return the same for log strengths, on an axis that all of them share."""
    ends = [abs(end) for one in strengths for end in (one.low, one.high) if end is not None]
    reach = max(ends, default=0.0) or 1.0
    return [_axis_positions(one, -reach, reach) for one in strengths]


def _axis_positions(figure: IntervalEstimate, left: float, right: float) -> dict[str, float] | None:
    if figure.value is None:
        return None

    def position(number: float) -> float:
        return round(100 * min(max((number - left) / (right - left), 0.0), 1.0), 2)

    at = position(figure.value)
    low, high = (position(end) if end is not None else at for end in (figure.low, figure.high))
    return {"at": min(max(at - 0.5, 0.0), 99.0), "from": low, "width": max(high - low, 0.6)}
