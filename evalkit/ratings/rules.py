"""Which ratings count. Nothing is thrown away: what does not count keeps every reason why.

The rules are the challenge's (`evalkit.challenges.rating_rules.RatingRules`), asked in this order:

1. each rating by itself: refused by the platform, outside the window, too quick or too slow, unknown dimension, off the
   scale, unknown item, unknown team, own team;
2. the same rating again (`evalkit.ratings.model.identity`), as from overlapping files: only the first counts;
3. another rating of the same item and dimension by the same rater: the earliest that passed so far counts;
4. required dimensions: all ratings of an item by a rater count, or none;
5. items beyond the number allowed: a rater's earliest ones count. An item without a counted rating uses up none.

"Earliest" is by the time of the rating, those without a time last, and the order of the input between equals. The
window is held to the second: closing at 23:59:59 takes in all of that second, and 00:00:00 is late. Who spent how long
is only judged where it is known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from evalkit.challenges.rating_rules import RatingRules
from evalkit.errors import InputError
from evalkit.ratings.model import Entry, Key, Rating, Reason, ReasonCode, Verdict, identity
from evalkit.ratings.time_rules import TimeRules, earliest_first, repeats, utc_text
from evalkit.text import escape_for_display

REASON_TITLES: dict[ReasonCode, str] = {
    "early": "before the rating window",
    "late": "after the rating window",
    "no-time": "without a time, so not known to be in the window",
    "too-quick": "quicker than the least time per item",
    "too-slow": "slower than the longest time per item",
    "off-scale": "off the scale",
    "unknown-dimension": "in a dimension that the challenge does not ask for",
    "unknown-item": "of an item that the key does not know",
    "own-team": "of the rater's own team",
    "rejected": "refused by the platform",
    "repeated": "the same as one before",
    "duplicate": "a second answer to the same question",
    "incomplete": "of an item without all required dimensions",
    "over-limit": "beyond the number of items per rater",
    "unknown-team": "of a team that does not take part",
    "unknown-sample": "of a sample that no run answers",
    "excluded": "left out by a decision",
}


@dataclass(frozen=True)
class Summary:
    """How many ratings count, and why the others don't.

    Args:
        total: ratings that were judged.
        counted: those that count.
        reasons: reason -> ratings that have it, in the order of the rules; one rating may have several.
        raters: rater -> (ratings that count, ratings), sorted by rater.
        items: items with at least one rating that counts.
        without_seconds: ratings whose time spent is unknown, so that no rule on it could be asked.
        words: what the answers and the items are called: comparisons are of samples.
    """

    total: int
    counted: int
    reasons: dict[ReasonCode, int]
    raters: dict[str, tuple[int, int]]
    items: int
    without_seconds: int
    words: tuple[str, str] = ("ratings", "items")

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data for JSON."""
        return {
            "total": self.total,
            "counted": self.counted,
            "not_counted": self.total - self.counted,
            "reasons": dict(self.reasons),
            "raters": {rater: {"counted": counted, "total": total} for rater, (counted, total) in self.raters.items()},
            "items": self.items,
            "without_seconds": self.without_seconds,
        }

    def lines(self) -> list[str]:
        """Return it as lines for a terminal."""
        raters = sum(counted > 0 for counted, _ in self.raters.values())
        answers, items = self.words
        lines = [f"{self.counted} of {self.total} {answers} count: {raters} raters, {self.items} {items}."]
        lines += [f"  {number:>7} {REASON_TITLES[code]} ({code})" for code, number in self.reasons.items()]
        return lines


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer as a summary sees it: who gave it, on what, why it does not count, and the seconds it took."""

    rater: str
    item: str
    codes: tuple[ReasonCode, ...]
    seconds: float | None


def summarise(answers: Iterable[Answer], words: tuple[str, str] = ("ratings", "items")) -> Summary:
    """Return how many of the answers count, and why the others don't."""
    found: Counter[ReasonCode] = Counter()
    every: Counter[str] = Counter()
    counted: Counter[str] = Counter()
    items: set[str] = set()
    without_seconds = 0
    for answer in answers:  # seen once: they may be more than fit into memory
        every[answer.rater] += 1
        found.update(answer.codes)
        without_seconds += answer.seconds is None
        if not answer.codes:
            counted[answer.rater] += 1
            items.add(answer.item)
    return Summary(
        total=every.total(),
        counted=counted.total(),
        reasons={code: found[code] for code in REASON_TITLES if found[code]},
        raters={rater: (counted[rater], every[rater]) for rater in sorted(every)},
        items=len(items),
        without_seconds=without_seconds,
        words=words,
    )


def summarise_ratings(verdicts: Iterable[Verdict]) -> Summary:
    """Return how many ratings count, and why the others don't."""
    rows = ((verdict.rating, verdict.codes) for verdict in verdicts)
    return summarise(Answer(rating.rater, rating.item, codes, rating.seconds) for rating, codes in rows)


@dataclass(frozen=True)
class Judgement:
    """The verdicts on a set of ratings, in the order in which these came."""

    verdicts: tuple[Verdict, ...]

    @property
    def counted(self) -> tuple[Verdict, ...]:
        """The verdicts on the ratings that count."""
        return tuple(verdict for verdict in self.verdicts if verdict.counted)

    @property
    def not_counted(self) -> tuple[Verdict, ...]:
        """The verdicts on the others."""
        return tuple(verdict for verdict in self.verdicts if not verdict.counted)

    def summary(self) -> Summary:
        """Return the numbers for a dry run."""
        return summarise_ratings(self.verdicts)


