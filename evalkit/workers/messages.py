"""Messages between the parent and a worker: the length in eight bytes, little-endian, then the message.

The parent's questions are pickles. A worker that reads untrusted files may have been compromised, so its answers are
JSON: nothing in an answer can make the parent run code. Plain values, lists, tuples, dictionaries, sets, bytes and
paths can be sent, and records that were announced with `answer_record`, which are validated as they are rebuilt.
Arrays are not sent: features go through the cache.
"""

from __future__ import annotations

import base64
import json
import pickle
import struct
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import lru_cache
from pathlib import Path, PurePath
from typing import Any, BinaryIO, Literal, TypeVar

from pydantic import BaseModel, TypeAdapter

from evalkit.errors import EvalkitError, MachineError

MOST_ANSWER_BYTES = 1 << 30  # answers are facts and digests, some kilobytes; a worker may claim any length
_HEADER = struct.Struct("<Q")
Answer = tuple[
    Literal["ok", "stop", "error", "memory"], Any, bool
]  # kind, value, whether the worker should be replaced
_PLAIN = {bool, int, float, str}
_KINDS = ("ok", "stop", "error", "memory")
_RECORDS: dict[str, type[Any]] = {}
_Record = TypeVar("_Record", bound=type[Any])


def answer_record(kind: _Record) -> _Record:
    """Announce a dataclass that handlers of workers return; a decorator. Calling it must do nothing but hold values."""
    _RECORDS[_name(kind)] = kind
    return kind


def encode(answer: Answer) -> bytes:
    """Return the answer as bytes.

    Raises:
        TypeError: when something in it can't be sent.
    """
    return json.dumps([answer[0], _packed(answer[1]), answer[2]]).encode("ascii")


def decode(body: bytes) -> Answer:
    """Return the answer that `encode` made.

    Raises:
        ValueError: when it is something else.
    """
    try:
        kind, value, recycle = json.loads(body)
        value = _unpacked(value)
    except Exception as error:  # whatever a forged answer raises costs its job, not the run
        raise ValueError(f"{type(error).__name__}: {str(error)[:200]}") from error
    wanted = {"ok": object, "stop": EvalkitError}.get(kind, str) if isinstance(kind, str) else None
    if kind not in _KINDS or wanted is None or not isinstance(value, wanted) or not isinstance(recycle, bool):
        raise ValueError("it is not an answer")
    return kind, value, recycle


def _name(kind: type[Any]) -> str:
    return f"{kind.__module__}:{kind.__qualname__}"


def _packed(value: Any) -> Any:  # noqa: PLR0911 - one case after the other
    if isinstance(value, EvalkitError):
        notes = [str(note) for note in getattr(value, "__notes__", ())]
        return {"error": [_name(type(value)), list(value.lines), value.found, value.expected, value.fix, notes]}
    if value is None or type(value) in _PLAIN:
        return value
    if type(value).__module__ == "numpy" and hasattr(value, "item") and not getattr(value, "shape", True):
        return _packed(value.item())
    if isinstance(value, bytes):
        return {"bytes": base64.b64encode(value).decode("ascii")}
    if isinstance(value, PurePath):
        return {"path": str(value)}
    if is_dataclass(value) and _RECORDS.get(_name(type(value))) is type(value):
        parts = {field.name: _parts(getattr(value, field.name)) for field in fields(value)}
        return {"record": [_name(type(value)), parts]}
    for tag, kind in (("tuple", tuple), ("set", frozenset | set)):
        if isinstance(value, kind):
            return {tag: [_packed(part) for part in value]}
    if isinstance(value, list):
        return [_packed(part) for part in value]
    if isinstance(value, dict):
        return {"dict": [[_packed(key), _packed(part)] for key, part in value.items()]}
    raise TypeError(f"{_name(type(value))} can't be sent; return plain values")


def _parts(value: Any) -> Any:
    """Pack a field of a record; what the record's own annotations name is rebuilt from its fields."""
    if isinstance(value, BaseModel):
        return _packed(value.model_dump())
    if is_dataclass(value) and not isinstance(value, type):
        return {"dict": [[field.name, _parts(getattr(value, field.name))] for field in fields(value)]}
    if isinstance(value, tuple):
        return {"tuple": [_parts(part) for part in value]}
    return _packed(value)


def _unpacked(value: Any) -> Any:
    if isinstance(value, list):
        return [_unpacked(part) for part in value]
    if isinstance(value, dict):
        ((tag, content),) = value.items()
        return _DECODERS[tag](content)
    return value


def _record(content: Any) -> Any:
    name, parts = content
    return _adapter(name).validate_python({field: _unpacked(part) for field, part in parts.items()})


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


_DECODERS: dict[str, Callable[[Any], Any]] = {
    "bytes": lambda content: base64.b64decode(content, validate=True),
    "path": Path,
    "tuple": lambda content: tuple(_unpacked(content)),
    "set": lambda content: frozenset(_unpacked(content)),
    "dict": lambda content: {_unpacked(key): _unpacked(part) for key, part in content},
    "record": _record,
    "error": _error,
}


class BadAnswerError(Exception):
    """The worker sent something that is not an answer."""


def send(stream: BinaryIO, message: Any) -> None:
    """Send ``message``.

    Raises:
        OSError: when the other side is gone.
        Exception: whatever an object that can't be pickled raises; then nothing was sent.
    """
    send_bytes(stream, pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL))


def send_bytes(stream: BinaryIO, body: bytes) -> None:
    """Send what is bytes already.

    Raises:
        OSError: when the other side is gone.
    """
    stream.write(_HEADER.pack(len(body)) + body)
    stream.flush()


def receive(stream: BinaryIO) -> Any:
    """Return the next question; it must come from the parent, the only writer of this pipe.

    Raises:
        EOFError: when the other side is gone, also in the middle of a message.
        pickle.UnpicklingError: when it can't be rebuilt here.
    """
    body = _body(stream, None)
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
    try:
        return decode(_body(stream, MOST_ANSWER_BYTES))
    except ValueError as error:
        raise BadAnswerError(str(error)) from error


def _body(stream: BinaryIO, most: int | None) -> bytes:
    header = stream.read(_HEADER.size)
    if len(header) < _HEADER.size:
        raise EOFError
    (length,) = _HEADER.unpack(header)
    if most is not None and length > most:
        raise BadAnswerError(f"it claims {length} bytes, at most {most} are read")
    body = stream.read(length)
    if len(body) < length:
        raise EOFError
    return body
