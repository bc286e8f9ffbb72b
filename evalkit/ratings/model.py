"""Raters' answers, the key that says whose video an anonymous item is, and the verdict on each answer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Literal

from evalkit.text import escape_message

_encode = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode  # built once: large imports call it often

AnswerKind = Literal["rating", "comparison"]
ReasonCode = Literal[
    "not-asked-for",
    "early",
    "late",
    "no-time",
    "too-quick",
    "too-slow",
    "off-scale",
    "unknown-dimension",
    "unknown-item",
    "own-team",
    "rejected",
    "repeated",
    "duplicate",
    "incomplete",
    "over-limit",
    "unknown-team",
    "unknown-sample",
    "not-ranked",
    "excluded",
    "excluded-sample",
]


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of one rater: a rating of one item, or a comparison of two teams' videos of one sample.

    Args:
        rater: the rater's id, not a name.
        item: what was rated: an id that does not reveal the team when the challenge is blind. Of a comparison, the
            sample that both videos are of.
        dimension: the question: the challenge's id of it, or the file's own text where no id matches. Empty for a
            comparison in a challenge that asks only one question.
        value: the rating, finite, not yet checked against the scale. Of a comparison, the points of the left team: 1
            for a win, 0.5 for a tie, 0 for a loss.
        at: when it was submitted, in UTC, or ``None`` where the file does not say.
        seconds: time spent on the item, at least 0, or ``None`` where the file does not say.
        row: its row in its file, counted from 1 with the header, as a spreadsheet counts.
        status: the platform's status of a refused answer (``rejected``, ``returned``); empty for all others.
        teams: the left and the right team of a comparison; empty for a rating.
        file: name of the file it came from, once it is on a board. Not part of equality.

    Raises:
        ValueError: when ``at`` has no time zone, or ``teams`` are not none and not two.
    """

    rater: str
    item: str
    dimension: str
    value: float
    at: datetime | None
    seconds: float | None
    row: int
    status: str = ""
    teams: tuple[str, ...] = ()
    file: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if self.at is not None and self.at.tzinfo is None:
            raise ValueError(f"the time {self.at} has no time zone")
        if len(self.teams) not in {0, 2}:
            raise ValueError(f"a comparison is of two teams, not of {len(self.teams)}")

    @property
    def kind(self) -> AnswerKind:
        """Whether it is a rating or a comparison."""
        return "comparison" if self.teams else "rating"

    @property
    def id(self) -> str:
        """SHA-256 of who answered what, how and when.

        The row, the platform's status and the time spent are not part of it, so that a file that overlaps another, or a
        later export of the same survey, adds nothing; where the platform's status has changed by then, the later one
        applies. Time stamps of the same moment are equal. A comparison with its sides exchanged, and the value with
        them, is another answer: which side a video was shown on is part of what happened.
        """
        at = None if self.at is None else self.at.astimezone(UTC).isoformat(timespec="microseconds")
        value = repr(float(self.value) + 0.0)  # -0.0 is 0.0
        parts = (self.kind, self.rater, self.item, *self.teams, self.dimension, value, at)
        return hashlib.sha256(_encode(parts).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """What an anonymous item shows: a team's video of a sample, and of which run, where a team has several."""

    team: str
    sample: str
    run: str | None = None


@dataclass(frozen=True)
class Key:
    """Anonymous item -> what it shows. Several items may show the same video, to measure raters' self-consistency.

    Args:
        entries: item id -> entry.
        source: what messages call the key, usually the file's name.
    """

    entries: Mapping[str, KeyEntry] = field(default_factory=dict)
    source: str = "the key"

    def __post_init__(self) -> None:
        object.__setattr__(self, "entries", MappingProxyType(dict(self.entries)))

    def get(self, item: str) -> KeyEntry | None:
        """Return what ``item`` shows, or ``None`` when the key does not list it."""
        return self.entries.get(item)

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)


@dataclass(frozen=True, slots=True)
class RejectReason:
    """Why an answer does not count: a code for programs and a sentence for people."""

    code: ReasonCode
    sentence: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "sentence", escape_message(self.sentence))


@dataclass(frozen=True, slots=True)
class AnswerVerdict:
    """Whether an answer counts, and if not, every reason why.

    Args:
        answer: the answer, as it was read.
        reasons: empty when it counts; in the order of the rules.
        entry: what the key says the item of a rating is; ``None`` without a key, for an unknown item, and for a
            comparison.
    """

    answer: Answer
    reasons: tuple[RejectReason, ...] = ()
    entry: KeyEntry | None = None

    @property
    def counted(self) -> bool:
        """Whether no rule rejects the answer."""
        return not self.reasons

    @property
    def codes(self) -> tuple[ReasonCode, ...]:
        """The reasons' codes, in the order of the rules."""
        return tuple(reason.code for reason in self.reasons)
