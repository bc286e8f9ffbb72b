"""Ratings, the key that says whose video an anonymous item is, and the verdict on each rating."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Literal

from evalkit.text import escape_message

_encode = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode  # made once: large imports call it often

ReasonCode = Literal[
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
    "excluded",
]


@dataclass(frozen=True, slots=True)
class Rating:
    """One number that one person gave.

    Args:
        rater: who; an id, not a name.
        item: what was rated: an id that says nothing about the team when the challenge is blind.
        dimension: the question; the challenge's id of it, or the file's own words where no id fits.
        value: the answer, finite, not yet held against the scale.
        at: when it was handed in, in UTC, or ``None`` where the file does not say.
        seconds: time spent on the item, at least 0, or ``None`` where the file does not say.
        row: where it stands in its file, counted from 1 with the header, as a spreadsheet counts.
        status: the platform's word for a refused answer (``rejected``, ``returned``); empty for all others.

    Raises:
        ValueError: when ``at`` carries no time zone.
    """

    rater: str
    item: str
    dimension: str
    value: float
    at: datetime | None
    seconds: float | None
    row: int
    status: str = ""

    def __post_init__(self) -> None:
        if self.at is not None and self.at.tzinfo is None:
            raise ValueError(f"the time {self.at} carries no zone")


def identity(rating: Rating) -> str:
    """Return the SHA-256 of what makes a rating this rating: who, which item, which question, which answer, when.

    The row, the platform's verdict and the time spent don't belong to it, so a file that overlaps another, or a later
    export of the same survey, adds nothing; where the platform's verdict is another by then, the later one holds. Two
    time stamps that mean the same moment are the same.
    """
    return digest_of("rating/1", rating.rater, rating.item, rating.dimension, float(rating.value), rating.at)


def digest_of(*parts: str | float | datetime | None) -> str:
    """Return the SHA-256 of an answer's parts; equal numbers and equal moments are written in one way."""
    return hashlib.sha256(_encode([_written(part) for part in parts]).encode()).hexdigest()


def _written(part: str | float | datetime | None) -> str | None:
    if isinstance(part, datetime):
        return part.astimezone(UTC).isoformat(timespec="microseconds")
    return repr(part + 0.0) if isinstance(part, float) else part  # -0.0 is 0.0


@dataclass(frozen=True, slots=True)
class Entry:
    """What stands behind an anonymous item: a team's video of a sample, and of which run, where a team has several."""

    team: str
    sample: str
    run: str | None = None


@dataclass(frozen=True)
class Key:
    """Anonymous item -> entry. Several items may show the same video: that is how self-consistency is asked.

    Args:
        entries: item id -> entry.
        source: what messages call the key, usually the file's name.
    """

    entries: Mapping[str, Entry] = field(default_factory=dict)
    source: str = "the key"

    def __post_init__(self) -> None:
        object.__setattr__(self, "entries", MappingProxyType(dict(self.entries)))

    def get(self, item: str) -> Entry | None:
        """Return what ``item`` shows, or ``None`` when the key does not know it."""
        return self.entries.get(item)

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a rating does not count: a word for machines and a sentence for people."""

    code: ReasonCode
    sentence: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "sentence", escape_message(self.sentence))


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a rating counts, and if not, every reason why.

    Args:
        rating: the rating, as it was read.
        reasons: empty when it counts.
        entry: what the key says the item is; ``None`` without a key or for an unknown item.
    """

    rating: Rating
    reasons: tuple[Reason, ...] = ()
    entry: Entry | None = None

    @property
    def counted(self) -> bool:
        """Whether no rule speaks against the rating."""
        return not self.reasons

    @property
    def codes(self) -> tuple[ReasonCode, ...]:
        """The reasons' codes, in the order in which the rules were asked."""
        return tuple(reason.code for reason in self.reasons)
