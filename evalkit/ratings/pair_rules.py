"""Which comparisons count; as `evalkit.ratings.rules`, and asked in the same order.

1. Each comparison by itself: refused by the platform, outside the window, too quick or too slow, unknown dimension,
   unknown team, unknown sample, own team;
2. the same comparison again (`evalkit.ratings.pairs.pair_identity`): only the first counts;
3. another answer of the same rater about the same two teams, sample and dimension, whichever stood at the left: the
   earliest that passed so far counts;
4. comparisons beyond the number allowed: a rater's earliest ones count. Each comparison is an item of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from evalkit.challenges.rating_rules import RatingRules
from evalkit.ratings.model import Reason
from evalkit.ratings.pairs import Comparison, PairVerdict, pair_identity
from evalkit.ratings.rules import Answer, Summary, summarise
from evalkit.ratings.time_rules import TimeRules, earliest_first, repeats, utc_text
from evalkit.text import escape_for_display


def judge_pairs(
    comparisons: Iterable[Comparison],
    rules: RatingRules,
    *,
    teams: Collection[str] | None = None,
    samples: Collection[str] | None = None,
    own: Mapping[str, str] | None = None,
) -> tuple[PairVerdict, ...]:
    """Return the verdict on each of ``comparisons``, in their order.

    Args:
        comparisons: all of the challenge, not one file's: duplicates and limits are about all of them.
        rules: the challenge's. Where it declares no dimension, a comparison names none.
        teams: who takes part; ``None`` when nobody asks.
        samples: those that were to be answered; ``None`` when nobody asks.
        own: rater -> their own team, for raters who have one.
    """
    asked = list(comparisons)
    alone = _Alone(rules, teams, samples, own if rules.exclude_own_team else None)
    reasons = [alone.reasons(one) for one in asked]
    for place, first in repeats([pair_identity(one) for one in asked]).items():
        reasons[place].append(Reason("repeated", f"It is the same as the one in row {asked[first].row}."))
    order = earliest_first(one.at for one in asked)
    _refuse_duplicates(asked, reasons, order)
    _refuse_over_limit(asked, reasons, order, rules.max_items_per_rater)
    return tuple(PairVerdict(one, tuple(why)) for one, why in zip(asked, reasons, strict=True))


def summarise_pairs(verdicts: Iterable[PairVerdict]) -> Summary:
    """Return how many comparisons count, and why the others don't; its items are the samples."""
    rows = ((verdict.comparison, verdict.codes) for verdict in verdicts)
    return summarise(
        (Answer(one.rater, one.sample, codes, one.seconds) for one, codes in rows), words=("comparisons", "samples")
    )


class _Alone:
    """The rules that look at one comparison by itself."""

    def __init__(
        self,
        rules: RatingRules,
        teams: Collection[str] | None,
        samples: Collection[str] | None,
        own: Mapping[str, str] | None,
    ) -> None:
        self._time = TimeRules(rules)
        self._dimensions = {dimension.id for dimension in rules.dimensions} or {""}
        self._teams = None if teams is None else frozenset(teams)
        self._samples = None if samples is None else frozenset(samples)
        self._own = own or {}

    def reasons(self, one: Comparison) -> list[Reason]:
        """Return what speaks against ``one``."""
        reasons = []
        if one.status:
            reasons.append(Reason("rejected", f"The platform says '{one.status}'."))
        reasons += self._time.reasons(one.at, one.seconds)
        if one.dimension not in self._dimensions:
            reasons.append(Reason("unknown-dimension", self._about_dimension(one.dimension)))
        if self._teams is not None:
            strangers = [f"'{_short(team)}'" for team in (one.left, one.right) if team not in self._teams]
            if strangers:
                verb = "does" if len(strangers) == 1 else "do"
                reasons.append(Reason("unknown-team", f"{' and '.join(strangers)} {verb} not take part."))
        if self._samples is not None and one.sample not in self._samples:
            reasons.append(Reason("unknown-sample", f"No run answers the sample '{_short(one.sample)}'."))
        team = self._own.get(one.rater)
        if team is not None and team in (one.left, one.right):
            reasons.append(Reason("own-team", f"One side is the rater's own team, '{_short(team)}'."))
        return reasons

    def _about_dimension(self, words: str) -> str:
        if not words:
            return "It names no dimension, and the challenge asks for several."
        return f"The challenge has no dimension '{_short(words)}'."


def _refuse_duplicates(asked: Sequence[Comparison], reasons: list[list[Reason]], order: Sequence[int]) -> None:
    first: dict[tuple[str, str, str, str, str], int] = {}
    for place in order:
        if reasons[place]:
            continue
        one = asked[place]
        two, other = sorted((one.left, one.right))
        earliest = first.setdefault((one.rater, one.sample, two, other, one.dimension), place)
        if earliest != place:
            kept = asked[earliest]
            when = f", given at {utc_text(kept.at)}" if kept.at else ""
            reasons[place].append(Reason("duplicate", f"The answer in row {kept.row}{when}, counts."))


def _refuse_over_limit(
    asked: Sequence[Comparison], reasons: list[list[Reason]], order: Sequence[int], limit: int | None
) -> None:
    if limit is None:
        return
    taken: Counter[str] = Counter()
    for place in order:
        if reasons[place]:
            continue
        rater = asked[place].rater
        taken[rater] += 1
        if taken[rater] > limit:
            reasons[place].append(Reason("over-limit", f"The rater has made {limit} comparisons before this one."))


def _short(words: str) -> str:
    return escape_for_display(words, limit=60)
