"""CLIP's tokens: a text as the numbers that the text network takes.

Byte-pair encoding of Sennrich et al. (ACL 2016) over bytes, with the vocabulary and the cleaning of OpenAI's CLIP: text
mended by ftfy, HTML entities resolved twice, white space joined, lower case. Why this is written here:
design/004-clip-text.md.
"""

from __future__ import annotations

import gzip
import html
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import ftfy
import numpy as np
import regex
from numpy.typing import NDArray

from evalkit.errors import WeightsError

CONTEXT = 77
MERGES = 48_894  # of OpenAI's file, which lists more, the first 48,894 were used: 49,408 tokens
START, END = "<|startoftext|>", "<|endoftext|>"
_WORD_END = "</w>"
_WORDS = regex.compile(
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+", regex.IGNORECASE
)
_SPACES = regex.compile(r"\s+")
Pair = tuple[str, str]


@dataclass(frozen=True)
class Tokens:
    """Texts as the network takes them.

    Args:
        numbers: (N, 77) int64: start mark, text, end mark, zeros; a longer text loses its end, not the end mark.
        counts: (N,) int64: how many each text has, both marks included; above 77 it was cut.
    """

    numbers: NDArray[np.int64]
    counts: NDArray[np.int64]


class Tokenizer:
    """Turns texts into token numbers.

    Args:
        path: OpenAI's ``bpe_simple_vocab_16e6.txt.gz``: one line of version, then one merge of two parts per line.

    Raises:
        WeightsError: the file is missing, damaged or no list of merges.
    """

    def __init__(self, path: Path) -> None:
        merges = _read_merges(path)
        letters = byte_letters()
        self._letters = [letters[byte] for byte in range(256)]
        vocabulary = [*letters.values(), *(letter + _WORD_END for letter in letters.values())]
        vocabulary += [first + second for first, second in merges]
        # Where two merges make one token, the later number counts, as in the original.
        self._number = {token: number for number, token in enumerate([*vocabulary, START, END])}
        self._rank = {pair: rank for rank, pair in enumerate(merges)}
        self._parts = lru_cache(maxsize=65_536)(self._merge)
        self.size = len(vocabulary) + 2

    def encode(self, text: str) -> list[int]:
        """Return a text's token numbers, without start and end mark, however many there are."""
        numbers: list[int] = []
        for word in _WORDS.findall(clean(text)):
            if word in {START, END}:  # a text may spell the marks; the original takes them as such
                numbers.append(self._number[word])
            else:
                numbers += self._parts(word)
        return numbers

    def tokens(self, texts: Sequence[str]) -> Tokens:
        """Return texts as the network takes them, cut at 77 tokens."""
        numbers = np.zeros((len(texts), CONTEXT), dtype=np.int64)
        counts = np.zeros(len(texts), dtype=np.int64)
        for row, text in enumerate(texts):
            whole = [self._number[START], *self.encode(text), self._number[END]]
            kept = whole[:CONTEXT]
            kept[-1] = self._number[END]
            numbers[row, : len(kept)] = kept
            counts[row] = len(whole)
        return Tokens(numbers, counts)

    def _merge(self, word: str) -> tuple[int, ...]:
        """Return the token numbers of one word: neighbours are joined, the earliest merge of the list first."""
        parts = [self._letters[byte] for byte in word.encode("utf-8")]
        parts[-1] += _WORD_END
        while len(parts) > 1:
            rank, pair = min((self._rank.get(pair, len(self._rank)), pair) for pair in pairwise(parts))
            if rank == len(self._rank):
                break
            parts = _join(parts, pair)
        return tuple(self._number[part] for part in parts)


def clean(text: str) -> str:
    """Return a text as CLIP reads it: mended, HTML entities resolved twice, white space joined, lower case."""
    mended = html.unescape(html.unescape(ftfy.fix_text(text))).strip()
    return str(_SPACES.sub(" ", mended)).strip().lower()


def byte_letters() -> dict[int, str]:
    """Return the letter that represents each byte, in the order of the vocabulary.

    Bytes that print in Latin-1 represent themselves and come first; the others take the code points from 256 on.
    """
    visible = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    hidden = [byte for byte in range(256) if byte not in set(visible)]
    return {byte: chr(byte) for byte in visible} | {byte: chr(256 + place) for place, byte in enumerate(hidden)}


def _join(parts: list[str], pair: Pair) -> list[str]:
    joined: list[str] = []
    at = 0
    while at < len(parts):
        if tuple(parts[at : at + 2]) == pair:
            joined.append(parts[at] + parts[at + 1])
            at += 2
        else:
            joined.append(parts[at])
            at += 1
    return joined


def _read_merges(path: Path) -> list[Pair]:
    try:
        lines = gzip.decompress(path.read_bytes()).decode("utf-8").split("\n")[1 : MERGES + 1]
    except FileNotFoundError:
        raise WeightsError(f"The vocabulary {path} is missing.", fix="Fetch the weights.") from None
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise WeightsError(f"The vocabulary {path} can't be read.", found=str(error)) from None
    merges = [tuple(line.split()) for line in lines if line.strip()]
    wrong = next((merge for merge in merges if len(merge) != 2), None)
    if wrong is not None or not merges:
        raise WeightsError(
            f"The vocabulary {path} is not a list of merges.",
            found=" ".join(wrong)[:40] if wrong else "nothing",
            expected="two parts on each line after the first",
        )
    return [(merge[0], merge[1]) for merge in merges]
