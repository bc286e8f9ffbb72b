"""The report about a board's ratings as one HTML file: what counts, who rated how, estimates, agreement.

It is for the organizers and names raters by their ids, unlike the leaderboard. Everything that people wrote is foreign
text and goes through `evalkit.reports.page`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from evalkit.board.model import Decision, Snapshot
from evalkit.rating_report.model import DimensionPanel, Figure, RaterPanel, RatingReport, TeamScore
from evalkit.ratings import REASON_TITLES
from evalkit.reports.page import count, render_page
from evalkit.text import escape_for_display

ITEM_ROWS = 300  # videos of one dimension
DAY_ROWS = 60
LISTED = 200  # imports, decisions, gold items
NAMED = 8  # raters in a sentence
ESTIMATOR_WORDS = {
    "mos.plain": "plain mean",
    "mos.bias-removed": "without biases",
    "mos.bt500": "BT.500 screening",
    "mos.p913": "P.913: biases, then screening",
    "mos.zscore": "standardised (in deviations)",
    "mos.ap": "model of raters",
}
TARGET_WORDS = {
    "rater": "rater",
    "rating": "one rating",
    "pair": "one comparison",
    "run": "run",
    "team": "team",
}


@dataclass(frozen=True)
class _State:
    """What is to be done about a rater: a word, the class of its tag, and what would happen."""

    word: str
    tag: str
    order: int
    what: str


def render_ratings_report(snapshot: Snapshot, panel: RatingReport) -> str:
    """Return the page; the same board gives the same text.

    Args:
        snapshot: the board.
        panel: what `evalkit.rating_report.compute.compute_rating_report` says of it.
    """
    return render_page(
        "ratings.html",
        styles=["style.css", "ratings.css"],
        scripts=["page.js", "ratings.js"],
        images=[],
        strips={},
        strip_height=0,
        challenge=snapshot.challenge,
        rules=snapshot.challenge.ratings,
        log_number=snapshot.number,
        digest=snapshot.digest,
        at=_utc(snapshot.at),
        as_of=None if snapshot.as_of is None else _utc(snapshot.as_of),
        panel=panel,
        summary=_summary(panel),
        reasons=_reasons(panel),
        raters=[(rater, _state(rater)) for rater in panel.raters],
        dimensions=[_dimension(one) for one in panel.dimensions],
        estimator_words=ESTIMATOR_WORDS,
        day_rows=DAY_ROWS,
        most_answers=max((day.answers for day in panel.days), default=0),
        listed=LISTED,
        imports=[(one, _utc(one.at)) for one in snapshot.imports],
        decisions=[_decision(one) for one in snapshot.decisions],
        pair_rows=[(pair, _pair_axis([team.strength for team in pair.teams])) for pair in panel.pairs],
    )


def _summary(panel: RatingReport) -> str:
    parts = []
    ratings, pairs = panel.summary, panel.pair_summary
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
        return "There is no rating on the board."
    doubted = [rater.rater for rater in panel.raters if rater.rejected_by and not rater.decisions]
    left_out = sum(bool(rater.decisions) for rater in panel.raters)
    if doubted:
        names = ", ".join(escape_for_display(name, 40) for name in doubted[:NAMED])
        more = f" and {len(doubted) - NAMED} more" if len(doubted) > NAMED else ""
        parts.append(f"Screening speaks against {names}{more}, about whom nobody has decided.")
    elif panel.raters:
        parts.append("Screening speaks against nobody about whom nothing has been decided.")
    if left_out:
        parts.append(f"{count(left_out, 'rater')} left out by a decision.")
    return " ".join(parts)


def _reasons(panel: RatingReport) -> list[tuple[str, str, int, int]]:
    """Return (code, words, ratings, comparisons) of every reason that some answer has."""
    ratings, pairs = panel.summary.reasons, panel.pair_summary.reasons
    return [
        (code, words, ratings.get(code, 0), pairs.get(code, 0))
        for code, words in REASON_TITLES.items()
        if code in ratings or code in pairs
    ]


def _state(rater: RaterPanel) -> _State:
    if rater.decisions:
        return _State("left out", "error", 0, f"Decision {rater.decisions[0].number} holds; it can be taken back.")
    if rater.rejected_by:
        what = (
            f"would take out {count(rater.counted, 'rating')} that count" if rater.counted else "would change nothing"
        )
        why = "" if rater.counted else ": none of the ratings counts anyway"
        return _State("doubted", "warning", 1, f"A decision {what}{why}.")
    if not rater.counted:
        return _State("nothing counts", "", 2, "The challenge's rules let none of the ratings count.")
    return _State("counts", "ok", 3, "Nothing.")


def _dimension(one: DimensionPanel) -> dict[str, Any]:
    """Return a dimension with its estimators' figures in rows: per team and run, and per video."""
    usable = [scores for scores in one.estimators if scores.reason is None]
    by_team = [{(team.team, team.run): team for team in scores.teams} for scores in usable]
    by_item = [{(item.team, item.run, item.sample): item for item in scores.items} for scores in usable]
    declared = next((at for at, scores in enumerate(usable) if scores.estimator == one.declared), None)
    declared = declared if declared is not None else 0
    runs = sorted({key for found in by_team for key in found})
    videos = sorted({key for found in by_item for key in found})
    team_rows = [(key, [found.get(key) for found in by_team]) for key in runs]
    if usable:  # best first, by the estimator that the challenge declares
        team_rows.sort(key=lambda row: _worst_last(row[1][declared]))
    several = len({team for team, _ in runs}) < len(runs)
    return {
        "panel": one,
        "usable": usable,
        "unusable": [scores for scores in one.estimators if scores.reason is not None],
        "notes": [(scores.estimator, note) for scores in usable for note in scores.notes],
        "teams": [
            (team, run if several else "", _axis(cells[declared], one, usable[declared].estimator), cells)
            for (team, run), cells in team_rows
        ],
        "drawn": usable[declared].estimator if usable else None,
        "videos": [
            (team, run if several else "", sample, [found.get((team, run, sample)) for found in by_item])
            for team, run, sample in videos[:ITEM_ROWS]
        ],
        "more_videos": max(0, len(videos) - ITEM_ROWS),
        "agreement": _agreement(one),
    }


