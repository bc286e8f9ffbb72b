"""The program of a device process: it opens networks, and serves the workers that its parent names.

The parent's questions come on standard input as pickles, as to a worker; the descriptors of a worker's channel come on
a socket. The process ends with its parent.
"""

from __future__ import annotations

import importlib
import os
import select
import signal
import socket
import sys
import threading
import traceback
from typing import Any, BinaryIO

from evalkit.errors import EvalkitError
from evalkit.workers.devices.channel import Ends
from evalkit.workers.devices.service import Channel, Service
from evalkit.workers.messages import Answer, encode, receive, send_pieces
from evalkit.workers.surroundings import wake_with_parent


def main(descriptor: int) -> None:
    """Serve until the parent closes the pipe.

    Args:
        descriptor: of the socket on which channels arrive.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what Ctrl-C means
    wake_with_parent()
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not get between the messages
    questions = os.fdopen(os.dup(0), "rb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    threading.Thread(target=_end_with_parent, args=(questions.fileno(),), daemon=True).start()
    _Process(questions, answers, socket.socket(fileno=descriptor)).serve()


class _Process:
    def __init__(self, questions: BinaryIO, answers: BinaryIO, arriving: socket.socket) -> None:
        self._questions, self._answers, self._arriving = questions, answers, arriving
        self._service = Service(_log)
        self._channels: dict[int, Channel] = {}
        self._poll = select.poll()
        self._poll.register(questions, select.POLLIN)

    def serve(self) -> None:
        while True:
            for descriptor, _ in self._poll.poll(None if self._service.idle else 0):
                if descriptor == self._questions.fileno():
                    try:
                        message = receive(self._questions)
                    except (EOFError, OSError):
                        return
                    send_pieces(self._answers, encode(self._answer(message)))
                elif (channel := self._channels.get(descriptor)) is not None:
                    self._service.receive(channel)
            if not self._service.idle:
                self._service.step()
            self._forget_closed()

    def _answer(self, message: tuple[Any, ...]) -> Answer:
        try:
            if message[0] == "open":
                self._open(*message[1:])
            else:
                self._attach()
        except EvalkitError as error:
            return "stop", error, False
        except Exception:  # noqa: BLE001 - reported to the parent, which decides
            return "error", traceback.format_exc(limit=-8), False
        return "ok", None, False

    def _open(self, opener: str, config: Any, device: str) -> None:
        module, _, name = opener.partition(":")
        self._service.offer(getattr(importlib.import_module(module), name)(config, device))

    def _attach(self) -> None:
        _, descriptors, _, _ = socket.recv_fds(self._arriving, 1, 3)
        channel = Channel(Ends(*descriptors))
        self._channels[channel.ends.reading] = channel
        self._poll.register(channel.ends.reading, select.POLLIN)
        self._service.greet(channel)

    def _forget_closed(self) -> None:
        for descriptor in [number for number, channel in self._channels.items() if channel.closed]:
            del self._channels[descriptor]
            self._poll.unregister(descriptor)


def _log(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


def _end_with_parent(pipe: int) -> None:
    """Exit when the parent is gone, also in the middle of a batch."""
    watch = select.poll()
    watch.register(pipe, 0)  # asks for nothing, so that only the pipe's end is reported
    watch.poll()
    os._exit(1)
