"""A board as it may be published: raters by number and members of teams by no name, because ids may be names."""

from __future__ import annotations

import re
from dataclasses import replace

from evalkit.board.model import Decision, Snapshot
from evalkit.leaderboard.model import Leaderboard, RaterInfo, RatingsInfo


def anonymise(snapshot: Snapshot, leaderboard: Leaderboard) -> tuple[Snapshot, Leaderboard]:
    """Return both for publication: no id of a rater or a member, and not the single ratings and comparisons.

    The subject of a decision becomes what a reader may know: the rater's number, the first digits of an answer's
    digest, a run, a team.
    """
    names = _Pseudonyms(snapshot, leaderboard)
    decisions = tuple(
        replace(
            one,
            subject=names.subject(one),
            reason=names.mask(one.reason),
            revoked_why=names.mask(one.revoked_why or ""),
        )
        for one in snapshot.decisions
    )
    log = tuple(replace(entry, subject=names.mask(entry.subject)) for entry in snapshot.log)
    ratings = names.ratings(leaderboard.ratings) if leaderboard.ratings is not None else None
    published = replace(snapshot, decisions=decisions, log=log, answers=(), raters={}, key=None)
    return published, replace(leaderboard, ratings=ratings)


class _Pseudonyms:
    """Raters by number, in the order in which they first appear on the board; members of teams as ``a member``."""

    def __init__(self, snapshot: Snapshot, leaderboard: Leaderboard) -> None:
        raters = [answer.rater for answer in snapshot.answers]
        raters += [one.rater for one in leaderboard.ratings.raters] if leaderboard.ratings else []
        raters += sorted(snapshot.raters)
        raters += [one.subject for one in snapshot.decisions if one.target == "rater"]
        self._names = {rater: f"rater {at}" for at, rater in enumerate(dict.fromkeys(raters), start=1)}
        self._teams = {team.name for team in snapshot.teams}
        self._teams |= {f"{run.team}/{run.name}" for run in snapshot.runs}
        self._words = {person: "a member" for team in snapshot.teams for person in team.members} | self._names
        known = sorted(filter(_recognisable, self._words), key=lambda word: (-len(word), word))
        self._known = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, known))})(?!\w)") if known else None

    def subject(self, one: Decision) -> str:
        if one.target == "rater":
            return self._names[one.subject]
        return f"{one.target} {one.subject[:12] if one.target == 'answer' else one.subject}"

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
            replace(one, rater=self._names[one.rater], excluded=self.mask(one.excluded) if one.excluded else None)
            for one in ratings.raters
        ]
        notes = tuple(self.mask(note) for note in ratings.notes)
        return replace(ratings, raters=tuple(sorted(raters, key=_number)), notes=notes)


def _recognisable(word: str) -> bool:
    """Whether a word in a sentence can only be an id: short numbers are amounts."""
    return bool(word) and not (word.isdecimal() and len(word) < 5)


def _number(one: RaterInfo) -> int:
    return int(one.rater.rpartition(" ")[2])