def judge(
    ratings: Iterable[Rating],
    rules: RatingRules,
    *,
    key: Key | None = None,
    teams: Mapping[str, str] | None = None,
    known_teams: Collection[str] | None = None,
) -> Judgement:
    """Return the verdict on each of ``ratings``.

    Args:
        ratings: all ratings of the challenge, not one file's: duplicates and limits are about all of them.
        rules: the challenge's.
        key: what the items are; needed when the challenge is blind or own-team ratings are to be found.
        teams: rater -> their own team, for raters who have one.
        known_teams: who takes part; ratings of other teams' items don't count. ``None``: all whom the key names.

    Raises:
        InputError: when the rules can't be asked without a key.
    """
    if key is None and rules.blind:
        raise InputError(
            "The ratings are blind and there is no key.", fix="Give the key file: item_id, team, sample_id."
        )
    if key is None and rules.exclude_own_team and teams:
        raise InputError(
            "Without a key nobody knows which ratings are of a rater's own team.",
            fix="Give the key file, or set 'exclude_own_team: false' in the challenge's ratings.",
        )
    judged = _Several(list(ratings), rules)
    alone = _Alone(rules, key, known_teams)
    own = teams if teams is not None and rules.exclude_own_team else {}
    entries = [key.get(rating.item) if key is not None else None for rating in judged.ratings]
    for rating, entry, reasons in zip(judged.ratings, entries, judged.reasons, strict=True):
        reasons.extend(alone.reasons(rating, entry, own.get(rating.rater)))
    judged.refuse_repeated()
    judged.refuse_duplicates()
    judged.refuse_incomplete()
    judged.refuse_over_limit()
    rows = zip(judged.ratings, judged.reasons, entries, strict=True)
    return Judgement(tuple(Verdict(rating, tuple(reasons), entry) for rating, reasons, entry in rows))


class _Alone:
    """The rules that look at one rating by itself."""

    def __init__(self, rules: RatingRules, key: Key | None, known_teams: Collection[str] | None) -> None:
        self._time = TimeRules(rules)
        self._scales = {dimension.id: dimension.scale for dimension in rules.dimensions}
        self._key = key
        self._known_teams = None if known_teams is None else frozenset(known_teams)

    def reasons(self, rating: Rating, entry: Entry | None, own_team: str | None) -> list[Reason]:
        """Return what speaks against ``rating``; ``own_team`` is the rater's, where it must not be rated."""
        reasons = []
        if rating.status:
            reasons.append(Reason("rejected", f"The platform says '{rating.status}'."))
        reasons += self._time.reasons(rating.at, rating.seconds)
        scale = self._scales.get(rating.dimension)
        if scale is None:
            words = escape_for_display(rating.dimension, limit=60)
            reasons.append(Reason("unknown-dimension", f"The challenge has no dimension '{words}'."))
        elif not scale[0] <= rating.value <= scale[1]:
            reasons.append(Reason("off-scale", f"{rating.value:g} is not on the scale from {scale[0]} to {scale[1]}."))
        if self._key is not None and entry is None:
            item, source = escape_for_display(rating.item, limit=60), escape_for_display(self._key.source)
            reasons.append(Reason("unknown-item", f"'{item}' is not in {source}."))
        if entry is not None and self._known_teams is not None and entry.team not in self._known_teams:
            words = escape_for_display(entry.team, limit=60)
            reasons.append(Reason("unknown-team", f"The item is of '{words}', who does not take part."))
        if entry is not None and own_team is not None and entry.team == own_team:
            words = escape_for_display(own_team, limit=60)
            reasons.append(Reason("own-team", f"The item is of the rater's own team, '{words}'."))
        return reasons


class _Several:
    """Ratings with their reasons so far; the rules that look at several ratings at once."""

    def __init__(self, ratings: list[Rating], rules: RatingRules) -> None:
        self.ratings = ratings
        self.reasons: list[list[Reason]] = [[] for _ in ratings]
        self._rules = rules
        self._by_time = earliest_first(rating.at for rating in ratings)

    def refuse_repeated(self) -> None:
        for number, first in repeats([identity(rating) for rating in self.ratings]).items():
            row = self.ratings[first].row
            self.reasons[number].append(Reason("repeated", f"It is the same as the one in row {row}."))

    def refuse_duplicates(self) -> None:
        first: dict[tuple[str, str, str], int] = {}
        for number in self._by_time:
            rating = self.ratings[number]
            if self.reasons[number]:
                continue
            earliest = first.setdefault((rating.rater, rating.item, rating.dimension), number)
            if earliest != number:
                kept = self.ratings[earliest]
                when = f", given at {utc_text(kept.at)}" if kept.at else ""
                self.reasons[number].append(
                    Reason("duplicate", f"The answer in row {kept.row}{when}, counts: {kept.value:g}.")
                )

    def refuse_incomplete(self) -> None:
        required = set(self._rules.required_dimensions)
        answered: dict[tuple[str, str], set[str]] = {}
        for number, rating in enumerate(self.ratings):
            if not self.reasons[number]:
                answered.setdefault((rating.rater, rating.item), set()).add(rating.dimension)
        for number, rating in enumerate(self.ratings):
            if not self.reasons[number]:
                missing = sorted(required - answered[rating.rater, rating.item])
                if missing:
                    sentence = f"No rating that counts in {', '.join(missing)} from this rater for this item."
                    self.reasons[number].append(Reason("incomplete", sentence))

    def refuse_over_limit(self) -> None:
        limit = self._rules.max_items_per_rater
        if limit is None:
            return
        taken: dict[str, set[str]] = {}
        for number in self._by_time:
            rating = self.ratings[number]
            if self.reasons[number]:
                continue
            items = taken.setdefault(rating.rater, set())
            if len(items) < limit or rating.item in items:
                items.add(rating.item)
            else:
                self.reasons[number].append(Reason("over-limit", f"The rater has rated {limit} items before this one."))
