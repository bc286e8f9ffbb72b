"""Which ratings and comparisons of a board count: the challenge's rules, and on top of them people's decisions.

A decision that leaves an answer out does not bring another one in: the rules are asked as if there were no decisions,
so that revoking one restores exactly what was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from evalkit.board.model import Decision, Run, Snapshot, StoredPair, StoredRating
from evalkit.ratings.model import Key, Reason, Verdict
from evalkit.ratings.pair_rules import judge_pairs, summarise_pairs
from evalkit.ratings.pairs import PairVerdict
from evalkit.ratings.rules import Summary, judge, summarise_ratings

_NO_KEY = Key({}, "the board's key: none was given yet")
_Stored = TypeVar("_Stored", StoredRating, StoredPair)
_Verdict = TypeVar("_Verdict", Verdict, PairVerdict)


@dataclass(frozen=True)
class Judged:
    """The verdicts on everything that people said, in the snapshot's order.

    Args:
        verdicts: on ``snapshot.ratings``.
        pair_verdicts: on ``snapshot.pairs``.
    """

    verdicts: tuple[Verdict, ...]
    pair_verdicts: tuple[PairVerdict, ...]

    @property
    def counted(self) -> tuple[Verdict, ...]:
        """The verdicts on the ratings that count."""
        return tuple(verdict for verdict in self.verdicts if verdict.counted)

    @property
    def counted_pairs(self) -> tuple[PairVerdict, ...]:
        """The verdicts on the comparisons that count."""
        return tuple(verdict for verdict in self.pair_verdicts if verdict.counted)

    def summary(self) -> Summary:
        """Return how many ratings count, and why the others don't."""
        return summarise_ratings(self.verdicts)

    def pair_summary(self) -> Summary:
        """Return how many comparisons count, and why the others don't."""
        return summarise_pairs(self.pair_verdicts)


def filter_ratings(snapshot: Snapshot) -> Judged:
    """Return the verdict on every rating and comparison of the board.

    Without a key, all ratings of a blind challenge are of unknown items. Where a challenge is not blind and there is no
    key, nobody knows whose video an item is: the verdicts have no entry, and own-team ratings can't be found.
    Comparisons are held against the samples of the board's runs, once there are any.
    """
    return _judge(snapshot, _samples(snapshot))


def rated_run(runs: Sequence[Run], team: str, run: str | None) -> Run | str:
    """Return the run that an answer about ``team`` is about, or why none is known.

    Args:
        runs: of the board.
        team, run: as the key has them; where it names no run, the team's only primary run is meant.
    """
    if run is not None:
        named = next((one for one in runs if (one.team, one.name) == (team, run)), None)
        return named or "the key names a run that is not on the board"
    primary = [one for one in runs if one.team == team and one.primary]
    if len(primary) == 1:
        return primary[0]
    if primary:
        return "the team has several primary runs, and the key does not say which is meant"
    return "the team has no primary run"


def summarise_parts(parts: Iterable[Snapshot], *, pairs: bool = False) -> Summary:
    """Return what counts on a board that comes in parts, one per rater (`evalkit.board.Board.by_rater`).

    No rule looks at two raters at once, so the summary is that of the whole board, and only one rater's answers are
    held at a time.

    Args:
        parts: the same board with another rater's answers each time.
        pairs: whether to sum up the comparisons instead of the ratings.
    """
    if pairs:
        return summarise_pairs(verdict for judged in _judged_parts(parts) for verdict in judged.pair_verdicts)
    return summarise_ratings(verdict for judged in _judged_parts(parts) for verdict in judged.verdicts)


def _judged_parts(parts: Iterable[Snapshot]) -> Iterator[Judged]:
    samples: frozenset[str] | None = None
    for part in parts:
        if samples is None:
            samples = _samples(part)
        yield _judge(part, samples)


def _samples(snapshot: Snapshot) -> frozenset[str]:
    return frozenset(video.sample for run in snapshot.runs for video in run.card.videos)


def _judge(snapshot: Snapshot, samples: frozenset[str]) -> Judged:
    rules = snapshot.challenge.ratings
    key = snapshot.key if snapshot.key is not None or not rules.blind else _NO_KEY
    teams = frozenset(team.name for team in snapshot.teams)
    own = snapshot.raters if key is not None else None
    judgement = judge([stored.rating for stored in snapshot.ratings], rules, key=key, teams=own, known_teams=teams)
    pairs = judge_pairs(
        [stored.comparison for stored in snapshot.pairs],
        rules,
        teams=teams,
        samples=samples or None,
        own=snapshot.raters,
    )
    raters = snapshot.excluded("rater")
    ratings, comparisons = snapshot.excluded("rating"), snapshot.excluded("pair")
    return Judged(
        _decided(snapshot.ratings, judgement.verdicts, raters, ratings, lambda stored: stored.rating.rater),
        _decided(snapshot.pairs, pairs, raters, comparisons, lambda stored: stored.comparison.rater),
    )


def _decided(
    stored: Sequence[_Stored],
    verdicts: Sequence[_Verdict],
    raters: Mapping[str, Decision],
    answers: Mapping[str, Decision],
    rater_of: Callable[[_Stored], str],
) -> tuple[_Verdict, ...]:
    """Return the verdicts with the decisions that hold on who gave the answer, or on the answer itself."""
    if not raters and not answers:
        return tuple(verdicts)
    found: list[_Verdict] = []
    for one, verdict in zip(stored, verdicts, strict=True):
        added = _reasons(raters.get(rater_of(one)), answers.get(one.id))
        found.append(replace(verdict, reasons=verdict.reasons + added) if added else verdict)
    return tuple(found)


def _reasons(*decisions: Decision | None) -> tuple[Reason, ...]:
    return tuple(Reason("excluded", decision.reason) for decision in decisions if decision is not None)
