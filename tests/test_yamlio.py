from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from evalkit.errors import ChallengeError, EvalkitError, InputError
from evalkit.yamlio import MAX_DEPTH, MAX_FAULTS, parse_yaml, validate_model


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Wheel(Strict):
    size: int = Field(ge=1)
    maker: str = "x"


class Car(Strict):
    name: str
    doors: int = 4
    fast: bool = False
    top_speed: float | None = None
    schema_: int = Field(1, alias="schema")
    wheels: tuple[Wheel, ...] = ()
    spare: Wheel | None = None
    by_place: dict[str, Wheel] = Field(default_factory=dict)
    labels: dict[str, str] = Field(default_factory=dict)
    extras: dict[str, Any] = Field(default_factory=dict)


def car(text: str) -> Car:
    return validate_model(Car, parse_yaml(text, "car.yaml", kind=ChallengeError), kind=ChallengeError)


def value(text: str) -> Any:
    return parse_yaml(f"key: {text}", "car.yaml").data["key"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("name: a\n\n# comment\ndors: 3", "car.yaml, line 4: unknown key 'dors'. Did you mean 'doors'?"),
        ("name: a\nzzzzzzzz: 3", "car.yaml, line 2: unknown key 'zzzzzzzz'."),
        ("doors: 3", "car.yaml, line 1: the key 'name' is missing."),
        ("name: a\nshema: 1", "car.yaml, line 2: unknown key 'shema'. Did you mean 'schema'?"),
        (
            "name: a\nwheels:\n  - size: 1\n  - size: 2\n    makker: b",
            "car.yaml, line 5: unknown key 'wheels.1.makker'. Did you mean 'maker'?",
        ),
        ("name: a\nwheels:\n  - size: 1\n  -\n    maker: b", "car.yaml, line 5: the key 'wheels.1.size' is missing."),
        ("name: a\nspare:\n  szie: 1", "car.yaml, line 3: unknown key 'spare.szie'. Did you mean 'size'?"),
        (
            "name: a\nby_place:\n  left:\n    size: 1\n    sise: 1",
            "car.yaml, line 5: unknown key 'by_place.left.sise'. Did you mean 'size'?",
        ),
        ("name: a\nwheels: 3", "car.yaml, line 2: 'wheels': must be a list. Found 3."),
        ("name: a\nspare: x", "car.yaml, line 2: 'spare': must be a set of keys with values. Found 'x'."),
        ("name: ~", "car.yaml, line 1: 'name': must be text."),
        ("name: [a]", "car.yaml, line 1: 'name': must be text."),
    ],
)
def test_a_fault_is_named_with_its_line_and_the_nearest_key(text: str, sentence: str) -> None:
    with pytest.raises(ChallengeError) as caught:
        car(text)
    assert sentence in [line.split(" Known keys: ")[0] for line in str(caught.value).splitlines()]


def test_an_unknown_key_comes_with_all_known_ones() -> None:
    known = "name, doors, fast, top_speed, schema, wheels, spare, by_place, labels, extras"
    for text, near, keys in (
        ("name: a\ndors: 3", " Did you mean 'doors'?", known),
        ("name: a\nDoors: 3", " Did you mean 'doors'?", known),
        ("name: a\nspare: {size: 1, SIZE: 2}", " Did you mean 'size'?", "size, maker"),
        ("name: a\nwheels: [{size: 1, z: 2}]", "", "size, maker"),
        ("name: a\nby_place: {left: {size: 1, z: 2}}", "", "size, maker"),
    ):
        with pytest.raises(ChallengeError) as caught:
            car(text)
        assert str(caught.value).endswith(f"'.{near} Known keys: {keys}.")


def test_all_faults_are_named_one_a_line() -> None:
    with pytest.raises(ChallengeError) as caught:
        car("doors: many\nfast: 3\nspare:\n  size: 0")
    lines = str(caught.value).splitlines()
    assert [line.split(":")[0] for line in lines] == [f"car.yaml, line {n}" for n in (1, 1, 2, 4)]
    assert "Found 'many'." in lines[1]
    assert "must be at least 1. Found 0." in lines[3]


def test_a_file_with_thousands_of_faults_gets_a_short_message() -> None:
    with pytest.raises(ChallengeError) as caught:
        car("name: a\n" + "".join(f"k{i}: 1\n" for i in range(1000)))
    lines = str(caught.value).splitlines()
    assert len(lines) == MAX_FAULTS + 1
    assert lines[-1] == f"car.yaml: and {1000 - MAX_FAULTS} more faults."


