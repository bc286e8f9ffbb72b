"""Connections on which nothing happens: the server ends them, and a rater is not shut out by them."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from builders.studies import prepared_study
from builders.studio_server import Served, served

from evalkit.studio import connections

LARGE = 64 * 2**20  # more than the system takes for a browser that reads nothing


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connections, "CHECK_SECONDS", 0.3)
        with served(prepared_study(tmp_path_factory.mktemp("study"), raters=2)) as running:
            yield running


def connect(studio: Served, text: str = "") -> socket.socket:
    found = socket.create_connection(("127.0.0.1", int(studio.client.url.rpartition(":")[2])), timeout=60)
    found.sendall(text.encode())
    return found


@pytest.mark.parametrize("text", ["", "GET /robots.txt HT", "GET /robots.txt HTTP/1.1\r\nhost: x\r\n"])
def test_who_asks_nothing_is_not_waited_for(studio: Served, text: str) -> None:
    with connect(studio, text) as one:
        assert ended(one) == b""


def test_who_asks_once_and_then_only_begins_to_ask_is_not_waited_for(studio: Served) -> None:
    with connect(studio, "GET /robots.txt HTTP/1.1\r\nhost: x\r\n\r\n") as one:
        head = one.recv(15)
        one.sendall(b"GET /robots")
        assert head == b"HTTP/1.1 200 OK"
        assert ended(one).endswith(b"Disallow: /\n")


def test_streams_that_nobody_reads_end_and_the_rater_is_served_again(studio: Served) -> None:
    address = large_video(studio, 1)
    dead = [connect(studio, f"GET {address} HTTP/1.1\r\nhost: x\r\n\r\n") for _ in range(12)]
    assert studio.client.get(address, Range="bytes=0-9").status == 429, "twelve are sent to this rater"
    end = time.monotonic() + 60
    while (status := studio.client.get(address, Range="bytes=0-9").status) == 429 and time.monotonic() < end:
        time.sleep(0.05)
    assert status == 206
    for one in dead:
        one.close()


def test_who_reads_slowly_gets_everything(studio: Served) -> None:
    address = large_video(studio, 2)
    with connect(studio, f"GET {address} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n") as one:
        got = 0
        while data := one.recv(2**20):
            got += len(data)
            if got < 24 * 2**20:
                time.sleep(0.1)  # several checks in all, each of which sees that something was taken
    assert got > LARGE


def ended(one: socket.socket) -> bytes:
    """Return what comes until the server ends a connection."""
    found = bytearray()
    while data := one.recv(2**16):
        found += data
    return bytes(found)


def large_video(studio: Served, rater: int) -> str:
    """Return the address of what a rater is asked, a file that is large now."""
    (address,) = studio.person(rater).agree()["item"]["videos"]
    library = studio.running.study.library
    showing = studio.running.study.showings.find(address.rpartition("/")[2])
    assert showing is not None
    name = library.video(studio.study.plan.items[showing.item].media[showing.at])
    path = studio.study.folder / "large.mp4"
    path.touch()
    os.truncate(path, LARGE)
    library.files[name] = replace(library.files[name], path=path, size=LARGE)  # type: ignore[index]
    return str(address)
