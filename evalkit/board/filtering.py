"""Which answers of a board count, by the challenge's rules and people's decisions.

An answer that a decision excludes takes no other's place: where a rater answered a question twice, the later answer
counts once the earlier one is excluded. Taking the decision back restores exactly what was.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from evalkit.board.model import Run, Snapshot
from evalkit.ratings.model import Answer, AnswerKind, AnswerVerdict, Key, KeyEntry, RejectReason
from evalkit.ratings.rules import AnswerSummary, check_answers, summarise_answers

_NO_KEY = Key({}, "the board's key: none was given yet")


@dataclass(frozen=True)
class FilteredAnswers:
    """The verdicts on ``snapshot.answers``, in their order."""

    verdicts: tuple[AnswerVerdict, ...]

    def of(self, kind: AnswerKind) -> tuple[AnswerVerdict, ...]:
        """Return the verdicts on the answers of one kind."""
        return tuple(verdict for verdict in self.verdicts if verdict.answer.kind == kind)

    def counted(self, kind: AnswerKind) -> tuple[AnswerVerdict, ...]:
        """Return the verdicts on the answers of one kind that count."""
        return tuple(verdict for verdict in self.of(kind) if verdict.counted)

    def summary(self, kind: AnswerKind) -> AnswerSummary:
        """Return how many answers of one kind count, and why the others don't."""
        return summarise_answers(self.verdicts, kind)


def filter_answers(snapshot: Snapshot) -> FilteredAnswers:
    """Return the verdict on every answer of the board.

    Without a key, all ratings of a blind challenge are of unknown items. Where a challenge is not blind and there is no
    key, the video of an item is unknown: the verdicts have no entry, and ratings of a rater's own team are not found.
    Comparisons are checked against the samples of the board's runs, once there are any.
    """
    return _filter(snapshot, _samples(snapshot))


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


def summarise_parts(parts: Iterable[Snapshot], kind: AnswerKind) -> AnswerSummary:
    """Return which answers of one kind count on a board that comes in parts, one per rater (`Board.by_rater`).

    No rule looks at two raters at once, so the summary is that of the whole board, and only one rater's answers are
    held at a time.
    """
    return summarise_answers(filter_parts(parts), kind)


def filter_parts(parts: Iterable[Snapshot]) -> Iterator[AnswerVerdict]:
    """Yield the verdicts on the answers of a board that comes in parts, as `summarise_parts` needs them."""
    samples: frozenset[str] | None = None
    for part in parts:
        if samples is None:
            samples = _samples(part)
        yield from _filter(part, samples).verdicts


def _samples(snapshot: Snapshot) -> frozenset[str]:
    return frozenset(video.sample for run in snapshot.runs for video in run.card.videos)


def _filter(snapshot: Snapshot, samples: frozenset[str]) -> FilteredAnswers:
    rules = snapshot.challenge.ratings
    raters, answers, left_out = (snapshot.excluded(target) for target in ("rater", "answer", "sample"))

    def excluded(answer: Answer, entry: KeyEntry | None) -> Iterator[RejectReason]:
        decisions = (raters.get(answer.rater), answers.get(answer.id) if answers else None)
        yield from (RejectReason("excluded", one.reason) for one in decisions if one is not None)
        sample = answer.item if answer.teams else entry.sample if entry is not None else None
        if sample in left_out:
            yield RejectReason("excluded-sample", left_out[sample].reason)

    verdicts = check_answers(
        snapshot.answers,
        rules,
        key=snapshot.key if snapshot.key is not None or not rules.blind else _NO_KEY,
        own_teams=snapshot.raters,
        teams=[team.name for team in snapshot.teams],
        samples=samples or None,
        require_key=False,
        excluded=excluded if raters or answers or left_out else None,
    )
    return FilteredAnswers(verdicts)
