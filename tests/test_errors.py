import pickle

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
