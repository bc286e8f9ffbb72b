"""What the leaderboard says of people and of the log: raters by number, never by id, which may be a name."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from evalkit.board.model import AuditEntry, Decision, Snapshot
from evalkit.leaderboard.model import Leaderboard, RaterInfo, RatingsInfo

LOG_SHOWN = 20


class Pseudonyms:
    """Raters by number, in the order in which they first appear on the board; members of teams by no name at all."""

    def __init__(self, snapshot: Snapshot, leaderboard: Leaderboard) -> None:
        seen = [one.rating.rater for one in snapshot.ratings] + [one.comparison.rater for one in snapshot.pairs]
        seen += [one.rater for one in leaderboard.ratings.raters] if leaderboard.ratings else []
        seen += sorted(snapshot.raters)
        seen += [one.subject for one in snapshot.decisions if one.target == "rater"]
        self._names = {rater: f"rater {at}" for at, rater in enumerate(dict.fromkeys(seen), start=1)}
        self._teams = {team.name for team in snapshot.teams}
        self._teams |= {f"{run.team}/{run.name}" for run in snapshot.runs}
        self._words = {person: "a member" for team in snapshot.teams for person in team.members} | self._names
        known = sorted(filter(_telling, self._words), key=lambda word: (-len(word), word))
        self._known = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, known))})(?!\w)") if known else None

    def of(self, rater: str) -> str:
        """Return the number of a rater, as ``rater 3``."""
        return self._names.get(rater, "a rater")

    def mask(self, text: str) -> str:
        """Return ``text`` with every id of a rater or a member replaced; a number alone is taken for a number."""
        if text in self._teams or self._known is None:
            return text
        if text in self._words:
            return self._words[text]
        return self._known.sub(lambda found: self._words[found.group()], text)

    def ratings(self, ratings: RatingsInfo) -> RatingsInfo:
        """Return the same with numbers for ids, in the order of the numbers."""
        raters = [
            replace(one, rater=self.of(one.rater), excluded=self.mask(one.excluded) if one.excluded else one.excluded)
            for one in ratings.raters
        ]
        return replace(
            ratings, raters=tuple(sorted(raters, key=_number)), notes=tuple(self.mask(note) for note in ratings.notes)
        )


@dataclass(frozen=True)
class DecisionLine:
    """A decision as it may be published: what it is about, without ids of people."""

    decision: Decision
    subject: str
    reason: str
    revoked_why: str


@dataclass(frozen=True)
class LogLine:
    """An entry of the log as it may be published."""

    entry: AuditEntry
    subject: str


def decision_lines(snapshot: Snapshot, names: Pseudonyms) -> list[DecisionLine]:
    """Return all decisions, as they came."""
    return [
        DecisionLine(one, decision_subject(one, names), names.mask(one.reason), names.mask(one.revoked_why or ""))
        for one in snapshot.decisions
    ]


def decision_subject(one: Decision, names: Pseudonyms) -> str:
    """Return what a decision is about: a rater's number, the first digits of an answer's digest, a run, a team."""
    if one.target == "rater":
        return names.of(one.subject)
    return f"{one.target} {one.subject[:12]}" if one.target in {"rating", "pair"} else f"{one.target} {one.subject}"


def log_lines(snapshot: Snapshot, names: Pseudonyms) -> list[LogLine]:
    """Return the last entries of the log, the newest first."""
    return [LogLine(entry, names.mask(entry.subject)) for entry in reversed(snapshot.log[-LOG_SHOWN:])]


def _telling(word: str) -> bool:
    """Whether a word in a sentence can be known for an id: short numbers can't, they are amounts."""
    return bool(word) and not (word.isdecimal() and len(word) < 5)


def _number(one: RaterInfo) -> tuple[int, str]:
    digits = one.rater.rpartition(" ")[2]
    return (int(digits) if digits.isdecimal() else 0), one.rater
