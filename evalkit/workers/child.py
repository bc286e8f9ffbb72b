"""What runs in a worker process: it confines itself, and answers one job after the other.

The other end is `evalkit.workers.process`.
"""

from __future__ import annotations

import importlib
import os
import select
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from evalkit.errors import EvalkitError
from evalkit.files import abandon_parts
from evalkit.heap import memory_returner
from evalkit.workers.devices.channel import DeviceLostError, Ends
from evalkit.workers.messages import Answer, encode, receive, send_pieces
from evalkit.workers.sandbox import Confined, Limits, enter, protect_files
from evalkit.workers.surroundings import wake_with_parent

GRACE_SECONDS = 5.0  # for a process that was asked to exit, before it is ended by force


def main(folder: str, channel: tuple[int, ...] = ()) -> None:
    """Serve jobs until the parent closes the pipe; remove ``folder`` at the end.

    Args:
        folder: the worker's own.
        channel: the descriptors of its channel to a device process (`evalkit.workers.devices.channel.Ends`), if any.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what Ctrl-C means
    signal.signal(signal.SIGTERM, _leave)
    wake_with_parent()
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not get between the messages
    questions = os.fdopen(os.dup(0), "rb")
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    try:
        _answer_all(questions, answers, folder, channel)
    finally:
        abandon_parts()
        shutil.rmtree(folder, ignore_errors=True)


def _answer_all(questions: BinaryIO, answers: BinaryIO, folder: str, channel: tuple[int, ...]) -> None:
    handle: Callable[[Any], Any] | None = None
    confined: Confined | None = None
    give_back = memory_returner()
    while True:
        try:
            message = receive(questions)
        except (EOFError, OSError):
            return
        answer: Answer
        try:
            if handle is None:
                if channel:
                    from evalkit.workers.devices.client import connect

                    connect(Ends(*channel))
                handle, confined = _begin(message, folder, questions.fileno())
                answer = ("ok", None, False)
            else:
                if confined is not None:
                    confined.before_job()
                answer = ("ok", handle(message), confined is not None and confined.should_recycle())
        except EvalkitError as error:
            answer = ("stop", error, False)
        except DeviceLostError as error:
            answer = ("device", str(error), True)
        except MemoryError:
            answer = ("memory", "The file takes more memory than the limit allows.", True)
        except Exception:  # noqa: BLE001 - reported to the parent, which continues with the next job
            answer = ("error", traceback.format_exc(limit=-8), False)
        try:
            pieces = encode(answer)
        except Exception as error:  # noqa: BLE001 - the job's result is at fault, not the worker
            pieces = encode(("error", f"The answer can't be sent: {type(error).__name__}: {error}", True))
        del answer  # its arrays are sent, and not needed for the next job
        try:
            send_pieces(answers, pieces)
        except OSError:
            return
        del pieces  # they refer to the arrays
        give_back()


def _begin(
    start: tuple[str, Any, Limits | None], folder: str, pipe: int
) -> tuple[Callable[[Any], Any], Confined | None]:
    """Protect files, create the handler, then confine the process further: libraries load what they need before."""
    handler, config, limits = start
    if limits is not None:
        protect_files(limits, Path(folder))  # before there is a second thread, which it would not hold
    threading.Thread(target=_end_with_parent, args=(pipe, folder), daemon=True).start()
    module, _, name = handler.partition(":")
    handle: Callable[[Any], Any] = getattr(importlib.import_module(module), name)(config)
    if limits is None or limits.level == "off":
        return handle, None
    os.chdir(folder)
    return handle, enter(limits)


def _leave(number: int, frame: Any) -> NoReturn:
    sys.unraisablehook = lambda _: None  # a ZIP that is being written raises an error when it is destroyed
    raise SystemExit(128 + number)


def _end_with_parent(pipe: int, folder: str) -> None:
    """Exit when the parent is gone, also in the middle of a job: cleanly if possible, then by force."""
    watch = select.poll()
    watch.register(pipe, 0)  # asks for nothing, so that only the pipe's end is reported
    watch.poll()
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)
