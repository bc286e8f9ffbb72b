"""The columns of a hosted leaderboard: first those that say which run counts, then the challenge's measured ones."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from evalkit.challenges.model import Challenge
from evalkit.errors import ChallengeError
from evalkit.leaderboard.columns import read_columns, shown_order
from evalkit.leaderboard.runs import Runs
from evalkit.leaderboard.scoring_rules import Method, ScoringPlan, effective_weights
from evalkit.leaderboard.table import Column
from evalkit.metrics.base import metric_registry
from evalkit.speed.model import FAMILY
from evalkit.text import escape_for_display

COMPLETE, SCORE = "complete", "score"
NAME_LENGTH = 36  # characters of a column's title and key on Codabench, the shorter of the two platforms
_NO_MARKUP = str.maketrans("<>&{}`", "\u2039\u203a+()'")
_NARROW = 4.0  # width of a metric's range that needs four digits


@dataclass(frozen=True)
class HostColumn:
    """One column of a hosted leaderboard.

    Args:
        key: small letters, digits and underscores, at most 36.
        title: at most 36 characters; no two columns have the same.
        higher_is_better: whether the highest value is the best; a diagnostic without a better side says yes.
        precision: digits behind the point.
        about: one sentence for readers.
        metric: id of the metric; ``None`` for a column that is computed from the others.
        counts: whether a run needs a value here to be ranked.
    """

    key: str
    title: str
    higher_is_better: bool
    precision: int
    about: str
    metric: str | None = None
    counts: bool = False


def measured_columns(challenge: Challenge) -> tuple[Column, ...]:
    """Return the challenge's metrics as the leaderboard shows them: by group, those that rank first.

    Raises:
        ChallengeError: without metrics, for one that ranks although nothing says which values are better, or for a
            ranking by groups of people, which a platform can't make.
    """
    if challenge.fairness.rule != "none":
        raise ChallengeError(
            "A platform ranks by means over all videos, and this challenge ranks by groups of people.",
            found=f"fairness.rule: {challenge.fairness.rule}",
            fix="Leave 'fairness' out of the hosted challenge, and rank by groups on a board of your own.",
        )
    columns = tuple(one for one in shown_order(read_columns(challenge, Runs(()))) if one.kind == "metric")
    if not columns:
        raise ChallengeError(
            "The challenge measures nothing, so a platform has nothing to score.",
            found="no metrics",
            fix="Name metrics in the challenge.",
        )
    for column in columns:
        if column.counts and column.higher_is_better is None:
            raise ChallengeError(
                f"The metric {column.id} ranks, and nothing says which values are better.",
                fix="Write 'direction: higher' or 'direction: lower' beside it, or 'rank: false'.",
            )
    return columns


def counting_columns(challenge: Challenge, columns: Sequence[Column]) -> tuple[Column, ...]:
    """Return the measured columns that change the ranking, with the weights of their groups.

    Speed that only the organizers measure is not known when a submission is scored: it counts later.
    """
    counting = [column for column in columns if column.counts and not measured_later(challenge, column.id)]
    groups = challenge.ranking_rules.group_weights
    shares = effective_weights(_method(challenge), counting, groups.model_dump() if groups else None)
    return tuple(column for column, share in zip(counting, shares, strict=True) if share > 0)


def weighted_sum(challenge: Challenge, columns: Sequence[Column]) -> ScoringPlan | None:
    """Return the weighted sum of the measured columns, where the challenge ranks (or shortlists) by one.

    It is the one rule whose score depends on nobody else, so the one that a scoring program can compute.
    """
    counting = counting_columns(challenge, columns)
    if _method(challenge) != "weighted-sum" or not counting or any(column.range is None for column in counting):
        return None
    groups = challenge.ranking_rules.group_weights
    return ScoringPlan("weighted-sum", counting, groups.model_dump() if groups else None)


def host_columns(challenge: Challenge) -> tuple[HostColumn, ...]:
    """Return the columns of the hosted leaderboard in their order.

    Raises:
        ChallengeError: as `measured_columns`.
    """
    columns = measured_columns(challenge)
    counting = {column.id for column in counting_columns(challenge, columns)}
    plan = weighted_sum(challenge, columns)
    made = [
        HostColumn(
            COMPLETE,
            "Complete",
            True,
            4,
            "1: the run is ranked. Less: the share of the samples needed for it that have values, in the ranking "
            "column with the fewest.",
        )
    ]
    if plan is not None:
        about = "Weighted mean of the ranking columns, each from 0 to 1 by its range."
        made.append(HostColumn(SCORE, "Score", True, 4, about, counts=True))
    keys, titles = {one.key for one in made}, {one.title for one in made}
    for column in columns:
        key = _fresh(_key(column.id), keys)
        title = _fresh(_title(column.published_as or column.title or column.id), titles)
        better = column.higher_is_better
        side = "Neither side is better" if better is None else f"{'Higher' if better else 'Lower'} is better"
        unit = f", in {escape_for_display(column.unit, 40)}" if column.unit else ""
        ranks = "" if column.id in counting else " It does not rank."
        about = f"{_title_of(column)}{unit} ({column.id.translate(_NO_MARKUP)}). {side}.{ranks}"
        made.append(
            HostColumn(key, title, better is not False, _precision(column.id), about, column.id, column.id in counting)
        )
    return tuple(made)


def measured_later(challenge: Challenge, metric: str) -> bool:
    """Whether a number can't come from a submission: speed, where the challenge takes no team's own report."""
    return metric.startswith(FAMILY) and "reported" not in challenge.speed.sources


def _method(challenge: Challenge) -> Method:
    if challenge.ranking == "two-phase":
        return challenge.ranking_rules.shortlist
    return "rank-sum" if challenge.ranking == "none" else challenge.ranking


def _precision(metric: str) -> int:
    """Return the digits that tell values apart: two for a wide bounded range such as that of PSNR, else four."""
    found = metric_registry().get(metric)
    low, high = found.record.range if found is not None else (None, None)
    return 2 if low is not None and high is not None and high - low > _NARROW else 4


def _key(metric: str) -> str:
    key = re.sub(r"[^a-z0-9]+", "_", metric.lower()).strip("_") or "metric"
    return key if len(key) <= NAME_LENGTH else f"{key[: NAME_LENGTH - 9]}_{_digest(metric)}"


def _title(text: str) -> str:
    """Return a title that no page takes for markup: it is also the key of the numbers, so it can't be escaped."""
    return escape_for_display(" ".join(text.translate(_NO_MARKUP).split()) or "metric", NAME_LENGTH)


def _title_of(column: Column) -> str:
    return escape_for_display((column.title or column.id).translate(_NO_MARKUP), 120)


def _fresh(name: str, taken: set[str]) -> str:
    """Return a name that is not taken yet, and take it."""
    number, fresh = 1, name
    while fresh in taken:
        number += 1
        fresh = f"{name[: NAME_LENGTH - len(str(number)) - 1].rstrip()}_{number}"
    taken.add(fresh)
    return fresh


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
