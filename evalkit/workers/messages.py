"""Messages between the parent and a worker: the length in eight bytes, little-endian, then the message.

The parent's questions are pickles; the worker's answers are not, see `evalkit.workers.answers`.
"""

from __future__ import annotations

import pickle
import struct
from typing import Any, BinaryIO

from evalkit.workers.answers import Answer, decode

MOST_ANSWER_BYTES = 1 << 30  # what travels is facts and digests, some kilobytes; a worker may claim any length
_HEADER = struct.Struct("<Q")


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
