"""The columns that raters' answers make, and what they are based on."""

from __future__ import annotations

from evalkit.board.filtering import FilteredAnswers
from evalkit.board.model import Snapshot
from evalkit.leaderboard.answers import RatedColumns
from evalkit.leaderboard.model import RaterInfo, RatingsInfo
from evalkit.leaderboard.mos_columns import read_opinions
from evalkit.leaderboard.pair_columns import read_comparisons
from evalkit.leaderboard.runs import Runs
from evalkit.leaderboard.table import RunKey
from evalkit.text import count


def read_rated_columns(
    snapshot: Snapshot,
    runs: Runs,
    filtered: FilteredAnswers,
    finalists: frozenset[RunKey] | None,
    *,
    draws: int,
    seed: int,
) -> RatedColumns:
    """Return the columns of the challenge's method of rating.

    Args:
        snapshot: the board.
        runs: its runs.
        filtered: which of its answers count.
        finalists: whose comparisons count; ``None`` for everyone's.
        draws, seed: of the intervals.
    """
    challenge = snapshot.challenge
    if challenge.ratings.method == "mos":
        return read_opinions(challenge, runs, filtered.counted("rating"), draws=draws, seed=seed)
    if challenge.ratings.method == "pairs":
        return read_comparisons(challenge, runs, filtered.counted("comparison"), finalists, draws=draws, seed=seed)
    return RatedColumns()


def ratings_info(snapshot: Snapshot, filtered: FilteredAnswers, rated: RatedColumns) -> RatingsInfo | None:
    """Return what the columns are based on; ``None`` when the challenge asks for no answers and there are none."""
    method = snapshot.challenge.ratings.method
    ratings, comparisons = filtered.summary("rating"), filtered.summary("comparison")
    if method == "none" and not snapshot.answers:
        return None
    by_pairs = method == "pairs" or (method == "none" and not ratings.total)
    summary, other = (comparisons, ratings) if by_pairs else (ratings, comparisons)
    notes = list(rated.notes)
    if other.total:
        held = f"The board also holds {count(other.total, other.kind)}"
        notes.append(f"{held}, which the challenge does not ask for: they don't count.")
    left_out = snapshot.excluded("rater")
    raters = tuple(
        RaterInfo(
            rater,
            total,
            counted,
            snapshot.raters.get(rater),
            left_out[rater].reason if rater in left_out else None,
        )
        for rater, (counted, total) in summary.raters.items()
    )
    return RatingsInfo(
        total=summary.total,
        counted=summary.counted,
        reasons={str(code): count for code, count in summary.reasons.items()},
        raters=raters,
        items=rated.items,
        estimator=rated.estimator,
        notes=tuple(notes),
    )
