import pickle

import pytest

from evalkit.errors import InputError, WeightsError

FOREIGN = "x\nerror: forged\x1b[2J\u202e"


def test_foreign_text_in_an_error_can_forge_no_line() -> None:
    error = InputError(f"There is no '{FOREIGN}'.", found=FOREIGN, expected=FOREIGN, fix=FOREIGN)
    shown = r"x\nerror: forged\x1b[2J\u202e"
    assert str(error) == f"There is no '{shown}'. Found {shown}; expected {shown}. {shown}"
    assert (error.what, error.found, error.expected, error.fix) == (f"There is no '{shown}'.", shown, shown, shown)


def test_only_a_list_of_sentences_makes_lines() -> None:
    error = InputError([f"one {FOREIGN}", "two"], fix="Fix both.")
    assert str(error).splitlines() == [r"one x\nerror: forged\x1b[2J\u202e", "two", "Fix both."]
    assert error.lines == (r"one x\nerror: forged\x1b[2J\u202e", "two")


def test_a_long_name_hides_nothing_that_follows_it() -> None:
    error = InputError(f"'{'x' * 70_000}' is not a file.")
    assert len(str(error)) == 1000
    assert str(error).endswith("x' is not a file.")


def test_an_error_survives_pickling() -> None:
    error = WeightsError(["one", "two"], found="a", expected="b", fix="c")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is WeightsError
    assert str(again) == str(error)
    assert (again.lines, again.found, again.expected, again.fix) == (error.lines, "a", "b", "c")


@pytest.mark.parametrize(
    ("found", "expected", "words"),
    [
        ("No such file or directory.", None, "Found No such file or directory."),
        ("a dot.", "none.", "Found a dot; expected none."),
        ("found character '\\t' that can't start a token", None, "Found character '\\t' that can't start a token."),
        ("Found 3", "expected 5", "Found 3; expected 5."),
        ("found", None, "Found found."),
        (None, "5", "Expected 5."),
        ("is it so?", None, "Found is it so?"),
        ("a path to ..", None, "Found a path to .."),
        ("", "", ""),
        (None, None, ""),
    ],
)
def test_no_word_and_no_full_stop_is_doubled(found, expected, words) -> None:
    error = InputError("It failed.", found=found, expected=expected, fix="Try again.")
    assert str(error) == " ".join(filter(None, ("It failed.", words, "Try again.")))


def test_no_message_is_a_page_long() -> None:
    columns = ", ".join(f"column {at}" for at in range(5000))
    error = InputError("The table has no time.", found=columns, expected=columns, fix="Name the column.")
    assert len(str(error)) < 900
    assert str(error).endswith("Name the column.")
