"""Which answers count. Nothing is deleted: what does not count keeps every reason why.

The rules are the challenge's (`evalkit.challenges.rating_rules.RatingRules`), applied in this order to ratings and
comparisons alike; where a rule is for one kind only, it says so:

1. each answer by itself: of a kind that the challenge does not ask for, refused by the platform, outside the window,
   too quick or too slow, unknown dimension, off the scale (ratings), unknown item (ratings), with a video that is no
   team's, unknown team, unknown sample (comparisons), own team, excluded by a decision;
2. the same answer again (`evalkit.ratings.model.Answer.id`), as from overlapping files: only the first counts;
3. another answer of the same rater to the same question (for comparisons: whichever team was on the left): the earliest
   that passed so far counts;
4. required dimensions (ratings): all ratings of an item by a rater count, or none;
5. items beyond the number allowed: a rater's earliest ones count. An item without a counted rating uses up none; each
   comparison is an item of its own, and the two kinds are counted apart.

"Earliest" is by the time of the answer, those without a time last, and the order of the input between equals. The
window is applied to the whole second: closing at 23:59:59 includes all of that second, and 00:00:00 is late. Time spent
is only checked where it is known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from evalkit.challenges.rating_rules import RatingRules
from evalkit.errors import InputError
from evalkit.ratings.model import Answer, AnswerKind, AnswerVerdict, Key, KeyEntry, ReasonCode, RejectReason
from evalkit.ratings.sides import is_nobodys
from evalkit.text import count, escape_for_display, told_apart

REASON_TITLES: dict[ReasonCode, str] = {
    "not-asked-for": "of a kind that the challenge does not ask for",
    "early": "before the rating window",
    "late": "after the rating window",
    "no-time": "without a time, so not known to be in the window",
    "too-quick": "quicker than the least time per item",
    "too-slow": "slower than the longest time per item",
    "off-scale": "off the scale",
    "unknown-dimension": "in a dimension that the challenge does not ask for",
    "unknown-item": "of an item that is not in the key",
    "own-team": "of the rater's own team",
    "rejected": "refused by the platform",
    "repeated": "the same as an earlier one",
    "duplicate": "a second answer to the same question",
    "incomplete": "of an item without all required dimensions",
    "over-limit": "beyond the number of items per rater",
    "unknown-team": "of a team that does not take part",
    "unknown-sample": "of a sample that is in no run",
    "not-ranked": "with a video that is no team's",
    "excluded": "excluded by a decision",
    "excluded-sample": "of a sample that a decision excludes",
}
_NOUNS: dict[AnswerKind, tuple[str, str]] = {"rating": ("ratings", "item"), "comparison": ("comparisons", "sample")}
_ASKED: dict[str, AnswerKind] = {"mos": "rating", "pairs": "comparison"}
Exclusions = Callable[[Answer, KeyEntry | None], Iterable[RejectReason]]
_LAST = datetime.max.replace(tzinfo=UTC)

_DIMENSIONS, _DIMENSIONS_SHOWN = 100, 3  # that the challenge does not have: kept, and named in a line


@dataclass(frozen=True)
class AnswerSummary:
    """How many answers of one kind count, and why the others don't.

    Args:
        kind: of the answers.
        total: all of them.
        counted: those that count.
        reasons: reason -> answers that have it, in the order of `REASON_TITLES`; one answer may have several.
        raters: rater -> (answers that count, answers), sorted by rater.
        items: items with at least one answer that counts; of comparisons, samples.
        without_seconds: answers whose time spent is unknown, so that no rule about it applies.
        unknown_dimensions: dimensions that the challenge does not have -> answers, the most frequent first.
    """

    kind: AnswerKind
    total: int
    counted: int
    reasons: dict[ReasonCode, int]
    raters: dict[str, tuple[int, int]]
    items: int
    without_seconds: int
    unknown_dimensions: dict[str, int] = field(default_factory=dict)

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
            "unknown_dimensions": dict(self.unknown_dimensions),
        }

    def lines(self) -> list[str]:
        """Return it as lines for a terminal."""
        raters = sum(counted > 0 for counted, _ in self.raters.values())
        answers, item = _NOUNS[self.kind]
        lines = [
            f"{self.counted} of {self.total} {answers} count: {count(raters, 'rater')}, {count(self.items, item)}."
        ]
        lines += [
            f"  {number:>7} {REASON_TITLES[code]} ({code}){self._named(code)}" for code, number in self.reasons.items()
        ]
        return lines

    def _named(self, code: ReasonCode) -> str:
        if code != "unknown-dimension" or not self.unknown_dimensions:
            return ""
        names = [f"'{_short(name)}'" for name in self.unknown_dimensions][:_DIMENSIONS_SHOWN]
        more = len(self.unknown_dimensions) - len(names)
        return f": {', '.join(names)}" + (f" and {more} more" if more else "")


def summarise_answers(verdicts: Iterable[AnswerVerdict], kind: AnswerKind = "rating") -> AnswerSummary:
    """Return how many answers of ``kind`` count, and why the others don't; verdicts on others are skipped."""
    found: Counter[ReasonCode] = Counter()
    every: Counter[str] = Counter()
    counted: Counter[str] = Counter()
    items: set[str] = set()
    dimensions: Counter[str] = Counter()
    without_seconds = 0
    for verdict in verdicts:  # one pass: there may be more than fit into memory
        answer = verdict.answer
        if answer.kind != kind:
            continue
        every[answer.rater] += 1
        found.update(verdict.codes)
        if "unknown-dimension" in verdict.codes and (answer.dimension in dimensions or len(dimensions) < _DIMENSIONS):
            dimensions[answer.dimension] += 1
        without_seconds += answer.seconds is None
        if verdict.counted:
            counted[answer.rater] += 1
            items.add(answer.item)
    return AnswerSummary(
        kind=kind,
        total=every.total(),
        counted=counted.total(),
        reasons={code: found[code] for code in REASON_TITLES if found[code]},
        raters={rater: (counted[rater], every[rater]) for rater in sorted(every)},
        items=len(items),
        without_seconds=without_seconds,
        unknown_dimensions={name: number for name, number in dimensions.most_common() if name},
    )


