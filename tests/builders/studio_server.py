"""A studio that is served in a thread of the test, and raters who answer it over HTTP as the page does."""

from __future__ import annotations

import http.client
import json
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from builders.studies import BuiltStudy

from evalkit.board import Board
from evalkit.progress import Progress
from evalkit.studio.journal import StoredAnswer
from evalkit.studio.serving import Running, ServeOptions, make_server, open_studio


@dataclass
class Reply:
    """What the server answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Client:
    """A browser without pages: it keeps all bytes that it ever got."""

    url: str
    seen: list[bytes] = field(default_factory=list)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        try:
            connection.request(method, path, data, {name.replace("_", "-"): value for name, value in headers.items()})
            found = connection.getresponse()
            reply = Reply(found.status, {name.lower(): value for name, value in found.getheaders()}, found.read())
        finally:
            connection.close()
        self.seen.append(repr(reply.headers).encode() + reply.body)
        return reply

    def get(self, path: str, **headers: str) -> Reply:
        return self.ask("GET", path, **headers)

    def post(self, path: str, body: Any, **headers: str) -> Reply:
        return self.ask("POST", path, body, **headers)


@dataclass
class Person:
    """A rater of a plan at a browser."""

    client: Client
    token: str

    def state(self) -> dict[str, Any]:
        return self.client.get(f"/r/{self.token}/state").json

    def agree(self) -> dict[str, Any]:
        return self.client.post(f"/r/{self.token}/consent", {"agree": True}).json

    def watch(self, item: dict[str, Any]) -> None:
        for address in item["videos"]:
            assert self.client.get(address).status == 200

    def send(self, *answers: dict[str, Any]) -> dict[str, Any]:
        return self.client.post(f"/r/{self.token}/answers", {"answers": list(answers)}).json

    def next(self, value: float = 3, **changes: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Watch what is asked, and answer it; return the answer and the reply."""
        state = self.state()
        self.watch(state["item"])
        answer = answer_to(state, value, **changes)
        return answer, self.send(answer)


def answer_to(state: dict[str, Any], value: float = 3, **changes: Any) -> dict[str, Any]:
    """Return an answer as the page makes it."""
    return {
        "id": str(uuid.uuid4()),
        "item": state["item"]["id"],
        "values": {question["id"]: value for question in state["questions"]},
        "page_seconds": 6.5,
        "watched": [1.0] * len(state["item"]["videos"]),
        "shown_at": "2026-03-01T12:00:00.000Z",
        "answered_at": "2026-03-01T12:00:06.500Z",
        **changes,
    }


@dataclass
class Served:
    """A studio that runs."""

    study: BuiltStudy
    running: Running
    client: Client
    opened: Board

    @property
    def board(self) -> Board:
        """The board, with all that was answered so far."""
        assert self.running.feeder.flush(60)
        return self.opened

    def stored(self, rater: str) -> list[StoredAnswer]:
        """What the studio's file has of a rater."""
        return [one for one in self.running.journal.answers() if one.rater == rater]

    def person(self, number: int = 1) -> Person:
        return Person(self.client, self.study.plan.raters[f"rater-{number}"].token)


@contextmanager
def served(study: BuiltStudy, *, place: str | None = None, **options: Any) -> Iterator[Served]:
    """Serve a study on a free port until the block ends."""
    asked = ServeOptions(study.plan_path, study.submissions, study.testset, port=0, **options)
    with Board.open(place or study.board) as board, open_studio(board, asked, Progress()) as running:
        server = make_server(running)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [running.socket]})
        thread.start()
        try:
            end = time.monotonic() + 20
            while not server.started and time.monotonic() < end:
                time.sleep(0.01)
            assert server.started
            yield Served(study, running, Client(f"http://127.0.0.1:{running.socket.getsockname()[1]}"), board)
        finally:
            server.should_exit = True
            thread.join()
