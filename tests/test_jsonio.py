"""JSON of strangers: what two readers could understand differently is refused, and one reader reads it all."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.jsonio import MAX_DEPTH, parse_json

ROOT = Path(__file__).parents[1]
ROOMS = ("evalkit", "metrics", "validators", "reports", "reference_models")
READERS = {"json.load", "json.loads", "json.JSONDecoder"}
# Modules that read only what this evalkit wrote a moment before, each with what it is.
OWN = {
    "evalkit/jsonio.py": "the reader itself",
    "evalkit/workers/messages.py": "a worker's answer, which nobody else reads; NaN is a value there",
    "evalkit/cli/leaderboard.py": "a document that the same command made",
    "evalkit/crosscheck/compare.py": "the answer of the other package's process",
    "evalkit/crosscheck/syncnet_python.py": "the job of that process",
    "evalkit/workers/devices/client.py": "answers of the device process, which the worker trusts",
    "reference_models/generation/kept_clips.py": "records of generated clips",
    "reference_models/puppet/testset.py": "the marker of a test set that evalkit made",
}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1, "a": 1}', "the key 'a' appears twice"),
        ('{"x": [{"b": 1, "c": 2, "b": 3}]}', "the key 'b' appears twice"),
        ('{"a": 1, "\\u0061": 2}', "the key 'a' appears twice"),
        ('{"\\u202e": 1, "\\u202e": 2}', r"the key '\\u202e' appears twice"),
        ("[NaN]", "NaN is not a JSON value"),
        ("-Infinity", "-Infinity is not a JSON value"),
        ("[" * 100_000 + "]" * 100_000, "nested too deeply"),
        ("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "nested too deeply"),
        ('{"a":' * (MAX_DEPTH + 1) + "0" + "}" * (MAX_DEPTH + 1), "nested too deeply"),
        ("9" * 100_000, "Exceeds the limit"),
        ("\ufeff{}", "Expecting value"),
        ("{} {}", "Extra data"),
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_json(text)


def test_numbers_beyond_a_float_are_refused_where_that_is_asked_for() -> None:
    assert parse_json("[1e999]") == [float("inf")]
    for word in ("1e999", "-1e400", "1" + "0" * 400 + ".0"):
        with pytest.raises(ValueError, match="too large"):
            parse_json(f"[{word}]", finite=True)
    assert parse_json("[1e308, -0.0, 1e-400]", finite=True) == [1e308, 0.0, 0.0]


PLAIN = st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.text(max_size=9)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


@given(
    st.recursive(
        PLAIN | NUMBERS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=20,
    )
)
def test_it_reads_what_the_standard_library_reads(data: object) -> None:
    text = json.dumps(data)
    assert parse_json(text) == parse_json(text, finite=True) == json.loads(text)


def test_nothing_else_reads_json_of_others() -> None:
    found = set()
    for room in ROOMS:
        for file in (ROOT / room).rglob("*.py"):
            name = file.relative_to(ROOT).as_posix()
            if name.startswith("evalkit/") and name.split("/")[1] in ROOMS:
                continue  # a link to a room of the top level
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Attribute) and ast.unparse(node) in READERS:
                    found.add(name)
    assert found == OWN.keys(), found ^ OWN.keys()