def check_answers(
    answers: Iterable[Answer],
    rules: RatingRules,
    *,
    key: Key | None = None,
    own_teams: Mapping[str, str] | None = None,
    teams: Collection[str] | None = None,
    samples: Collection[str] | None = None,
    require_key: bool = True,
    excluded: Exclusions | None = None,
) -> tuple[AnswerVerdict, ...]:
    """Return the verdict on each of ``answers``, in their order.

    Args:
        answers: all of the challenge, not one file's: duplicates and limits are about all of them.
        rules: the challenge's. Where it declares no dimension, a comparison names none.
        key: what the items of ratings are.
        own_teams: rater -> their own team, for raters who have one.
        teams: the teams that take part. ``None``: no check.
        samples: those that comparisons may be of. ``None``: no check.
        require_key: whether to raise when ratings of a rater's own team can't be recognized, because there is no key.
        excluded: the decisions against an answer, given what the key says of its item. An answer that is excluded takes
            no other's place: it is no earlier answer to a question, and uses up no limit.

    Raises:
        InputError: when there are ratings, and a rule needs the key and there is none.
    """
    given = list(answers)
    if key is None and any(answer.kind == "rating" for answer in given):
        _check_possible(rules, own_teams if require_key else None)
    single = _SingleAnswerRules(rules, key, own_teams, teams, samples)
    entries = [key.get(answer.item) if key is not None and not answer.teams else None for answer in given]
    reasons = [list(single.reasons(answer, entry)) for answer, entry in zip(given, entries, strict=True)]
    if excluded is not None:
        for found, answer, entry in zip(reasons, given, entries, strict=True):
            found.extend(excluded(answer, entry))
    by_time = sorted(range(len(given)), key=lambda at: given[at].at or _LAST)
    _reject_repeated(given, reasons)
    _reject_duplicates(given, reasons, by_time)
    _reject_incomplete(given, reasons, frozenset(rules.required_dimensions))
    _reject_over_limit(given, reasons, by_time, rules.max_items_per_rater)
    return tuple(AnswerVerdict(one, tuple(why), entry) for one, why, entry in zip(given, reasons, entries, strict=True))