def _agreement(one: DimensionPanel) -> list[tuple[str, Figure]]:
    rows = [
        ("Krippendorff's alpha, ordinal", one.alpha_ordinal),
        ("Krippendorff's alpha, interval", one.alpha_interval),
    ]
    if one.icc_single == one.icc_panel:  # the same reason why there is none
        return [*rows, ("ICC(2,1) and ICC(2,k)", one.icc_single)]
    return [*rows, ("ICC(2,1), one rater", one.icc_single), ("ICC(2,k), mean of the panel", one.icc_panel)]


def _worst_last(cell: TeamScore | None) -> tuple[bool, float]:
    value = None if cell is None else cell.score.value
    return (value is None, -(value or 0.0))


def _axis(cell: TeamScore | None, one: DimensionPanel, estimator: str) -> dict[str, float] | None:
    """Return where a score and its interval lie on the scale, in percent; none for standardised scores."""
    if cell is None or estimator == "mos.zscore":
        return None
    return _places(cell.score, *map(float, one.scale))


def _pair_axis(strengths: Sequence[Figure]) -> list[dict[str, float] | None]:
    """Return the same for log strengths, on an axis that all of them share."""
    ends = [abs(end) for one in strengths for end in (one.low, one.high) if end is not None]
    reach = max(ends, default=0.0) or 1.0
    return [_places(one, -reach, reach) for one in strengths]


def _places(figure: Figure, left: float, right: float) -> dict[str, float] | None:
    if figure.value is None:
        return None

    def place(number: float) -> float:
        return round(100 * min(max((number - left) / (right - left), 0.0), 1.0), 2)

    at = place(figure.value)
    low, high = (place(end) if end is not None else at for end in (figure.low, figure.high))
    return {"at": min(max(at - 0.5, 0.0), 99.0), "from": low, "width": max(high - low, 0.6)}


def _decision(one: Decision) -> dict[str, Any]:
    state = "holds"
    if one.revoked_at is not None:
        state = f"taken back at {_utc(one.revoked_at)} by {one.revoked_by or 'somebody'}"
        state += f": {one.revoked_why}" if one.revoked_why else ""
    return {"one": one, "target": TARGET_WORDS[one.target], "at": _utc(one.at), "state": state, "holds": one.holds}


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
