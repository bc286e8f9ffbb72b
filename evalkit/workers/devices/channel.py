"""What a worker and a device process share: two pipes and a window of memory.

A request is `REQUEST`, of one size, with the batch at the start of the window. An answer is `ANSWER` and a line of
JSON, short enough to be written at once, with arrays one after the other at the start of the window
(`evalkit.workers.devices.window`). The worker is not trusted: see `evalkit.workers.devices.service`.
"""

from __future__ import annotations

import fcntl
import os
import struct
from dataclasses import dataclass

from evalkit.errors import MachineError

WINDOW_BYTES = 256 << 20  # address space; a page that nobody touches takes no memory
MOST_AXES = 8
REQUEST = struct.Struct(f"<IBB2x{MOST_AXES}Q")  # number of the part, dtype, number of axes, sizes
ANSWER = struct.Struct("<I")  # length of the JSON
MOST_JSON = 4096 - ANSWER.size  # Linux writes that much to a pipe at once, or nothing
DTYPES = ("uint8", "float32", "int64")  # of batches; an answer's arrays have any dtype of numbers


class DeviceLostError(BaseException):
    """The device process has ended: nothing that this worker does can succeed any more.

    Not an `Exception`: one extractor's error is a matter of one feature, and this is not.
    """


@dataclass(frozen=True)
class Ends:
    """Descriptors: of one side's ends of both pipes, and of the window's memory."""

    reading: int
    writing: int
    window: int

    def close(self) -> None:
        """Close all three."""
        for descriptor in (self.reading, self.writing, self.window):
            os.close(descriptor)


def open_channel() -> tuple[Ends, Ends]:
    """Return the ends of a new channel: the worker's, and the device process's.

    Raises:
        MachineError: the system has no sealed memory (it is not Linux), or no descriptors are left.
    """
    if not hasattr(os, "memfd_create"):
        raise MachineError("A device process needs Linux.", fix="Use the device cpu.")
    opened: list[int] = []
    try:
        opened += os.pipe()
        opened += os.pipe()
        window = os.memfd_create("evalkit-window", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        opened.append(window)
        os.ftruncate(window, WINDOW_BYTES)
        # A worker that made it shorter would end the device process, which reads it.
        fcntl.fcntl(window, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
        opened.append(os.dup(window))
    except OSError as error:
        for descriptor in opened:
            os.close(descriptor)
        raise MachineError("The channel to the device process can't be opened.", found=str(error)) from None
    requests, ask, answers, reply, window, copy = opened
    return Ends(answers, ask, window), Ends(requests, reply, copy)
