"""CLIP's tokens on a vocabulary small enough to merge by hand; the real one is compared in test_clip_parity."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
from clip_checkpoint import SMALL_MERGES, write_vocabulary
from hypothesis import given
from hypothesis import strategies as st

from evalkit.errors import WeightsError
from evalkit.metrics.networks.tokenizer import CONTEXT, Tokenizer, byte_letters, clean

# 256 letters, 256 letters that end a word, the merges in their order, start, end.
HE, LL, HELL, HELLO, AB, BA = (512 + n for n in range(6))
START, END = 518, 519


def letter(char: str) -> int:
    """Bytes from "!" to "~" come first in the vocabulary."""
    return ord(char) - ord("!")


def last(char: str) -> int:
    return 256 + letter(char)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory) -> Tokenizer:
    return Tokenizer(write_vocabulary(tmp_path_factory.mktemp("vocabulary") / "merges.txt.gz"))


def test_letters_stand_for_bytes():
    letters = byte_letters()
    assert len(letters) == len(set(letters.values())) == 256
    assert [letters[byte] for byte in (ord("a"), 0xA1, 0xFF)] == ["a", "¡", "ÿ"]
    # 0 to 32, 127 to 160 and 173 are invisible: 33 + 34 + 1, numbered from 256 on, at the end of the vocabulary.
    assert [ord(letters[byte]) for byte in (0, 32, 127, 160, 173)] == [256, 288, 289, 322, 323]
    assert list(letters)[:2] == [33, 34]
    assert list(letters)[-1] == 173


def test_words_are_merged_in_the_order_of_the_list(tokenizer):
    assert tokenizer.size == 512 + len(SMALL_MERGES) + 2
    assert tokenizer.encode("hello") == [HELLO]
    assert tokenizer.encode("hell") == [HE, letter("l"), last("l")], "the last l ends the word: another token than l"
    assert tokenizer.encode("hellno") == [HELL, letter("n"), last("o")]
    # "a b</w>" comes before "b a": of bab the last two are joined first, and no "ba" is left.
    assert tokenizer.encode("bab") == [letter("b"), AB]
    assert tokenizer.encode("bac") == [BA, last("c")]
    assert tokenizer.encode("baba") == [BA, letter("b"), last("a")]
    assert tokenizer.encode("q") == [last("q")]
    # Two bytes of UTF-8: C3 A9; the second is among the visible ones after "¡".."¬": 94 + 8.
    assert tokenizer.encode("é") == [94 + 12 + 0xC3 - 0xAE, 256 + 94 + 0xA9 - 0xA1]


def test_texts_are_split_into_words_digits_and_signs(tokenizer):
    assert tokenizer.encode("ab12?!") == [AB, last("1"), last("2"), letter("?"), last("!")]
    assert tokenizer.encode("ab's") == [AB, letter("'"), last("s")]
    assert tokenizer.encode("ab'x") == [AB, last("'"), last("x")]
    assert tokenizer.encode("") == tokenizer.encode(" \n") == []


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("  A\t\tb \n c ", "a b c"),
        ("&lt;B&gt;", "<b>"),
        # Before a "<" ftfy takes the text for HTML and leaves it alone; then entities are resolved exactly twice.
        ("< &lt;", "< <"),
        ("< &amp;lt;", "< <"),
        ("< &amp;amp;lt;", "< &lt;"),
        ("cafÃ©", "café"),
        ("“x”", '"x"'),
        ("a\u00a0b\u3000c", "a b c"),
    ],
)
def test_text_is_cleaned(text, cleaned):
    assert clean(text) == cleaned


def test_rows_have_both_marks_and_zeros(tokenizer):
    tokens = tokenizer.tokens(["ab hello", ""])
    assert tokens.numbers.shape == (2, CONTEXT)
    assert tokens.numbers.dtype == tokens.counts.dtype == np.int64
    assert tokens.numbers[0].tolist() == [START, AB, HELLO, END] + [0] * 73
    assert tokens.numbers[1].tolist() == [START, END] + [0] * 75
    assert tokens.counts.tolist() == [4, 2]
    assert tokenizer.tokens([]).numbers.shape == (0, CONTEXT)


@pytest.mark.parametrize(("words", "kept"), [(74, 74), (75, 75), (76, 75), (300, 75)])
def test_long_texts_keep_the_end_mark_and_tell_their_length(tokenizer, words, kept):
    tokens = tokenizer.tokens(["ab " * words])
    assert tokens.counts.tolist() == [words + 2]
    assert tokens.numbers[0, : kept + 2].tolist() == [START, *[AB] * kept, END]
    assert not tokens.numbers[0, kept + 2 :].any()


def test_marks_in_a_text_are_marks(tokenizer):
    assert tokenizer.encode("ab <|endoftext|> <|StartOfText|>") == [AB, END, START]


@given(st.text())
def test_any_text_has_tokens_of_the_vocabulary(tokenizer, text):
    tokens = tokenizer.tokens([text, text])
    assert (tokens.numbers[0] == tokens.numbers[1]).all()
    assert 0 <= tokens.numbers.min() <= tokens.numbers.max() < tokenizer.size
    assert tokens.numbers[0, 0] == START
    assert END in tokens.numbers[0]
    assert tokens.counts[0] == len(tokenizer.encode(text)) + 2


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "is missing"),
        (b"", "is not a list of merges"),
        (b"plain text", "can't be read"),
        (gzip.compress(b"#version\nh e\n", mtime=0)[:-9], "can't be read"),
        (gzip.compress(b"#version\n\xff\xfe\n", mtime=0), "can't be read"),
        (gzip.compress(b"#version\n", mtime=0), "is not a list of merges"),
        (gzip.compress(b"#version\nh e\none two three\n", mtime=0), "is not a list of merges. Found one two three"),
    ],
    ids=["missing", "empty", "not packed", "cut", "not text", "no merges", "three parts"],
)
def test_what_is_no_vocabulary_is_told(tmp_path, content, told):
    path = tmp_path / "merges.txt.gz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(WeightsError, match=told):
        Tokenizer(path)
