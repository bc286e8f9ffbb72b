"""The report on a board's ratings: what counts, the raters, scores by every estimator, agreement, raters needed.

It changes nothing: the leaderboard uses the challenge's estimator, and raters are excluded by decisions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC

from evalkit.board.filtering import filter_answers
from evalkit.board.model import Snapshot
from evalkit.rating_report.comparisons import comparison_reports
from evalkit.rating_report.dimensions import dimension_report
from evalkit.rating_report.model import AnswersOfDay, GoldItemReport, RatingReport
from evalkit.rating_report.raters import rater_reports
from evalkit.rating_report.tables import by_video, video_finder
from evalkit.ratings.model import Answer, AnswerVerdict
from evalkit.ratings.sides import REFERENCE
from evalkit.statistics import BOOTSTRAP_DRAWS
from evalkit.text import count, escape_for_display


def compute_rating_report(snapshot: Snapshot, *, draws: int = BOOTSTRAP_DRAWS, seed: int = 0) -> RatingReport:
    """Return the report on the board's ratings; the same board gives the same report.

    Args:
        snapshot: the board.
        draws: resamples for the intervals of teams' scores by ``mos.plain`` and by the challenge's estimator.
        seed: of all resamples.
    """
    filtered = filter_answers(snapshot)
    ratings, counted = filtered.of("rating"), filtered.counted("rating")
    rules = snapshot.challenge.ratings
    find = video_finder(snapshot)
    tables = {
        dimension.id: by_video((one for one in counted if one.answer.dimension == dimension.id), find)
        for dimension in rules.dimensions
    }
    asked = {verdict.answer.dimension for verdict in ratings}
    days, undated = _days(filtered.verdicts)
    return RatingReport(
        summary=filtered.summary("rating"),
        comparison_summary=filtered.summary("comparison"),
        raters=rater_reports(snapshot, filtered, tables),
        dimensions=tuple(
            dimension_report(
                dimension,
                tables[dimension.id],
                rules.estimator,
                real=by_video(_of_real_videos(ratings, dimension.id), find),
                draws=draws,
                seed=seed,
            )
            for dimension in rules.dimensions
            if dimension.id in asked
        ),
        comparisons=comparison_reports(filtered.of("comparison"), draws=draws, seed=seed),
        days=days,
        undated=undated,
        gold=(*_gold(snapshot, ratings), *_gold_pairs(snapshot, filtered.of("comparison"))),
        notes=tuple(_notes(snapshot, ratings)),
    )


def _days(verdicts: Sequence[AnswerVerdict]) -> tuple[tuple[AnswersOfDay, ...], int]:
    """Return answers per day in UTC, and how many have no time."""
    dated = [
        (one.answer.at.astimezone(UTC).date().isoformat(), one.counted) for one in verdicts if one.answer.at is not None
    ]
    every, counted = Counter(day for day, _ in dated), Counter(day for day, counts in dated if counts)
    return tuple(AnswersOfDay(day, every[day], counted[day]) for day in sorted(every)), len(verdicts) - len(dated)


def _gold(snapshot: Snapshot, ratings: Sequence[AnswerVerdict]) -> tuple[GoldItemReport, ...]:
    values: dict[tuple[str, str], list[float]] = {}
    for verdict in ratings:
        if "repeated" not in verdict.codes:
            answer = verdict.answer
            values.setdefault((answer.item, answer.dimension), []).append(answer.value)
    rows = []
    for gold in snapshot.gold:
        given = values.get((gold.item, gold.dimension), [])
        wrong = sum(not gold.low <= value <= gold.high for value in given)
        rows.append(GoldItemReport(gold.item, gold.dimension, gold.low, gold.high, len(given), wrong))
    return tuple(rows)


def _gold_pairs(snapshot: Snapshot, comparisons: Sequence[AnswerVerdict]) -> tuple[GoldItemReport, ...]:
    given: dict[tuple[str, str, frozenset[str]], list[Answer]] = {}
    for verdict in comparisons:
        if "repeated" not in verdict.codes:
            answer = verdict.answer
            given.setdefault((answer.item, answer.dimension, frozenset(answer.teams)), []).append(answer)
    rows = []
    for pair in snapshot.gold_pairs:
        found = given.get((pair.sample, pair.dimension, frozenset(pair.sides)), [])
        wrong = sum(not pair.is_right(one.teams[0], one.value) for one in found)
        about = (pair.sample, pair.dimension, pair.low, pair.high)
        rows.append(GoldItemReport(*about, len(found), wrong, pair.sides, pair.draw))
    return tuple(rows)


def _of_real_videos(ratings: Sequence[AnswerVerdict], dimension: str) -> Iterator[AnswerVerdict]:
    """Yield the ratings of hidden real videos that no rule and no decision rejects, but that they rank nobody."""
    for one in ratings:
        real = one.entry is not None and one.entry.team == REFERENCE
        if real and one.codes == ("not-ranked",) and one.answer.dimension == dimension:
            yield one


def _notes(snapshot: Snapshot, ratings: Sequence[AnswerVerdict]) -> list[str]:
    notes = []
    if ratings and snapshot.key is None:
        what = "so no rating counts" if snapshot.challenge.ratings.blind else "so the team of an item is unknown"
        notes.append(f"There is no key on the board, {what}.")
    unknown = sum(verdict.answer.seconds is None for verdict in ratings)
    if unknown:
        notes.append(f"The time spent is unknown for {unknown} of {count(len(ratings), 'rating')}.")
    dimensions = {dimension.id for dimension in snapshot.challenge.ratings.dimensions}
    strange = sorted({verdict.answer.dimension for verdict in ratings} - dimensions)
    if strange:
        notes.append(
            f"Not dimensions of the challenge: {', '.join(escape_for_display(name, 60) for name in strange[:8])}."
        )
    return notes
