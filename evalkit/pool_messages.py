"""How parent and worker of `evalkit.pool` speak: pickles, each after its length in eight bytes, little end first."""

from __future__ import annotations

import pickle
import struct
from typing import Any, BinaryIO

_HEADER = struct.Struct("<Q")


def send(stream: BinaryIO, message: Any) -> None:
    """Send ``message``.

    Raises:
        OSError: when the other side is gone.
        Exception: whatever a thing that can't be pickled raises; then nothing was sent.
    """
    send_bytes(stream, pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL))


def send_bytes(stream: BinaryIO, body: bytes) -> None:
    """Send what is pickled already.

    Raises:
        OSError: when the other side is gone.
    """
    stream.write(_HEADER.pack(len(body)) + body)
    stream.flush()


def receive(stream: BinaryIO) -> Any:
    """Return the next message; it must come from this program's own other half.

    Raises:
        EOFError: when the other side is gone, also in the middle of a message.
        pickle.UnpicklingError: when it can't be rebuilt here.
    """
    header = stream.read(_HEADER.size)
    if len(header) < _HEADER.size:
        raise EOFError
    (length,) = _HEADER.unpack(header)
    body = stream.read(length)
    if len(body) < length:
        raise EOFError
    try:
        return pickle.loads(body)  # noqa: S301 - written by this program's own other half
    except Exception as error:
        raise pickle.UnpicklingError(f"{type(error).__name__}: {error}") from error
