"""Messages between the parent and a worker.

The parent's questions are pickles: the length in eight bytes, little-endian, then the message. A worker that reads
untrusted files may have been compromised, so its answers are data that can't make the parent run code: the lengths of
two parts, then the parts. The first is JSON. Plain values, lists, tuples, dictionaries, sets, bytes, paths and NumPy
arrays can be sent, and records that were announced with `answer_record`, which are validated as they are rebuilt. The
second has the bytes of the arrays and the byte strings, one after the other. Both parts are bounded, and so is the
parent's memory: JSON takes up to fifty times its length as Python objects, arrays take theirs once.
"""

from __future__ import annotations

import json
import math
import pickle
import re
import struct
from collections.abc import Callable, Iterable
from dataclasses import fields, is_dataclass
from functools import lru_cache
from pathlib import Path, PurePath
from typing import Any, BinaryIO, Literal, TypeVar

from pydantic import BaseModel, TypeAdapter

from evalkit.errors import EvalkitError, MachineError

MOST_TEXT_BYTES = 1 << 20  # of an answer's JSON: facts and digests, some kilobytes
MOST_DATA_BYTES = 256 << 20  # of an answer's arrays: features of one video, up to some megabytes
_HEADER = struct.Struct("<Q")
_ANSWER_HEADER = struct.Struct("<QQ")
_MOST_DIMENSIONS = 8
_DTYPE = re.compile(r"\|b1|[|<>](?:[iu][1248]|f[248]|c8|c16)|[|<>][US][1-9][0-9]{0,8}")
_LAST_CHARACTER = 0x10FFFF
Answer = tuple[
    Literal["ok", "stop", "error", "memory", "device"], Any, bool
]  # kind, value, whether the worker should be replaced
_PLAIN = {bool, int, float, str}
_KINDS = ("ok", "stop", "error", "memory", "device")
_RECORDS: dict[str, type[Any]] = {}
_Record = TypeVar("_Record", bound=type[Any])


def answer_record(kind: _Record) -> _Record:
    """Announce a dataclass that handlers of workers return; a decorator. Calling it must do nothing but hold values."""
    _RECORDS[_name(kind)] = kind
    return kind


def encode(answer: Answer) -> list[bytes | memoryview]:
    """Return the answer as pieces to send one after the other; arrays are not copied.

    Raises:
        TypeError: when something in it can't be sent.
        ValueError: when it is too large.
    """
    data: list[bytes | memoryview] = []
    text = json.dumps([answer[0], _Packer(data).packed(answer[1]), answer[2]]).encode("ascii")
    total = sum(len(piece) for piece in data)
    _check_lengths(len(text), total)
    return [_ANSWER_HEADER.pack(len(text), total) + text, *data]


def decode(text: bytes, data: bytes = b"") -> Answer:
    """Return the answer that `encode` made.

    Raises:
        ValueError: when it is something else.
    """
    try:
        kind, value, recycle = json.loads(text)
        unpacker = _Unpacker(data)
        value = unpacker.unpacked(value)
        unpacker.check_end()
    except Exception as error:  # whatever a forged answer raises costs its job, not the run
        raise ValueError(f"{type(error).__name__}: {str(error)[:200]}") from error
    wanted = {"ok": object, "stop": EvalkitError}.get(kind, str) if isinstance(kind, str) else None
    if kind not in _KINDS or wanted is None or not isinstance(value, wanted) or not isinstance(recycle, bool):
        raise ValueError("it is not an answer")
    return kind, value, recycle