def test_a_key_can_not_write_a_line_of_its_own() -> None:
    with pytest.raises(ChallengeError) as caught:
        car('name: a\n"x\\nerror: all is well \\u202e": 1')
    assert str(caught.value).split(" Known")[0] == r"car.yaml, line 2: unknown key 'x\nerror: all is well \u202e'."


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\nb: 2\na: 3", 3, "the key 'a' appears twice"),
        ("a: 1\n'a': 3", 2, "the key 'a' appears twice"),
        ("1: x\n'1': y", 2, "the key '1' appears twice"),
        ("a:\n  b: 1\n  b: 1", 3, "the key 'b' appears twice"),
        ("a: 1\nb: &x 2", 2, r"anchors and aliases are not allowed here. Found &x"),
        ("a: &x [1]\nb: *x", 1, "anchors and aliases are not allowed here. Found &x"),
        ("a: 1\nb: *x", 2, r"anchors and aliases are not allowed here. Found \*x"),
        ("a: 1\nb: !!python/object/apply:os.system [ls]", 2, "tags are not allowed here"),
        ("a: !!python/object:os.system x", 1, "tags are not allowed here. Found tag:yaml.org,2002:python/object"),
        ("a: !!timestamp abc", 1, "tags are not allowed here"),
        ("a: !!bool abc", 1, "tags are not allowed here"),
        ("a: !!int ''", 1, "tags are not allowed here"),
        ("a: !own x", 1, "tags are not allowed here"),
        ("!!set {a}", 1, "tags are not allowed here"),
        ("a: 1\n? [b, c]\n: 2", 2, "a key must be a single value"),
        ("a: 1\nb: [1, 2", 2, "not valid YAML"),
        ("a: 1\n\tb: 2", 2, "not valid YAML"),
        ("a: b\n---\nc: d", 2, "not valid YAML"),
        ("a: 1\nb: x\0y", 2, r"a character that is not allowed in YAML. Found the character U\+0000"),
        ("a: 1\n\nb: \x07", 3, r"is not allowed in YAML. Found the character U\+0007"),
        ("a: \x1b[2J", 1, r"is not allowed in YAML. Found the character U\+001B"),
        ("a: \udc80", 1, r"is not allowed in YAML. Found the character U\+DC80"),
        ('a: 1\nb: "x\\0y"', 2, r"a control character in the text. Found the character U\+0000"),
        ('a: "\\e[2J"', 1, r"a control character in the text. Found the character U\+001B"),
        ('a: "\\ud800"', 1, r"a control character in the text. Found the character U\+D800"),
        ('"\\ud800": 1', 1, r"a control character in the text. Found the character U\+D800"),
    ],
)
def test_what_may_not_stand_in_a_file_is_refused_with_its_line(text: str, line: int, words: str) -> None:
    with pytest.raises(InputError, match=f"^file.yaml, line {line}: .*{words}"):
        parse_yaml(text, "file.yaml")


@pytest.mark.parametrize(
    "text",
    ['a: "\\U99999999"', "%YAML " + "9" * 4400 + ".1\n---\na: 1", "%YAML 2.0\n---\na: 1"],
    ids=["no such character", "version of 4400 digits", "version 2"],
)
def test_what_breaks_the_parser_is_not_valid_yaml(text: str) -> None:
    with pytest.raises(InputError, match=r"^file.yaml.*: not valid YAML"):
        parse_yaml(text, "file.yaml")


def test_a_bomb_of_aliases_stops_at_its_first_line() -> None:
    # Ten levels of ten: 10^10 leaves if it were expanded.
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    with pytest.raises(InputError, match=r"^bomb.yaml, line 1: YAML anchors and aliases are not allowed"):
        parse_yaml("\n".join(lines), "bomb.yaml")


@pytest.mark.parametrize(
    ("opening", "closing"), [("[", "]"), ("{a: ", "}"), ("- ", ""), ("? ", "")], ids=["list", "map", "dash", "key"]
)
@pytest.mark.parametrize("depth", [MAX_DEPTH + 2, 5000])
def test_deep_nesting_is_refused(opening: str, closing: str, depth: int) -> None:
    with pytest.raises(InputError, match=r"line 1: nested too deeply. Expected at most 40 levels"):
        parse_yaml(opening * depth + "x" + closing * depth, "deep.yaml")


def test_forty_levels_are_fine() -> None:
    data = parse_yaml("[" * MAX_DEPTH + "x" + "]" * MAX_DEPTH, "deep.yaml").data
    for _ in range(MAX_DEPTH):
        (data,) = data
    assert data == "x"


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n", "---\n", "\ufeff"])
def test_an_empty_file_is_no_model(text: str) -> None:
    assert parse_yaml(text, "car.yaml").data is None
    with pytest.raises(ChallengeError, match=r"car.yaml: not a set of 'key: value' lines. Found nothing"):
        car(text)


