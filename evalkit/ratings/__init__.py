"""Raters' answers: read from the files of survey and crowd platforms, and checked by the challenge's rules."""

from __future__ import annotations

from evalkit.ratings.answer_file import AnswerFile
from evalkit.ratings.item_key import read_key
from evalkit.ratings.mapping import PairMapping, RatingMapping, load_mapping, load_pair_mapping
from evalkit.ratings.model import Answer, AnswerKind, AnswerVerdict, Key, KeyEntry, RejectReason
from evalkit.ratings.pair_reader import read_pairs
from evalkit.ratings.read_errors import Fault
from evalkit.ratings.reader import read_ratings
from evalkit.ratings.rules import REASON_TITLES, AnswerSummary, check_answers, summarise_answers

__all__ = [
    "REASON_TITLES",
    "Answer",
    "AnswerFile",
    "AnswerKind",
    "AnswerSummary",
    "AnswerVerdict",
    "Fault",
    "Key",
    "KeyEntry",
    "PairMapping",
    "RatingMapping",
    "RejectReason",
    "check_answers",
    "load_mapping",
    "load_pair_mapping",
    "read_key",
    "read_pairs",
    "read_ratings",
    "summarise_answers",
]