class _Packer:
    """Makes JSON of values; the bytes of arrays and byte strings are added to ``data``, in the order of the JSON."""

    def __init__(self, data: list[bytes | memoryview]) -> None:
        self._data = data

    def packed(self, value: Any) -> Any:  # noqa: PLR0911 - one case after the other
        if isinstance(value, EvalkitError):
            notes = [str(note) for note in getattr(value, "__notes__", ())]
            return {"error": [_name(type(value)), list(value.lines), value.found, value.expected, value.fix, notes]}
        if value is None or type(value) in _PLAIN:
            return value
        if type(value).__module__ == "numpy" and hasattr(value, "dtype"):
            return self._array(value) if hasattr(value, "__array_finalize__") else self.packed(value.item())
        if isinstance(value, bytes):
            self._data.append(value)
            return {"bytes": len(value)}
        if isinstance(value, PurePath):
            return {"path": str(value)}
        if is_dataclass(value) and _RECORDS.get(_name(type(value))) is type(value):
            parts = {field.name: self._parts(getattr(value, field.name)) for field in fields(value)}
            return {"record": [_name(type(value)), parts]}
        for tag, kind in (("tuple", tuple), ("set", frozenset | set)):
            if isinstance(value, kind):
                return {tag: [self.packed(part) for part in value]}
        if isinstance(value, list):
            return [self.packed(part) for part in value]
        if isinstance(value, dict):
            return {"dict": [[self.packed(key), self.packed(part)] for key, part in value.items()]}
        raise TypeError(f"{_name(type(value))} can't be sent; return plain values")

    def _array(self, array: Any) -> Any:
        import numpy as np

        kind = array.dtype.str
        if not _DTYPE.fullmatch(kind):
            raise TypeError(f"an array of {array.dtype} can't be sent; return numbers or text")
        shape = list(array.shape)  # ascontiguousarray makes () to (1,)
        self._data.append(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
        return {"array": [kind, shape]}

    def _parts(self, value: Any) -> Any:
        """Pack a field of a record; what the record's own annotations name is rebuilt from its fields."""
        if isinstance(value, BaseModel):
            return self.packed(value.model_dump())
        if is_dataclass(value) and not isinstance(value, type):
            return {"dict": [[field.name, self._parts(getattr(value, field.name))] for field in fields(value)]}
        if isinstance(value, tuple):
            return {"tuple": [self._parts(part) for part in value]}
        if isinstance(value, dict):
            return {"dict": [[self.packed(key), self._parts(part)] for key, part in value.items()]}
        return self.packed(value)


class _Unpacker:
    """Rebuilds the values that `_Packer` packed; each array takes the next bytes of ``data``."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)
        self._at = 0
        self._kinds: dict[str, Callable[[Any], Any]] = {
            "bytes": lambda content: bytes(self._taken(content)),
            "array": self._array,
            "path": Path,
            "tuple": lambda content: tuple(self.unpacked(content)),
            "set": lambda content: frozenset(self.unpacked(content)),
            "dict": lambda content: {self.unpacked(key): self.unpacked(part) for key, part in content},
            "record": self._record,
            "error": _error,
        }

    def unpacked(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self.unpacked(part) for part in value]
        if isinstance(value, dict):
            ((tag, content),) = value.items()
            return self._kinds[tag](content)
        return value

    def check_end(self) -> None:
        if self._at != len(self._data):
            raise ValueError("it has bytes that belong to no array")

    def _record(self, content: Any) -> Any:
        name, parts = content
        return _adapter(name).validate_python({field: self.unpacked(part) for field, part in parts.items()})

    def _taken(self, length: Any) -> memoryview:
        if type(length) is not int or not 0 <= length <= len(self._data) - self._at:
            raise ValueError("an array is longer than what was sent")
        self._at += length
        return self._data[self._at - length : self._at]

    def _array(self, content: Any) -> Any:
        """Return an array of numbers or text; never one of objects, whose bytes would be addresses."""
        import numpy as np

        kind, shape = content
        sizes = isinstance(shape, list) and all(type(size) is int and 0 <= size <= MOST_DATA_BYTES for size in shape)
        if not isinstance(kind, str) or not _DTYPE.fullmatch(kind) or not sizes or len(shape) > _MOST_DIMENSIONS:
            raise ValueError("an array is not of numbers or text")
        dtype = np.dtype(kind)
        content = self._taken(math.prod(shape) * dtype.itemsize)
        array = np.frombuffer(content, dtype).reshape(shape)
        if dtype.kind == "b" and bool((array.view(np.uint8) > 1).any()):
            raise ValueError("a truth value is neither 0 nor 1")
        if dtype.kind == "U" and bool((np.frombuffer(content, np.dtype(f"{kind[0]}u4")) > _LAST_CHARACTER).any()):
            raise ValueError("a text has characters that do not exist")
        return array


def _name(kind: type[Any]) -> str:
    return f"{kind.__module__}:{kind.__qualname__}"


@lru_cache
def _adapter(name: str) -> TypeAdapter[Any]:
    return TypeAdapter(_RECORDS[name])


def _error(content: Any) -> EvalkitError:
    name, lines, found, expected, fix, notes = content
    texts = all(part is None or isinstance(part, str) for part in (found, expected, fix))
    lists = all(isinstance(part, list) and all(isinstance(line, str) for line in part) for part in (lines, notes))
    if not texts or not lists:
        raise ValueError("it is not an error")
    kind = next((kind for kind in _error_kinds(EvalkitError) if _name(kind) == name), MachineError)
    error = kind(lines, found=found, expected=expected, fix=fix)
    for note in notes:
        error.add_note(note)
    return error


def _error_kinds(kind: type[EvalkitError]) -> list[type[EvalkitError]]:
    return [kind, *(below for child in kind.__subclasses__() for below in _error_kinds(child))]


class BadAnswerError(Exception):
    """The worker sent something that is not an answer."""


def send(stream: BinaryIO, message: Any) -> None:
    """Send ``message``.

    Raises:
        OSError: when the other side is gone.
        Exception: whatever an object that can't be pickled raises; then nothing was sent.
    """
    body = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    send_pieces(stream, [_HEADER.pack(len(body)), body])


def send_pieces(stream: BinaryIO, pieces: Iterable[bytes | memoryview]) -> None:
    """Send what is bytes already.

    Raises:
        OSError: when the other side is gone.
    """
    for piece in pieces:
        stream.write(piece)
    stream.flush()


def receive(stream: BinaryIO) -> Any:
    """Return the next question; it must come from the parent, the only writer of this pipe.

    Raises:
        EOFError: when the other side is gone, also in the middle of a message.
        pickle.UnpicklingError: when it can't be rebuilt here.
    """
    (length,) = _HEADER.unpack(_exactly(stream, _HEADER.size))
    body = _exactly(stream, length)
    try:
        return pickle.loads(body)  # noqa: S301 - written by the parent
    except Exception as error:
        raise pickle.UnpicklingError(f"{type(error).__name__}: {error}") from error


def receive_answer(stream: BinaryIO) -> Answer:
    """Return the worker's next answer; the worker is not trusted.

    Raises:
        EOFError: when the other side is gone, also in the middle of a message.
        BadAnswerError: when it is not an answer.
    """
    text, data = _ANSWER_HEADER.unpack(_exactly(stream, _ANSWER_HEADER.size))
    try:
        _check_lengths(text, data)
        return decode(_exactly(stream, text), _exactly(stream, data))
    except ValueError as error:
        raise BadAnswerError(str(error)) from error


def _check_lengths(text: int, data: int) -> None:
    for length, most, what in ((text, MOST_TEXT_BYTES, "text"), (data, MOST_DATA_BYTES, "arrays")):
        if length > most:
            raise ValueError(f"it has {length} bytes of {what}, at most {most} are read")


def _exactly(stream: BinaryIO, length: int) -> bytes:
    body = stream.read(length)
    if len(body) < length:
        raise EOFError
    return body
