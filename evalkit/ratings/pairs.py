"""FileHead-to-head comparisons: two teams' videos of one sample, and which is better."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from evalkit.ratings.model import Reason, ReasonCode, digest_of


@dataclass(frozen=True, slots=True)
class Comparison:
    """One answer to "which of the two is better".

    Args:
        rater: who; an id, not a name.
        sample: of which sample the two videos are.
        left, right: two different teams.
        outcome: points of the left one: 1 for a win, 0.5 for a draw, 0 for a loss.
        dimension: the question; an empty string where the challenge asks only one.
        at: when it was handed in, in UTC, or ``None`` where the file does not say.
        seconds: time spent, at least 0, or ``None``.
        row: where it stands in its file, counted from 1 with the header.
        status: the platform's word for a refused answer; empty for all others.

    Raises:
        ValueError: when ``at`` carries no time zone.
    """

    rater: str
    sample: str
    left: str
    right: str
    outcome: float
    dimension: str
    at: datetime | None
    seconds: float | None
    row: int
    status: str = ""

    def __post_init__(self) -> None:
        if self.at is not None and self.at.tzinfo is None:
            raise ValueError(f"the time {self.at} carries no zone")


def pair_identity(comparison: Comparison) -> str:
    """Return the SHA-256 of what makes a comparison this one: who, which sample, which teams, which answer, when.

    As with `evalkit.ratings.model.identity`, the row, the platform's verdict and the time spent don't belong to it. The
    same two teams with their sides exchanged, and the outcome with them, are another presentation, so another
    comparison: which side was shown where is part of what happened. That a rater's second answer to the same question
    does not count is for the rules to say (`evalkit.ratings.pair_rules`).
    """
    one = comparison
    return digest_of("pair/1", one.rater, one.sample, one.left, one.right, float(one.outcome), one.dimension, one.at)


@dataclass(frozen=True, slots=True)
class PairVerdict:
    """Whether a comparison counts, and if not, every reason why.

    Args:
        comparison: the comparison, as it was read.
        reasons: empty when it counts.
    """

    comparison: Comparison
    reasons: tuple[Reason, ...] = ()

    @property
    def counted(self) -> bool:
        """Whether no rule speaks against the comparison."""
        return not self.reasons

    @property
    def codes(self) -> tuple[ReasonCode, ...]:
        """The reasons' codes, in the order in which the rules were asked."""
        return tuple(reason.code for reason in self.reasons)
