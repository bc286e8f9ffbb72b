"""What people said: judged, made into columns, and told in figures."""

from __future__ import annotations

from evalkit.board.filtering import Judged
from evalkit.board.model import Snapshot
from evalkit.leaderboard.answers import RatedColumns
from evalkit.leaderboard.model import RaterInfo, RatingsInfo
from evalkit.leaderboard.mos_columns import read_opinions
from evalkit.leaderboard.pair_columns import read_comparisons
from evalkit.leaderboard.runs import Runs
from evalkit.leaderboard.table import RunKey


def read_rated_columns(
    snapshot: Snapshot,
    field: Runs,
    judged: Judged,
    finalists: frozenset[RunKey] | None,
    *,
    draws: int,
    seed: int,
) -> RatedColumns:
    """Return the columns that people make by the challenge's method.

    Args:
        snapshot: the board.
        field: its runs.
        judged: what counts of what people said.
        finalists: whose comparisons count; ``None`` for everyone's.
        draws, seed: of the intervals.
    """
    challenge = snapshot.challenge
    if challenge.ratings.method == "mos":
        return read_opinions(challenge, field, judged.counted, draws=draws, seed=seed)
    if challenge.ratings.method == "pairs":
        return read_comparisons(challenge, field, judged.counted_pairs, finalists, draws=draws, seed=seed)
    return RatedColumns()


def ratings_info(snapshot: Snapshot, judged: Judged, people: RatedColumns) -> RatingsInfo | None:
    """Return what the columns rest on; ``None`` when the challenge asks nobody and nobody said anything."""
    method = snapshot.challenge.ratings.method
    if method == "none" and not (snapshot.ratings or snapshot.pairs):
        return None
    by_pairs = method == "pairs" or (method == "none" and not snapshot.ratings)
    summary = judged.pair_summary() if by_pairs else judged.summary()
    notes = list(people.notes)
    other = len(snapshot.ratings) if by_pairs else len(snapshot.pairs)
    if other:
        what = "ratings" if by_pairs else "comparisons"
        notes.append(f"The board also holds {other} {what}, which the challenge does not ask for.")
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
        items=people.items,
        estimator=people.estimator,
        notes=tuple(notes),
    )
