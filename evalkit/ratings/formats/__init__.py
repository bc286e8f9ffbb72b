"""The forms of rating files, one module each: ``NAME``, ``detect`` and ``read``."""

from __future__ import annotations

from evalkit.ratings.formats import forms, jsonl, label_studio, long, mturk, qualtrics, wide
from evalkit.ratings.formats.base import RatingFormat

# The most telling form goes first; what fits none of them is not guessed.
FORMATS: tuple[RatingFormat, ...] = (
    qualtrics.FORMAT,
    mturk.FORMAT,
    label_studio.FORMAT,
    jsonl.FORMAT,
    long.FORMAT,
    forms.FORMAT,
    wide.FORMAT,
)