def _check_possible(rules: RatingRules, own_teams: Mapping[str, str] | None) -> None:
    """Raise when ``rules`` can't be applied to ratings without a key."""
    if rules.blind:
        raise InputError(
            "The ratings are blind and there is no key.", fix="Give the key file: item_id, team, sample_id."
        )
    if rules.exclude_own_team and own_teams:
        raise InputError(
            "Without a key, ratings of a rater's own team can't be recognized.",
            fix="Give the key file, or set 'exclude_own_team: false' in the challenge's ratings.",
        )


class _SingleAnswerRules:
    """The rules that look at one answer by itself."""

    def __init__(
        self,
        rules: RatingRules,
        key: Key | None,
        own_teams: Mapping[str, str] | None,
        teams: Collection[str] | None,
        samples: Collection[str] | None,
    ) -> None:
        self._opens = rules.window.opens_at() if rules.window else None
        self._closes = rules.window.closes_at() if rules.window else None
        self._least, self._most = rules.min_seconds_per_item, rules.max_seconds_per_item
        self._scales = {dimension.id: dimension.scale for dimension in rules.dimensions}
        self._asked = _ASKED.get(rules.method)
        self._key = key
        self._digits: dict[str, list[str]] | None = None  # number -> the key's items that are digits and mean it
        self._own_teams = own_teams if own_teams is not None and rules.exclude_own_team else {}
        self._teams = None if teams is None else frozenset(teams)
        self._samples = None if samples is None else frozenset(samples)

    def _zeros_lost(self, item: str) -> str:
        """Return a hint when the key has the item with other zeros before it: spreadsheets take them away."""
        if not (item.isascii() and item.isdecimal()):
            return ""
        if self._digits is None:
            self._digits = {}
            for known in self._key or ():
                if known.isascii() and known.isdecimal():
                    self._digits.setdefault(known.lstrip("0"), []).append(known)
        alike = self._digits.get(item.lstrip("0"), [])
        if len(alike) != 1:
            return ""
        return f" It has '{_short(alike[0])}'; a spreadsheet may have taken zeros away: keep the column as text."

    def reasons(self, answer: Answer, entry: KeyEntry | None) -> Iterator[RejectReason]:
        """Yield every reason not to count ``answer``; ``entry`` is what the key says of its item."""
        if answer.kind != self._asked:
            wanted = "no ratings" if self._asked is None else f"{self._asked}s"
            yield RejectReason("not-asked-for", f"It is a {answer.kind}, and the challenge asks for {wanted}.")
        if answer.status:
            yield RejectReason("rejected", f"The platform's status is '{answer.status}'.")
        yield from self._time(answer.at, answer.seconds)
        yield from self._value(answer)
        if not answer.teams and self._key is not None and entry is None:
            source = escape_for_display(self._key.source)
            hint = self._zeros_lost(answer.item)
            yield RejectReason("unknown-item", f"'{_short(answer.item)}' is not in {source}.{hint}")
        about = answer.teams or (() if entry is None else (entry.team,))
        nobodys = [side for side in about if is_nobodys(side) and side not in (self._teams or ())]
        if nobodys:
            yield RejectReason("not-ranked", f"'{_short(nobodys[0])}' is no team's video.")
        others = [team for team in about if team not in nobodys]
        unknown = [f"'{_short(team)}'" for team in others if self._teams is not None and team not in self._teams]
        if unknown and answer.teams:
            verb = "does" if len(unknown) == 1 else "do"
            yield RejectReason("unknown-team", f"{' and '.join(unknown)} {verb} not take part.")
        elif unknown:
            yield RejectReason("unknown-team", f"The item is of {unknown[0]}, who does not take part.")
        if answer.teams and self._samples is not None and answer.item not in self._samples:
            yield RejectReason("unknown-sample", f"No run has the sample '{_short(answer.item)}'.")
        own_team = self._own_teams.get(answer.rater)
        if own_team is not None and own_team in about:
            what = "One side is" if answer.teams else "The item is of"
            yield RejectReason("own-team", f"{what} the rater's own team, '{_short(own_team)}'.")

    def _time(self, at: datetime | None, seconds: float | None) -> Iterator[RejectReason]:
        opens, closes, least, most = self._opens, self._closes, self._least, self._most
        if at is None:
            if opens or closes:
                yield RejectReason("no-time", "It has no time, and the challenge has a rating window.")
        else:
            if opens and at < opens:
                yield RejectReason("early", f"Rated at {_utc(at)}; the window opens at {_utc(opens)}.")
            if closes and at.replace(microsecond=0) > closes:
                yield RejectReason("late", f"Rated at {_utc(at)}; the window closes at {_utc(closes)}.")
        if seconds is not None and least is not None and seconds < least:
            own, limit = told_apart(seconds, least)
            yield RejectReason("too-quick", f"{own} s for the item; at least {limit} s are required.")
        if seconds is not None and most is not None and seconds > most:
            own, limit = told_apart(seconds, most)
            yield RejectReason("too-slow", f"{own} s for the item; at most {limit} s are allowed.")

    def _value(self, answer: Answer) -> Iterator[RejectReason]:
        scale = self._scales.get(answer.dimension)
        if scale is not None:
            if not answer.teams and not scale[0] <= answer.value <= scale[1]:
                sentence = f"{answer.value:g} is not on the scale from {scale[0]} to {scale[1]}."
                yield RejectReason("off-scale", sentence)
        elif answer.dimension:
            sentence = f"The challenge has no dimension '{_short(answer.dimension)}'."
            yield RejectReason("unknown-dimension", sentence)
        elif self._scales or not answer.teams:
            yield RejectReason("unknown-dimension", "It names no dimension, and the challenge asks for several.")


