"""Parse cells of rating files as ids, numbers and times; one that can't be parsed is a fault with its position."""

from __future__ import annotations

import math
import re
import sys
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from functools import lru_cache

from evalkit.challenges.rating_rules import Dimension
from evalkit.jsonio import parse_json
from evalkit.ratings.mapping import RatingMapping
from evalkit.ratings.read_errors import Faults, shown
from evalkit.ratings.table import FileForm
from evalkit.ratings.times import ZoneError, parse_moment
from evalkit.text import ended, escape_for_display, hidden_characters

MAX_ID = 200  # characters of a rater, an item or a dimension
MAX_NUMBER = 40
MAX_TIME = 80
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_COMMA = re.compile(r"[+-]?[0-9]*,([0-9]+)")
_UNDECODED = "is not valid UTF-8, nor in the 'encoding' of the mapping; name the encoding that the file is in"
_NOT_ALPHANUMERIC = re.compile(r"[\W_]+")
# Platforms' statuses of answers that were not refused. Any other status is kept, and the rules reject it.
ACCEPTED = frozenset(
    {
        "",
        "accepted",
        "approved",
        "awaiting review",
        "complete",
        "completed",
        "imported",
        "ip address",
        "ok",
        "submitted",
    }
)


@lru_cache(maxsize=65_536)
def normalised(text: str) -> str:
    """Return ``text`` as names are compared: lower case, every run of other characters one underscore."""
    return _NOT_ALPHANUMERIC.sub("_", unicodedata.normalize("NFC", text).casefold()).strip("_")


class Dimensions:
    """The dimensions that the texts in a file name.

    Args:
        known: the challenge's dimensions; their ids and titles are understood.
        names: text in the file -> dimension id, from a mapping; they take precedence.
    """

    def __init__(self, known: Sequence[Dimension] = (), names: dict[str, str] | None = None) -> None:
        self._ids: dict[str, str] = {}
        for dimension in known:
            self._ids[normalised(dimension.title)] = dimension.id
        for dimension in known:
            self._ids[normalised(dimension.id)] = dimension.id
        for target in (names or {}).values():
            self._ids.setdefault(normalised(target), target)
        for word, target in (names or {}).items():
            self._ids[normalised(word)] = target
        self._longest_first = sorted(self._ids, key=len, reverse=True)

    def __len__(self) -> int:
        return len(self._ids)

    def find(self, words: str) -> str | None:
        """Return the dimension that ``words`` name, or ``None``."""
        return self._ids.get(normalised(words))

    def resolve(self, words: str) -> str:
        """Return the dimension that ``words`` name; words that name none stay as they are."""
        return self.find(words) or words

    def split(self, header: str) -> tuple[str, str] | None:
        """Return (the rest, dimension) of a header that begins or ends with a dimension's words, else ``None``."""
        for words in self._longest_first:
            match = _ends(words).fullmatch(header)
            if match:
                rest = match["before"] or match["after"]
                return (rest, self._ids[words]) if rest else None
        return None


@lru_cache(maxsize=1024)
def _ends(words: str) -> re.Pattern[str]:
    """Return what matches ``item 3 - lip sync`` and ``lip_sync_3`` for the words ``lip_sync``."""
    signs = r"[\W_]+"
    body = signs.join(re.escape(part) for part in words.split("_"))
    return re.compile(rf"(?:(?P<before>.*?[^\W_]){signs}{body}\W*|{body}{signs}(?P<after>[^\W_].*?)\W*)", re.IGNORECASE)


