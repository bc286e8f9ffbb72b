"""Read JSON Lines and JSON arrays object by object, in memory that does not grow with the file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from evalkit.jsonio import STRICT_DECODER
from evalkit.ratings.read_errors import Faults
from evalkit.ratings.table import PLAIN, FileForm, open_text
from evalkit.text import ended, escape_for_display

MAX_OBJECT = 4 * 1024 * 1024  # characters of one object
MAX_DEPTH = 6  # of keys joined with dots
_CHUNK = 256 * 1024
_BLANK = " \t\r\n"


def first_sign(path: Path, form: FileForm = PLAIN) -> str:
    """Return the first character of a file that is not blank, or an empty string."""
    with open_text(path, form=form) as stream:
        return stream.read(_CHUNK).lstrip(_BLANK + "\ufeff")[:1]


def read_objects(path: Path, faults: Faults, form: FileForm = PLAIN) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (number, object): the line of a JSON Lines file, or the place in an array, both from 1.

    What is not an object, or not JSON, is a fault with that number. A broken array can't be read beyond the break.
    """
    pairs = (_array if first_sign(path, form) == "[" else _lines)(path, faults, form)
    for number, value in pairs:
        if isinstance(value, dict):
            yield number, value
        else:
            faults.add(number, None, "not a JSON object in braces.")


def _lines(path: Path, faults: Faults, form: FileForm) -> Iterator[tuple[int, Any]]:
    number = 0
    with open_text(path, form=form) as stream:
        while line := stream.readline(MAX_OBJECT + 1):
            number += 1
            if len(line) > MAX_OBJECT:
                while line and line[-1] not in "\r\n":
                    line = stream.readline(_CHUNK)
                faults.add(number, None, f"the line is longer than {MAX_OBJECT} characters.")
                continue
            text = line.strip().lstrip("\ufeff")
            if not text:
                continue
            try:
                yield number, STRICT_DECODER.decode(text)
            except (ValueError, RecursionError) as error:
                faults.add(number, None, ended(f"not JSON: {_cause(error)}"))


class _Buffer:
    """The part of a stream that is not yet understood."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.text = ""
        self.at = 0

    def more(self) -> bool:
        """Read on; ``False`` at the end of the file."""
        chunk = self._stream.read(max(_CHUNK, len(self.text) - self.at))
        self.text, self.at = self.text[self.at :] + chunk, 0
        return bool(chunk)

    def sign(self) -> str:
        """Move to the next character that is not blank, and return it; empty at the end of the file."""
        while True:
            while self.at < len(self.text):
                if self.text[self.at] not in _BLANK + "\ufeff":
                    return self.text[self.at]
                self.at += 1
            if not self.more():
                return ""


def _array(path: Path, faults: Faults, form: FileForm) -> Iterator[tuple[int, Any]]:
    with open_text(path, form=form) as stream:
        buffer, number, allowed = _Buffer(stream), 0, "["
        while True:
            sign = buffer.sign()
            if (sign == "]" and number + 1 > 1) or (sign == "]" and allowed != "["):
                return
            if sign != allowed:
                found = f"'{sign}'" if sign else "the end of the file"
                faults.add(number + 1, None, f"the array breaks off: '{allowed}' or ']' expected, {found} found.")
                return
            buffer.at += 1
            if buffer.sign() == "]" and number == 0:
                return
            number, allowed = number + 1, ","
            try:
                value = _value(buffer)
            except (ValueError, RecursionError) as error:
                faults.add(number, None, ended(f"not JSON, so nothing behind it can be read: {_cause(error)}"))
                return
            yield number, value


def _value(buffer: _Buffer) -> Any:
    """Return the next value; a value that the buffer cuts is tried again with more of the file."""
    buffer.sign()
    while True:
        try:
            value, end = STRICT_DECODER.raw_decode(buffer.text, buffer.at)
        except ValueError:
            if len(buffer.text) - buffer.at > MAX_OBJECT or not buffer.more():
                raise
            continue
        if end == len(buffer.text) and buffer.more():  # a number may go on behind the buffer's end
            continue
        buffer.at = end
        return value


def _cause(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return escape_for_display(error.msg if isinstance(error, json.JSONDecodeError) else str(error), limit=100)


class KeyTwiceError(ValueError):
    """Two keys of a record have one name when they are joined with dots."""


def flatten(*records: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested objects as one, keys joined with dots: ``{"a": {"b": 1}}`` becomes ``{"a.b": 1}``.

    Raises:
        KeyTwiceError: when that gives a key twice, in one of ``records`` or in two: ``{"a.b": 1, "a": {"b": 2}}``.
    """
    flat: dict[str, Any] = {}
    for record in records:
        for key, value in _flat_pairs(record, MAX_DEPTH):
            if key in flat:
                raise KeyTwiceError(f"the key '{escape_for_display(key, limit=80)}' is there twice.")
            flat[key] = value
    return flat


def flat_keys(record: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the keys of `flatten`, each once."""
    return tuple(dict.fromkeys(key for key, _ in _flat_pairs(record, MAX_DEPTH)))


def _flat_pairs(record: Mapping[str, Any], depth: int) -> Iterator[tuple[str, Any]]:
    for key, value in record.items():
        if isinstance(value, dict) and depth > 1:
            yield from ((f"{key}.{inner}", cell) for inner, cell in _flat_pairs(value, depth - 1))
        else:
            yield key, value
