"""People's ratings: read from the files of survey and crowd platforms, and held against the challenge's rules."""

from __future__ import annotations

from evalkit.ratings.item_key import read_key
from evalkit.ratings.mapping import (
    PairMapping,
    RatingMapping,
    load_mapping,
    load_pair_mapping,
)
from evalkit.ratings.model import Entry, Key, Rating, Reason, Verdict, identity
from evalkit.ratings.pair_reader import PairFile, read_pairs
from evalkit.ratings.pair_rules import judge_pairs, summarise_pairs
from evalkit.ratings.pairs import Comparison, PairVerdict, pair_identity
from evalkit.ratings.read_errors import Fault
from evalkit.ratings.reader import RatingFile, read_ratings
from evalkit.ratings.rules import REASON_TITLES, Judgement, Summary, judge

__all__ = [
    "REASON_TITLES",
    "Comparison",
    "Entry",
    "Fault",
    "Judgement",
    "Key",
    "PairFile",
    "PairMapping",
    "PairVerdict",
    "Rating",
    "RatingFile",
    "RatingMapping",
    "Reason",
    "Summary",
    "Verdict",
    "identity",
    "judge",
    "judge_pairs",
    "load_mapping",
    "load_pair_mapping",
    "pair_identity",
    "read_key",
    "read_pairs",
    "read_ratings",
    "summarise_pairs",
]
