"""People's ratings: read from the files of survey and crowd platforms, and held against the challenge's rules."""

from __future__ import annotations

from evalkit.ratings.faults import Fault
from evalkit.ratings.keyfile import read_key
from evalkit.ratings.mapping import FORMAT_NAMES, FormatName, RatingMapping, load_mapping
from evalkit.ratings.model import Entry, Key, Rating, Reason, Verdict, identity
from evalkit.ratings.reader import RatingFile, read_ratings
from evalkit.ratings.rules import Judgement, Summary, judge

__all__ = [
    "FORMAT_NAMES",
    "Entry",
    "Fault",
    "FormatName",
    "Judgement",
    "Key",
    "Rating",
    "RatingFile",
    "RatingMapping",
    "Reason",
    "Summary",
    "Verdict",
    "identity",
    "judge",
    "load_mapping",
    "read_key",
    "read_ratings",
]
