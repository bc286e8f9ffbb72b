"""Listings of strangers: what is no fingerprint is named by its line, and the rest is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evalkit.errors import InputError
from evalkit.leaks import listing
from evalkit.leaks.listing import Print, WrongLines, parse_line, read_blocks

DIGEST = "ab" * 32
GOOD = Print("a/b.mp4", DIGEST, b"\1\2\3" * 64, bytes(8), b"\7" * 64)


def record(**changes: Any) -> str:
    return json.dumps({**json.loads(GOOD.line()), **changes})


def test_a_line_says_what_was_written() -> None:
    assert parse_line(GOOD.line()) == GOOD
    odd = Print('ü " \\ \u2028', DIGEST)
    assert parse_line(odd.line()) == odd
    assert "\n" not in odd.line()[:-1]
    assert set(json.loads(GOOD.line())) == {"id", "sha256", "motion", "image", "sound"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Expecting value"),
        ("[]", "no object"),
        ('"x"', "no object"),
        ("{}", "'id' has 0 characters"),
        (record(id=7), "'id' is no text"),
        (record(id="x" * 1001), "1001 characters"),
        (record(sha256="AB" * 32), "'sha256' is no digest"),
        (record(sha256=DIGEST + "\n"), "'sha256' is no digest"),
        (record(motion=None), "'motion' is no text"),
        (record(motion="zz"), "'motion' is no hexadecimal text"),
        (record(motion="00 0000"), "'motion' is no hexadecimal text"),
        (record(motion="0000"), "'motion' is not 3 bytes"),
        (record(motion="000000" * 65), "at most 64 tenths"),
        (record(sound="00" * 65), "'sound' is not 1 bytes"),
        (record(image="00"), "'image' has 1 bytes, not 8"),
        (record(image="٣" * 16), "'image' is no hexadecimal text"),
        ('{"id": "a", "id": "b"}', "appears twice"),
        ('{"id": NaN}', "NaN is not a JSON value"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_a_wrong_line_is_told(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_line(text)


def test_wrong_lines_cost_themselves_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "BLOCK", 2)
    path = tmp_path / "joined.jsonl"
    good = GOOD.line().encode()
    lines = [
        good,
        b"\n",
        b"{}\n",
        good,
        b"\xff\xfe\n",
        b'{"id": "' + b"x" * 100_000 + b'"}\n',
        good,
        b"null",
        b"\n",
        good[:-1],
    ]
    path.write_bytes(b"".join(lines))
    wrong = WrongLines()
    blocks = list(read_blocks(path, wrong))
    assert [len(block) for block, _ in blocks] == [2, 2, 0]
    assert sum(size for _, size in blocks) == path.stat().st_size
    assert {one for block, _ in blocks for one in block} == {GOOD}
    assert wrong.number == 4
    assert [text.split(":")[0] for text in wrong.first] == ["line 3", "line 5", "line 6", "line 8"]
    assert "longer than 8192 bytes" in wrong.first[2]


def test_only_the_first_wrong_lines_are_named(tmp_path: Path) -> None:
    path = tmp_path / "junk.jsonl"
    path.write_bytes(b"junk\n" * 1000)
    wrong = WrongLines()
    assert [len(block) for block, _ in read_blocks(path, wrong)] == [0]
    assert (wrong.number, len(wrong.first)) == (1000, 5)


def test_what_can_not_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="can't be read"):
        list(read_blocks(tmp_path, WrongLines()))
