"""What runs in a device process: requests of workers become batches, and outputs go back.

Workers are not trusted (design/025): one may have been taken over by a video. What it asks for is compared with what
the network declares, numbers are checked in a copy that it can't change, and a channel in which something else arrives
is closed. The oldest request is served first; others for the same part and shape fill up its batch, whose size is
always the one that the part declares, so that a number depends on nothing but its own item.
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.workers.devices.channel import DTYPES, REQUEST, WINDOW_BYTES, Ends
from evalkit.workers.devices.parts import Inputs, Network, Run, zeros_after
from evalkit.workers.devices.window import Window, packed_answer

Outputs = list[NDArray[Any]]
_LONGEST_ERROR = 500


class FalseRequestError(Exception):
    """A worker sent what no worker of ours sends."""


class Channel:
    """The device process's side of a worker's channel. Nothing here waits for the worker.

    Args:
        ends: the descriptors.
    """

    def __init__(self, ends: Ends) -> None:
        self.ends, self.window = ends, Window(ends.window)
        self.busy = False  # its request is not answered yet
        self.closed = False
        self._begun = b""
        os.set_blocking(ends.reading, False)
        os.set_blocking(ends.writing, False)

    def request(self) -> tuple[int, str, tuple[int, ...]] | None:
        """Return the number, dtype and shape that the worker sent; ``None`` if a part of it is still to come.

        Raises:
            FalseRequestError: it is not a request, or the one before was not answered yet.
            EOFError: the worker is gone.
        """
        try:
            found = os.read(self.ends.reading, REQUEST.size - len(self._begun))
        except BlockingIOError:  # the rest of the request is on its way
            return None
        except OSError:
            raise EOFError from None
        if not found:
            raise EOFError
        self._begun += found
        if len(self._begun) < REQUEST.size:
            return None
        number, dtype, axes, *sizes = REQUEST.unpack(self._begun)
        self._begun = b""
        if self.busy or dtype >= len(DTYPES) or not 1 <= axes <= len(sizes):
            raise FalseRequestError
        return number, DTYPES[dtype], tuple(sizes[:axes])

    def answer(self, answer: bytes) -> None:
        """Send an answer; a worker that is gone, or doesn't read, loses its channel."""
        try:
            if not self.closed and os.write(self.ends.writing, answer) != len(answer):
                self.close()
        except OSError:
            self.close()

    def close(self) -> None:
        """Close the worker's channel."""
        if not self.closed:
            self.closed = True
            self.ends.close()
            with suppress(BufferError):  # an array of a request still refers to it: it goes with that
                self.window.close()


@dataclass(eq=False)
class _Request:
    """A batch of one worker, and what was made of it so far."""

    channel: Channel
    part: _Part
    batch: NDArray[Any]
    at: int = 0  # the first item that was not taken yet
    done: int = 0  # items that were run
    answered: bool = False
    seconds: float = 0.0
    made: list[Outputs] = field(default_factory=list)


@dataclass(frozen=True)
class _Part:
    """A part of a network under its number."""

    run: Run
    inputs: Inputs
    label: str


@dataclass(frozen=True)
class _Pass:
    """A batch that runs: which items of which requests are in it."""

    shares: list[tuple[_Request, int]]  # a request, and how many of its items
    take: Callable[[], Outputs]
    started: float