def _reject_repeated(answers: Sequence[Answer], reasons: list[list[RejectReason]]) -> None:
    first: dict[str, int] = {}
    for at, answer in enumerate(answers):
        earliest = first.setdefault(answer.id, at)
        if earliest != at:
            sentence = f"It is the same as the one in row {answers[earliest].row}."
            reasons[at].append(RejectReason("repeated", sentence))


def _reject_duplicates(answers: Sequence[Answer], reasons: list[list[RejectReason]], by_time: Sequence[int]) -> None:
    first: dict[tuple[str, ...], int] = {}
    for at in by_time:
        if reasons[at]:
            continue
        answer = answers[at]
        question = (answer.rater, answer.item, answer.dimension, *sorted(answer.teams))
        earliest = first.setdefault(question, at)
        if earliest != at:
            kept = answers[earliest]
            when = f", given at {_utc(kept.at)}" if kept.at else ""
            value = "" if kept.teams else f": {kept.value:g}"
            reasons[at].append(RejectReason("duplicate", f"The answer in row {kept.row}{when}, counts{value}."))


def _reject_incomplete(answers: Sequence[Answer], reasons: list[list[RejectReason]], required: frozenset[str]) -> None:
    """Reject ratings of items that lack a required dimension; comparisons are not affected."""
    ratings = [at for at, answer in enumerate(answers) if not answer.teams and not reasons[at]]
    answered: dict[tuple[str, str], set[str]] = {}
    for at in ratings:
        answered.setdefault((answers[at].rater, answers[at].item), set()).add(answers[at].dimension)
    for at in ratings:
        missing = sorted(required - answered[answers[at].rater, answers[at].item])
        if missing:
            sentence = f"No rating that counts in {', '.join(missing)} from this rater for this item."
            reasons[at].append(RejectReason("incomplete", sentence))


def _reject_over_limit(
    answers: Sequence[Answer], reasons: list[list[RejectReason]], by_time: Sequence[int], limit: int | None
) -> None:
    if limit is None:
        return
    items: dict[str, set[str]] = {}
    comparisons: Counter[str] = Counter()
    for at in by_time:
        answer = answers[at]
        if reasons[at]:
            continue
        if answer.teams:
            comparisons[answer.rater] += 1
            if comparisons[answer.rater] > limit:
                sentence = f"The rater has made {count(limit, 'comparison')} before this one."
                reasons[at].append(RejectReason("over-limit", sentence))
            continue
        taken = items.setdefault(answer.rater, set())
        if len(taken) < limit or answer.item in taken:
            taken.add(answer.item)
        else:
            reasons[at].append(
                RejectReason("over-limit", f"The rater has rated {count(limit, 'item')} before this one.")
            )


def _short(text: str) -> str:
    return escape_for_display(text, limit=60)


def _utc(moment: datetime) -> str:
    """Return a moment as messages show it: ``2026-03-06 11:59:59.000 UTC``."""
    return moment.astimezone(UTC).isoformat(sep=" ", timespec="milliseconds").removesuffix("+00:00") + " UTC"
