"""What a device process makes of requests: batches of one size, and refusals of what no worker of ours sends."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from device_handlers import BATCH, WIDTH, WORDS, networks
from numpy.typing import NDArray

from evalkit.workers.devices.channel import REQUEST, WINDOW_BYTES, Ends, open_channel
from evalkit.workers.devices.client import DeviceClient, DeviceRefusedError
from evalkit.workers.devices.parts import Inputs, Network
from evalkit.workers.devices.service import Channel, Service
from evalkit.workers.devices.window import Window, packed_request

Run = Callable[[NDArray[Any]], list[NDArray[Any]]]


class Desk:
    """A service, and workers' ends of channels to it."""

    def __init__(self, found: dict[str, Network]) -> None:
        self.said: list[str] = []
        self.service = Service(self.said.append)
        self.service.offer(found)
        self.channels: list[Channel] = []
        self.ends: list[Ends] = []

    def join(self) -> DeviceClient:
        ours, theirs = open_channel()
        self.ends.append(ours)
        self.channels.append(Channel(theirs))
        self.service.greet(self.channels[-1])
        return DeviceClient(ours)

    def serve(self, *questions: tuple[DeviceClient, int, NDArray[Any]]) -> list[Any]:
        """Return what each client was answered; all have asked before the first batch runs."""
        found: list[Any] = [None] * len(questions)

        def ask(at: int, client: DeviceClient, number: int, batch: NDArray[Any]) -> None:
            try:
                found[at] = client.run(number, batch)[0]
            except DeviceRefusedError as error:
                found[at] = str(error)

        threads = [threading.Thread(target=ask, args=(at, *question)) for at, question in enumerate(questions)]
        for thread in threads:
            thread.start()
        together = False
        while any(thread.is_alive() for thread in threads):
            for channel in self.channels:
                if not channel.closed:
                    self.service.receive(channel)
            together = together or len(self.service._queue) == len(questions)
            if together and not self.service.idle:
                self.service.step()
        return found


@pytest.fixture
def desk() -> Iterator[Callable[[dict[str, Network]], Desk]]:
    made: list[Desk] = []

    def open_desk(found: dict[str, Network]) -> Desk:
        made.append(Desk(found))
        return made[-1]

    yield open_desk
    for one in made:
        for channel in one.channels:
            one.service.drop(channel)
        for ends in one.ends:
            ends.close()


def recorded(sizes: list[int]) -> Run:
    def run(batch: NDArray[Any]) -> list[NDArray[Any]]:
        sizes.append(len(batch))
        return [batch * 2, batch.sum(axis=1)]

    return run


def test_an_answer_is_what_the_network_makes_of_the_batch(desk) -> None:
    client = desk(networks()).join()
    batch = np.arange(9 * WIDTH, dtype=np.float32).reshape(9, WIDTH)
    assert client.networks["sums"]["facts"] == {"width": WIDTH}
    (service,) = [client.networks["sums"]["parts"]["rows"]]
    found = desk(networks())
    other = found.join()
    (outputs,) = found.serve((other, service, batch))
    np.testing.assert_array_equal(outputs[0], 2 * batch)
    np.testing.assert_array_equal(outputs[1], batch.sum(axis=1))


def test_workers_share_batches_of_one_size(desk) -> None:
    sizes: list[int] = []
    found = desk({"sums": Network({"rows": recorded(sizes)}, {"rows": Inputs("float32", (WIDTH,), BATCH)})})
    questions = [
        (found.join(), 0, np.full((rows, WIDTH), value, np.float32)) for value, rows in ((1, 3), (2, 6), (3, 2))
    ]
    answers = found.serve(*questions)
    for (_, _, batch), outputs in zip(questions, answers, strict=True):
        np.testing.assert_array_equal(outputs[0], 2 * batch)
        np.testing.assert_array_equal(outputs[1], batch.sum(axis=1))
    assert sizes == [BATCH] * 3  # 11 items in three batches, the last with one of zeros; alone they would take four


