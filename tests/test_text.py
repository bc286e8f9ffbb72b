import csv
import io
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.text import (
    ELLIPSIS,
    count,
    csv_cell,
    ended,
    escape_for_display,
    escape_message,
    hidden_characters,
    how_it_ended,
    name_cell,
    name_in_cell,
    told_apart,
)

# st.text() leaves lone surrogates out unless asked; everything else is in, this leans towards the nasty ones.
anything = st.text(
    st.one_of(
        st.characters(),
        st.characters(categories=["Cc", "Cf", "Cs", "Zl", "Zp", "Mn"]),
        st.sampled_from("=+-@\t\r\n'\"\\\u3164\u2800\ufe0f"),
    ),
    max_size=300,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("s01.mp4", "s01.mp4"),
        ("a\x1b[2Jb", r"a\x1b[2Jb"),
        ("a\x9b31mb", r"a\x9b31mb"),  # C1: the one-character form of ESC [
        ("s01\u202e4pm.exe", r"s01\u202e4pm.exe"),
        ("a\u200bb\ufeffc", r"a\u200bb\ufeffc"),
        ("a\udc80b", r"a\udc80b"),
        ("a\nb\r\tc\u2028d", r"a\nb\r\tc\u2028d"),
        ("a\0b\x7f", r"a\x00b\x7f"),
        ("\U000e0041", r"\U000e0041"),  # a tag character
        ("\u3164", r"\u3164"),  # a letter that is drawn as nothing
        ("C:\\x1b", "C:\\x1b"),
        ("\u8996\u983b caf\u00e9 \U0001f600", "\u8996\u983b caf\u00e9 \U0001f600"),
    ],
)
def test_escape_writes_out_what_acts_or_hides(text: str, shown: str) -> None:
    assert escape_for_display(text) == shown


def test_escape_cuts_between_escapes() -> None:
    # Room for 8: seven letters and the ellipsis. An escape of four does not fit into three.
    assert escape_for_display("abcdefghi", 8) == "abcdefg" + ELLIPSIS
    assert escape_for_display("abcd\x1bxyz", 8) == "abcd" + ELLIPSIS
    assert escape_for_display("abcd\x1b", 8) == r"abcd\x1b"
    assert escape_for_display("ab", 1) == ELLIPSIS
    assert escape_for_display("x" * 10_000_000, 20) == "x" * 19 + ELLIPSIS
    with pytest.raises(ValueError, match="at least 1"):
        escape_for_display("a", 0)


@given(anything, st.integers(8, 60))
def test_an_escaped_message_is_visible_bounded_and_stable(text: str, limit: int) -> None:
    shown = escape_message(text, limit)
    assert len(shown) <= limit
    assert not hidden_characters(shown)
    assert shown.isprintable()
    assert escape_message(shown, limit) == shown


def test_a_long_message_loses_its_middle() -> None:
    assert escape_message("'" + "x" * 5000 + "' is not a file.", 20) == "'xxxxxxxxx" + ELLIPSIS + "t a file."


@given(anything, st.integers(1, 120))
def test_escaped_text_is_visible_bounded_and_stable(text: str, limit: int) -> None:
    shown = escape_for_display(text, limit)
    assert len(shown) <= limit
    assert shown.isprintable()
    assert not {unicodedata.category(char) for char in shown} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert not hidden_characters(shown)
    assert escape_for_display(shown, limit) == shown
    shown.encode("utf-8")


@given(st.text(st.characters(categories=["L", "N", "P", "S"], max_codepoint=0x24F), max_size=100))
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert escape_for_display(text) == text
    assert hidden_characters(text) == []


def test_hidden_characters_are_named_once_each() -> None:
    assert hidden_characters("a\u202eb\x1bc\x1b") == ["\x1b", "\u202e"]
    assert hidden_characters("Screenshot at 3.45\u202fPM.png") == []


@pytest.mark.parametrize("text", ["0", "-1", "+2.5", "-0.25", "+1e-3", "-.5", "3.", "1E6"])
def test_numbers_stay_numbers(text: str) -> None:
    assert csv_cell(text) == text


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("", ""),
        ("team one", "team one"),
        ("=1+1", "'=1+1"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("-2+3", "'-2+3"),
        ("-inf", "'-inf"),
        ("-\u0663", "'-\u0663"),  # an Arabic-Indic digit is no plain number
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\\t=1"),
        ("\r=1", "'\\r=1"),
        ("  =1", "'  =1"),
        ("\uff1d1+1", "'\uff1d1+1"),
        ("-1\n", "'-1\\n"),
        ("a=b", "a=b"),
    ],
)
def test_formulas_are_guarded(text: str, cell: str) -> None:
    assert csv_cell(text) == cell


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("team one", "team one"),
        ("-0.25", "-0.25"),
        ("=1+1", "'=1+1"),
        ("\xa0=1", "'\xa0=1"),
        ("'=1", "''=1"),
        ("'s team", "'s team"),
    ],
)
def test_names_come_back_from_the_cells_that_keep_them_from_being_formulas(name: str, cell: str) -> None:
    assert (name_cell(name), name_in_cell(cell)) == (cell, name)


@given(st.text(alphabet="='+-@ \tA1\u200b\uff1d"))
def test_every_name_comes_back_as_it_was(name: str) -> None:
    assert name_in_cell(name_cell(name)) == name
    assert csv_cell(name_cell(name)) == escape_for_display(name_cell(name))  # nothing is left to guard


@given(anything)
def test_no_cell_starts_a_formula_and_all_come_back_from_a_csv_file(text: str) -> None:
    cell = csv_cell(text)
    stripped = cell.lstrip()
    if stripped[:1] and stripped[0] in "=+-@":
        assert float(cell) == float(text)
    assert not hidden_characters(cell)
    file = io.StringIO(newline="")
    csv.writer(file).writerow([cell, "end"])
    assert next(csv.reader(io.StringIO(file.getvalue(), newline=""))) == [cell, "end"]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (-11, "was ended by SIGSEGV"),
        (-9, "was ended by SIGKILL"),
        (139, "ended with code 139 (SIGSEGV)"),
        (1, "ended with code 1"),
        (255, "ended with code 255"),
        (-99, "ended with code -99"),
    ],
)
def test_a_signal_is_named(code, words):
    assert how_it_ended(code) == words


@pytest.mark.parametrize(
    ("value", "limit", "texts"),
    [
        (100 * 8 / 11, 75, ("72.7", "75")),
        (100 * 2 / 3, 95, ("66.7", "95")),
        (99.99, 100, ("99.99", "100")),
        (94.99996, 95, ("94.99996", "95")),
        (50, 60, ("50", "60")),
        (0.0, 1, ("0", "1")),
        (1.9499999, 2, ("1.9", "2")),
        (1.96, 2, ("1.96", "2")),
        (1 / 3, 1 / 3, ("0.3", "0.3")),
        (1e300, 60, ("1e+300", "60")),
    ],
)
def test_numbers_are_rounded_as_far_as_they_differ(value, limit, texts):
    assert told_apart(value, limit) == texts


def test_one_is_not_many():
    assert [count(number, "error") for number in (0, 1, 2)] == ["0 errors", "1 error", "2 errors"]
    assert [count(number, "reply is", "replies are") for number in (1, 2)] == ["1 reply is", "2 replies are"]


@pytest.mark.parametrize("text", ["Gone.", "Gone", "Why?", "Cut" + ELLIPSIS])
def test_a_sentence_ends_once(text):
    assert ended(text) == ("Gone." if text == "Gone" else text)