@pytest.mark.parametrize(("text", "found"), [("- a\n- b", "a list"), ("name", "a single value"), ("3", "a single")])
def test_a_model_needs_keys_at_the_top(text: str, found: str) -> None:
    with pytest.raises(ChallengeError, match=f"not a set of 'key: value' lines. Found {found}"):
        car(text)


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("0", 0),
        ("-12", -12),
        ("+5", 5),
        ("2025", 2025),
        ("0.50", 0.5),
        ("-.5", -0.5),
        ("1.", 1.0),
        ("1e3", 1000.0),
        ("2.5E-1", 0.25),
        # YAML 1.1 would make True, False, 10, 31, 7, 90, 1000, a number of 20 digits, infinity and a date of these.
        ("yes", "yes"),
        ("No", "No"),
        ("on", "on"),
        ("off", "off"),
        ("y", "y"),
        ("012", "012"),
        ("0x1f", "0x1f"),
        ("0b111", "0b111"),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("12345678901234567890", "12345678901234567890"),
        (".inf", ".inf"),
        ("-.inf", "-.inf"),
        (".nan", ".nan"),
        ("nan", "nan"),
        ("1e400", "1e400"),
        pytest.param("9" * 5000, "9" * 5000, id="5000 nines"),
        ("2026-03-01", "2026-03-01"),
        ("2026-03-01T23:59:59Z", "2026-03-01T23:59:59Z"),
        ("2025-13-45", "2025-13-45"),
        ("0001-01-01T00:00:00+10:00", "0001-01-01T00:00:00+10:00"),
        ("=", "="),
        ("<<", "<<"),
        ("'1'", "1"),
        ('"true"', "true"),
        ("'null'", "null"),
        ("1 2", "1 2"),
    ],
)
def test_words_mean_what_they_look_like(text: str, meaning: Any) -> None:
    found = value(text)
    assert found == meaning
    assert type(found) is type(meaning)


@pytest.mark.parametrize("text", ["2025", "012", "1.50", "1e3", "no", "true", "0x1f", "2026-03-01", "-0", "1_000"])
def test_where_text_is_asked_for_the_text_is_as_written(text: str) -> None:
    loaded = car(f"name: {text}\nwheels: [{{size: 1, maker: {text}}}]\nlabels: {{{text}: {text}}}")
    assert loaded.name == loaded.wheels[0].maker == loaded.labels[text] == text


def test_numbers_stay_numbers_where_anything_goes() -> None:
    loaded = car("name: a\nextras: {size: [320, 320], threshold: 0.50, on: true, text: 012}\ndoors: 012\nfast: yes")
    assert loaded.extras == {"size": [320, 320], "threshold": 0.5, "on": True, "text": "012"}
    assert loaded.doors == 12
    assert loaded.fast is True


def test_text_as_written_does_not_hide_other_faults() -> None:
    with pytest.raises(ChallengeError) as caught:
        car("name: 12\ndoors: x")
    assert str(caught.value).startswith("car.yaml, line 2: 'doors'")
    assert "\n" not in str(caught.value)


def test_the_document_itself_is_left_as_it_was() -> None:
    document = parse_yaml("name: 12", "car.yaml")
    assert validate_model(Car, document).name == "12"
    assert document.data == {"name": 12}


def test_lines_of_what_is_not_there_are_those_of_what_is_around_it() -> None:
    document = parse_yaml("a: 1\nb:\n  - c: 1\n  - d: 2\n", "f")
    assert document.line(("b", 1, "d")) == 4
    assert document.line(("b", 1, "x", 5)) == 4
    assert document.line(("zzz",)) == 1
    assert parse_yaml("", "f").line(("a",)) == 1


def test_lines_are_right_with_carriage_returns_and_a_byte_order_mark() -> None:
    with pytest.raises(ChallengeError, match=r"car\.yaml, line 3: unknown key 'dors'"):
        car("\ufeffname: a\r\ndoors: 2\r\ndors: 3\r\n")


def _only_evalkit_errors(text: str) -> None:
    try:
        document = parse_yaml(text, "f")
        validate_model(Car, document)
    except EvalkitError as error:
        assert str(error).startswith("f")
        assert all(line.startswith("f") for line in str(error).split("\n"))


@given(st.text(st.characters(), max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    _only_evalkit_errors(text)


yamlish = st.lists(
    st.one_of(
        st.sampled_from(list("-?:,[]{}#&*!|>'\"%@`~=<. \n\t0123456789axeE+_\\\ufeff\x85\u2028")),
        st.sampled_from(
            [
                "name: ",
                "doors: ",
                "wheels:\n  - ",
                "size: ",
                "spare: ",
                "labels: ",
                "extras: ",
                "!!int ",
                "\n---\n",
                "...\n",
            ]
        ),
        st.sampled_from(
            ["%YAML 1.1\n", "%TAG ! x\n", "\\U99999999", "<<: ", "2026-01-01", "1e999", ".nan", "true", "? "]
        ),
    ),
    max_size=60,
).map("".join)


@given(yamlish)
def test_anything_that_looks_like_yaml_is_read_or_refused(text: str) -> None:
    _only_evalkit_errors(text)


@given(st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_categories=["Cc", "Cf"]), max_size=40))
def test_quoted_text_comes_back(text: str) -> None:
    quoted = "'" + text.replace("'", "''") + "'"
    assert value(quoted) == text
    assert car(f"name: {quoted}").name == text


@given(st.integers(-(10**18) + 1, 10**18 - 1), st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_come_back(integer: int, real: float) -> None:
    assert value(str(integer)) == integer
    assert value(repr(real)) == real
    assert type(value(repr(real))) is float