@dataclass
class Context:
    """What a reader needs besides the file: its name, the mapping, the dimensions, and where faults go.

    ``delimiter`` is the table's; where it is not a comma, a comma in a number is a decimal comma.
    ``timed`` is whether a column of the table is known to say when answers were handed in; ``header_rows`` stand before
    the answers.
    ``form_of_times`` is whether the mapping's ``time_format`` is for this file, and may be advised.
    """

    file: str
    mapping: RatingMapping = field(default_factory=RatingMapping)
    dimensions: Dimensions = field(default_factory=Dimensions)
    faults: Faults = field(default_factory=lambda: Faults("ratings"))
    zone: tzinfo | None = None
    unread: tuple[str, ...] = ()
    timed: bool = True
    header_rows: int = 1
    form_of_times: bool = True
    delimiter: str | None = None

    @property
    def form(self) -> FileForm:
        """How the file is written, as the mapping says."""
        return self.mapping.form

    def is_missing(self, cell: object) -> bool:
        """Whether a cell holds no answer."""
        return cell is None or (isinstance(cell, str) and (not cell.strip() or cell.strip() in self.mapping.missing))

    def name(self, row: int, column: str, cell: object, what: str) -> str | None:
        """Return a cell as an id (spaces at its ends gone, Unicode NFC), or ``None`` after a fault."""
        if isinstance(cell, bool) or not isinstance(cell, (str, int, float)):
            found = "nothing" if cell is None else "no text"
            self.faults.add(row, column, f"the {what} is missing: the cell holds {found}.")
            return None
        try:
            text = _clean(str(cell))
        except ValueError as error:  # an integer of thousands of digits, too
            self.faults.add(row, column, ended(f"the {what} can't be read: {error}"))
            return None
        if not text:
            self.faults.add(row, column, f"the {what} is missing.")
            return None
        return text

    def number(self, row: int, column: str, cell: object, *, labels: bool = True) -> float | None:
        """Return a cell as a finite number, through the mapping's labels for a score, or ``None`` after a fault."""
        if isinstance(cell, str):
            cell = _unwrapped(cell.strip()) if labels else cell
            label = self.mapping.values.get(cell.strip()) if labels else None
            if label is not None:
                return label
            text = self.pointed(cell.strip())
            value = float(text) if len(text) <= MAX_NUMBER and _NUMBER.fullmatch(text) else math.nan
        elif isinstance(cell, (int, float)) and not isinstance(cell, bool):
            value = _as_float(cell)
        else:
            value = math.nan
        if not math.isfinite(value):
            hint = " Name the labels in the mapping's 'values'." if isinstance(cell, str) and labels else ""
            undecoded = isinstance(cell, str) and "\ufffd" in cell
            problem = f"{_UNDECODED}." if undecoded else f"is not a number.{hint}"
            self.faults.add(row, column, f"{_brief(cell)} {problem}")
            return None
        return value

    def pointed(self, text: str) -> str:
        """Return a number with a decimal comma with a point, where the table's cells are not parted by commas."""
        known = _COMMA.fullmatch(text) if self.delimiter not in {None, ","} else None
        # Semicolons come from places that write decimal commas; with tabs, 1,234 may be a thousand and more.
        if known is None or (self.delimiter != ";" and len(known[1]) == 3):
            return text
        return text.replace(",", ".")

    def moment(self, row: int, column: str, cell: object) -> datetime | None:
        """Return a cell as a moment in UTC; ``None`` for an empty one, or after a fault."""
        if self.is_missing(cell):
            return None
        if isinstance(cell, bool) or not isinstance(cell, (str, int, float)):
            self.faults.add(row, column, f"{_brief(cell)} is not a time.")
            return None
        text = _brief(cell, quotes=False) if not isinstance(cell, str) else cell.strip()
        if len(text) > MAX_TIME:
            self.faults.add(row, column, f"{shown(text)} is not a time.")
            return None
        try:
            return parse_moment(text, self.zone, self.mapping.time_format)
        except ValueError as error:
            fix = self._fix(error)
            self.faults.add(row, column, f"{ended(escape_for_display(str(error), limit=160))}{fix and ' '}{fix}")
            return None

    def _fix(self, error: ValueError) -> str:
        """Return the fix for a text that is not a time; empty where nothing in the mapping helps."""
        if isinstance(error, ZoneError):
            return error.fix
        is_known = self.mapping.time_format is not None or not self.form_of_times
        return "" if is_known else "Another form needs 'time_format' in the mapping."

    def duration(self, row: int, column: str, cell: object) -> float | None:
        """Return a cell as seconds, at least 0; ``None`` for an empty one, or after a fault."""
        if self.is_missing(cell):
            return None
        seconds = self.number(row, column, cell, labels=False)
        if seconds is not None and seconds < 0:
            self.faults.add(row, column, f"{_brief(cell)} is not a time spent; it can't be below 0 seconds.")
            return None
        return seconds

    def status(self, cell: object) -> str:
        """Return the platform's status of a refused answer; empty when it was not refused."""
        word = escape_for_display(" ".join(str(cell).split()), limit=40).casefold() if isinstance(cell, str) else ""
        return "" if word in ACCEPTED else word


@lru_cache(maxsize=4096)
def _clean(text: str) -> str:
    words = unicodedata.normalize("NFC", text.strip())
    if len(words) > MAX_ID:
        raise ValueError(f"it has {len(words)} characters, at most {MAX_ID} are allowed")
    if "\ufffd" in words:
        raise ValueError(f"{shown(words)} {_UNDECODED}")
    hidden = hidden_characters(words)
    if hidden:
        raise ValueError(f"{shown(words)} has characters that nobody sees")
    return sys.intern(words)


def _unwrapped(text: str) -> str:
    """Return the only answer of a JSON list in a cell (``["4"]``, ``[{"rating": 4}]``), else the cell as it is."""
    if not text.startswith("[") or len(text) > MAX_ID:
        return text
    try:
        content = parse_json(text)
    except ValueError:
        return text
    for _ in range(4):  # a list of one, an object of one key in it, a list of one as its value
        if isinstance(content, dict) and len(content) == 1:
            content = next(iter(content.values()))
        elif isinstance(content, list) and len(content) == 1:
            content = content[0]
    plain = isinstance(content, (str, int, float)) and not isinstance(content, bool)
    return str(content).strip() if plain else text


def _as_float(number: float) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf


def _brief(cell: object, *, quotes: bool = True) -> str:
    """Return a cell for a message; numbers of any length and nested values, too."""
    try:
        text = str(cell) if isinstance(cell, (str, int, float, type(None))) else type(cell).__name__
    except ValueError:  # an integer of thousands of digits
        text = "a very long number"
    return shown(text) if quotes else text
