"""How far one text is from another: word and character errors, and how texts are made comparable before.

The errors are the Levenshtein distance: the fewest substitutions, deletions and insertions that turn the reference into
the hypothesis. Rates divide by the length of the reference. The values are those of jiwer 4 (``process_words``,
``process_characters`` with its default transforms), which tests compare.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Sequence

import numpy as np

Normaliser = Callable[[str], str]

# First and last code point of each run of CJK punctuation, full-width forms and the quotes and dashes beside them.
_CJK_MARKS = (
    (0x00B7, 0x00B7),
    (0x2013, 0x2014),
    (0x2018, 0x2019),
    (0x201B, 0x201F),
    (0x2026, 0x2027),
    (0x3001, 0x3003),
    (0x300A, 0x3011),
    (0x3014, 0x301F),
    (0x3030, 0x3030),
    (0x303E, 0x303F),
    (0xFE4F, 0xFE4F),
    (0xFF01, 0xFF0D),
    (0xFF0F, 0xFF0F),
    (0xFF1A, 0xFF20),
    (0xFF3B, 0xFF40),
    (0xFF5B, 0xFF64),
)
_MARKS = "".join(chr(code) for first, last in _CJK_MARKS for code in range(first, last + 1))
_DELETED = str.maketrans("", "", string.punctuation + _MARKS)
_SPACES = re.compile(r"\s\s+")


def as_written(text: str) -> str:
    """Return the text as it is: case and punctuation count, as in jiwer's default transforms."""
    return text


def without_punctuation(text: str) -> str:
    """Return the text in small letters without ASCII and CJK punctuation, as AlignDiT's evaluation does.

    Marks are deleted, not replaced by spaces: ``don't`` becomes ``dont``, ``well-known`` becomes ``wellknown``. Numbers
    stay as they are written.
    """
    return text.translate(_DELETED).replace("  ", " ").lower()


def words_of(text: str) -> list[str]:
    """Return the words, separated by spaces."""
    return [word for word in _SPACES.sub(" ", text).strip().split(" ") if word]


def characters_of(text: str) -> list[str]:
    """Return the characters between the first and the last that is no space."""
    return list(text.strip())


def edit_distance(reference: Sequence[str], hypothesis: Sequence[str]) -> int:
    """Return the Levenshtein distance of two sequences.

    One row of the usual table at a time: a step down or along the diagonal is a minimum of arrays; steps to the right
    cost 1 each, so that ``row - position`` is a running minimum.
    """
    if not reference or not hypothesis:
        return max(len(reference), len(hypothesis))
    numbers: dict[str, int] = {}
    ours = np.array([numbers.setdefault(one, len(numbers)) for one in reference])
    theirs = np.array([numbers.setdefault(one, len(numbers)) for one in hypothesis])
    places = np.arange(len(theirs) + 1)
    row = places.copy()
    for count, one in enumerate(ours, start=1):
        best = np.empty_like(row)
        best[0] = count
        best[1:] = np.minimum(row[1:] + 1, row[:-1] + (theirs != one))
        row = np.minimum.accumulate(best - places) + places
    return int(row[-1])


def error_rate(errors: int, length: int) -> float:
    """Return errors by the length of the reference, which is at least 1."""
    return errors / length