class Service:
    """Networks and the workers that use them.

    Args:
        log: told in one line what an organizer should know.
    """

    def __init__(self, log: Callable[[str], object] = sys.stderr.write) -> None:
        self._parts: list[_Part] = []
        self._networks: dict[str, dict[str, Any]] = {}
        self._queue: deque[_Request] = deque()
        self._running: _Pass | None = None
        self._ended = 0.0  # when the last pass was
        self._log = log

    @property
    def idle(self) -> bool:
        """Whether nothing waits or runs."""
        return not self._queue and self._running is None

    def offer(self, networks: Mapping[str, Network]) -> None:
        """Serve these networks too; those that it has already stay as they are."""
        for key, network in networks.items():
            if key in self._networks:
                continue
            numbers = {}
            for name, run in network.runners.items():
                numbers[name] = len(self._parts)
                self._parts.append(_Part(run, network.inputs[name], f"{key} {name}"))
            self._networks[key] = {"parts": numbers, "facts": dict(network.facts)}

    def greet(self, channel: Channel) -> None:
        """Tell a new worker which networks there are."""
        text = json.dumps(self._networks).encode("ascii")
        channel.window.write([np.frombuffer(text, np.uint8)])
        channel.answer(packed_answer("ready", length=len(text)))

    def receive(self, channel: Channel) -> None:
        """Read what a worker sent, and put a whole request into the queue. The channel may be closed afterwards."""
        try:
            found = channel.request()
            if found is not None:
                channel.busy = True
                self._queue.append(self._checked(channel, *found))
        except (EOFError, FalseRequestError) as error:
            if isinstance(error, FalseRequestError):
                self._log("A worker sent something else than a request; its channel is closed.\n")
            self.drop(channel)
        except ValueError as error:
            self._send(channel, packed_answer("error", text=str(error)[:_LONGEST_ERROR]))

    def drop(self, channel: Channel) -> None:
        """Forget a worker and what it asked for."""
        self._queue = deque(one for one in self._queue if one.channel is not channel)
        channel.close()

    def step(self) -> None:
        """Begin the next batch, and finish the one before it, which ran meanwhile."""
        before, self._running = self._running, None
        following = self._begin() if self._queue else None
        if before is not None:
            self._finish(before)
        self._running = following

    def _checked(self, channel: Channel, number: int, dtype: str, shape: tuple[int, ...]) -> _Request:
        """Return a request that fits a network, with a batch of its own.

        Raises:
            ValueError: what is wrong with it.
        """
        if number >= len(self._parts):
            raise ValueError(f"there is no part {number}")
        part = self._parts[number]
        if problem := part.inputs.mismatch(dtype, shape):
            raise ValueError(f"{part.label}: {problem}")
        if math.prod(shape) * np.dtype(dtype).itemsize > WINDOW_BYTES:
            raise ValueError(f"{part.label}: the batch is larger than the window")
        batch = channel.window.view(dtype, shape).copy()
        if problem := part.inputs.out_of_range(batch):
            raise ValueError(f"{part.label}: {problem}")
        return _Request(channel, part, batch)

    def _begin(self) -> _Pass | None:
        """Take items from the queue, and start to run them."""
        part, size = self._queue[0].part, self._queue[0].part.inputs.size(self._queue[0].batch)
        shares = self._shares(size)
        pieces = [request.batch[request.at : request.at + items] for request, items in shares]
        for request, items in shares:
            request.at += items
            if request.at == len(request.batch):
                self._queue.remove(request)
        batch = zeros_after(pieces[0] if len(pieces) == 1 else np.concatenate(pieces), size)
        started = time.perf_counter()
        try:
            begin = getattr(part.run, "begin", None)
            take = begin(batch) if begin is not None else _done(part.run(batch))
        except Exception as error:  # noqa: BLE001 - a network that fails costs those who asked, not the others
            self._attribute(shares, error)
            return None
        return _Pass(shares, take, started)

    def _shares(self, size: int) -> list[tuple[_Request, int]]:
        """Return the requests whose items come next, at most ``size`` items in all, and how many of each."""
        first = self._queue[0]
        if first.part.inputs.batch is None:
            return [(first, size)]
        shares: list[tuple[_Request, int]] = []
        for request in self._queue:
            if size and request.part is first.part and request.batch.shape[1:] == first.batch.shape[1:]:
                items = min(size, len(request.batch) - request.at)
                shares.append((request, items))
                size -= items
        return shares

    def _finish(self, done: _Pass) -> None:
        """Wait for a batch, and give each request its share; those that are complete are answered."""
        try:
            outputs = done.take()
        except Exception as error:  # noqa: BLE001 - as above
            self._attribute(done.shares, error)
            return
        ended = time.perf_counter()
        seconds = (ended - max(done.started, self._ended)) / sum(items for _, items in done.shares)
        self._ended = ended
        at = 0
        for request, items in done.shares:
            whole = request.part.inputs.batch is None
            request.made.append(outputs if whole else [output[at : at + items] for output in outputs])
            request.seconds += seconds * items
            request.done += items
            at += items
            if request.done == len(request.batch):
                self._answer(request)

    def _answer(self, request: _Request) -> None:
        made = request.made
        outputs = made[0] if len(made) == 1 else [np.concatenate(parts) for parts in zip(*made, strict=True)]
        channel = request.channel
        if channel.closed or request.answered:
            return
        try:
            channel.window.write(outputs)
        except ValueError as error:
            self._fail(request, f"{request.part.label}: its outputs are {error}")
            return
        described = [(output.dtype.str, output.shape) for output in outputs]
        request.answered = True
        self._send(channel, packed_answer("arrays", arrays=described, seconds=request.seconds))

    def _attribute(self, shares: list[tuple[_Request, int]], error: Exception) -> None:
        """Fail the requests of a batch that could not be run; where it had several, each is tried alone."""
        for request, _ in shares:
            with suppress(ValueError):
                self._queue.remove(request)
            if request.answered or len(shares) == 1:
                self._fail(request, _text(error))
                continue
            try:
                request.made = [self._alone(request)]
            except Exception as own:  # noqa: BLE001 - as above
                self._fail(request, _text(own))
            else:
                self._answer(request)

    @staticmethod
    def _alone(request: _Request) -> Outputs:
        size = request.part.inputs.size(request.batch)
        made: list[Outputs] = []
        for start in range(0, len(request.batch), size):
            piece = request.batch[start : start + size]
            made.append([output[: len(piece)] for output in request.part.run(zeros_after(piece, size))])
        return [np.concatenate(parts) for parts in zip(*made, strict=True)]

    def _fail(self, request: _Request, text: str) -> None:
        """Answer a request once; a part of it that still runs is thrown away when it ends."""
        if not request.answered:
            request.answered = True
            self._send(request.channel, packed_answer("error", text=text[:_LONGEST_ERROR]))

    @staticmethod
    def _send(channel: Channel, answer: bytes) -> None:
        channel.busy = False
        channel.answer(answer)


def _done(outputs: Outputs) -> Callable[[], Outputs]:
    return lambda: outputs


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error)[:_LONGEST_ERROR]}"