def test_items_of_other_shapes_have_batches_of_their_own(desk) -> None:
    sizes: list[tuple[int, ...]] = []

    def run(batch: NDArray[Any]) -> list[NDArray[Any]]:
        sizes.append(batch.shape)
        return [batch.sum(axis=1)]

    found = desk({"any": Network({"rows": run}, {"rows": Inputs("float32", (None,), lambda shape: 12 // shape[0])})})
    narrow, wide = np.ones((2, 2), np.float32), np.ones((2, 6), np.float32)
    first, second = found.serve((found.join(), 0, narrow), (found.join(), 0, wide))
    np.testing.assert_array_equal(first[0], [2, 2])
    np.testing.assert_array_equal(second[0], [6, 6])
    assert sorted(sizes) == [(2, 6), (6, 2)]


def test_a_part_without_a_batch_size_runs_what_is_sent_as_it_is(desk) -> None:
    sizes: list[int] = []

    def run(batch: NDArray[Any]) -> list[NDArray[Any]]:
        sizes.append(len(batch))
        return [batch.sum(axis=0)]  # not one row for each item

    found = desk({"any": Network({"rows": run}, {"rows": Inputs("float32", (WIDTH,), batch=None)})})
    batch = np.ones((5, WIDTH), np.float32)
    for outputs in found.serve((found.join(), 0, batch), (found.join(), 0, batch)):
        np.testing.assert_array_equal(outputs[0], [5.0] * WIDTH)
    assert sizes == [5, 5]


@pytest.mark.parametrize(
    ("network", "batch", "problem"),
    [
        ("sums", np.zeros((2, WIDTH + 1), np.float32), "it takes float32 Nx3, not float32 2x4"),
        ("sums", np.zeros((2, WIDTH, 1), np.float32), "not float32 2x3x1"),
        ("sums", np.zeros((2, WIDTH), np.uint8), "not uint8 2x3"),
        ("sums", np.zeros((0, WIDTH), np.float32), "not float32 0x3"),
        ("words", np.array([[0, WORDS]], np.int64), "it takes numbers from 0 to 99"),
        ("words", np.array([[0, -1]], np.int64), "it takes numbers from 0 to 99"),
    ],
)
def test_a_batch_that_the_network_does_not_take_is_refused(desk, network: str, batch: Any, problem: str) -> None:
    found = desk(networks())
    client = found.join()
    (part,) = client.networks[network]["parts"].values()
    assert problem in found.serve((client, part, batch))[0]
    (outputs,) = found.serve((client, client.networks["sums"]["parts"]["rows"], np.ones((1, WIDTH), np.float32)))
    np.testing.assert_array_equal(outputs[1], [WIDTH])  # the channel goes on


def test_a_part_that_there_is_not_and_a_batch_beyond_the_window_are_refused(desk) -> None:
    found = desk(networks())
    client = found.join()
    assert found.serve((client, 99, np.zeros((1, 1), np.uint8))) == ["there is no part 99"]
    number = client.networks["sums"]["parts"]["rows"]
    os.write(found.ends[0].writing, REQUEST.pack(number, 1, 2, WINDOW_BYTES, WIDTH, *[0] * 6))
    found.service.receive(found.channels[0])
    with pytest.raises(AssertionError, match="larger than the window"):
        raise AssertionError(client._answer()[1]["text"])
    assert found.service.idle


@pytest.mark.parametrize(
    "message",
    [
        REQUEST.pack(0, 200, 1, *[1] * 8),  # a dtype that there is not
        REQUEST.pack(0, 1, 0, *[0] * 8),  # no axes
        REQUEST.pack(0, 1, 9, *[1] * 8),
        packed_request(0, np.ones((1, WIDTH), np.float32)) * 2,  # a second one before the first was answered
    ],
    ids=["dtype", "no axes", "nine axes", "two at once"],
)
def test_what_is_no_request_costs_the_channel(desk, message: bytes) -> None:
    found = desk(networks())
    found.join()
    os.write(found.ends[0].writing, message)
    for _ in range(2):
        if not found.channels[0].closed:
            found.service.receive(found.channels[0])
    assert found.channels[0].closed
    assert found.service.idle
    assert os.read(found.ends[0].reading, 1) == b""
    assert found.said == ["A worker sent something else than a request; its channel is closed.\n"]


def test_a_worker_that_reads_no_answer_loses_its_channel(desk) -> None:
    found = desk(networks())
    found.join()
    for _ in range(5000):  # a pipe holds some thousand refusals
        if found.channels[0].closed:
            break
        os.write(found.ends[0].writing, packed_request(99, np.zeros((1, 1), np.uint8)))
        found.service.receive(found.channels[0])
    assert found.channels[0].closed


def test_half_a_request_waits_and_a_worker_that_dies_with_it_is_forgotten(desk) -> None:
    found = desk(networks())
    found.join()
    request = packed_request(0, np.ones((1, WIDTH), np.float32))
    os.write(found.ends[0].writing, request[:30])
    found.service.receive(found.channels[0])
    assert found.service.idle
    assert not found.channels[0].closed
    found.ends.pop().close()
    found.service.receive(found.channels[0])
    assert found.channels[0].closed
    assert found.said == []


def test_a_worker_that_dies_while_its_batch_runs_takes_no_other_with_it(desk) -> None:
    found = desk(networks())
    leaving, staying = found.join(), found.join()
    leaving._window.write([np.ones((1, WIDTH), np.float32)])
    os.write(found.ends[0].writing, packed_request(0, np.ones((1, WIDTH), np.float32)))
    found.service.receive(found.channels[0])
    found.ends.pop(0).close()
    (outputs,) = found.serve((staying, 0, np.full((2, WIDTH), 5, np.float32)))
    np.testing.assert_array_equal(outputs[1], [15, 15])


def test_a_batch_that_fails_costs_only_the_request_that_is_at_fault(desk) -> None:
    def run(batch: NDArray[Any]) -> list[NDArray[Any]]:
        if (batch == 13).any():
            raise RuntimeError("bad luck")
        return [batch + 1]

    found = desk({"any": Network({"rows": run}, {"rows": Inputs("float32", (1,), BATCH)})})
    good, bad, long = (np.full((rows, 1), value, np.float32) for rows, value in ((1, 1), (1, 13), (6, 2)))
    answers = found.serve((found.join(), 0, good), (found.join(), 0, bad), (found.join(), 0, long))
    np.testing.assert_array_equal(answers[0][0], good + 1)
    assert answers[1] == "RuntimeError: bad luck"
    np.testing.assert_array_equal(answers[2][0], long + 1)
    assert found.service.idle


def test_a_request_in_two_passes_that_fail_is_answered_once(desk) -> None:
    def begin(batch: NDArray[Any]) -> Callable[[], list[NDArray[Any]]]:
        def take() -> list[NDArray[Any]]:
            raise RuntimeError("no luck")

        return take

    def run(batch: NDArray[Any]) -> list[NDArray[Any]]:
        raise RuntimeError("no luck")

    run.begin = begin  # type: ignore[attr-defined]
    found = desk(
        {
            "any": Network({"rows": run}, {"rows": Inputs("float32", (1,), BATCH)}),
            "sums": networks()["sums"],
        }
    )
    long, short = found.join(), found.join()
    answers = found.serve((long, 0, np.ones((6, 1), np.float32)), (short, 0, np.ones((1, 1), np.float32)))
    assert answers == ["RuntimeError: no luck"] * 2
    while not found.service.idle:  # the second pass of the long one
        found.service.step()
    (outputs,) = found.serve((long, 1, np.ones((2, WIDTH), np.float32)))
    np.testing.assert_array_equal(outputs[1], [WIDTH, WIDTH])


def test_the_window_can_not_be_shrunk_and_changes_after_the_check_do_not_count(desk) -> None:
    found = desk(networks())
    client = found.join()
    with pytest.raises(PermissionError):
        os.ftruncate(found.ends[0].window, 0)
    words = client.networks["words"]["parts"]["words"]
    window = Window(found.ends[0].window)
    window.write([np.array([[1, 2]], np.int64)])
    os.write(found.ends[0].writing, packed_request(words, np.zeros((1, 2), np.int64)))
    found.service.receive(found.channels[0])  # checked
    window.write([np.array([[1, 10**9]], np.int64)])
    while not found.service.idle:
        found.service.step()
    kind, content = client._answer()
    assert kind == "arrays"
    np.testing.assert_array_equal(window.read(content["arrays"])[0], [[1, 2]])


def test_what_does_not_fit_into_the_window_goes_in_pieces(desk, monkeypatch: pytest.MonkeyPatch) -> None:
    found = desk(networks())
    client = found.join()
    monkeypatch.setattr("evalkit.workers.devices.client.WINDOW_BYTES", 5 * WIDTH * 4)
    batch = np.arange(13 * WIDTH, dtype=np.float32).reshape(13, WIDTH)
    (outputs,) = found.serve((client, 0, batch))
    np.testing.assert_array_equal(outputs[0], 2 * batch)
    np.testing.assert_array_equal(outputs[1], batch.sum(axis=1))
