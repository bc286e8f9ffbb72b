"""A file server on 127.0.0.1 that misbehaves on request, and a set of backbones that points at it."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml


@dataclass
class Behaviour:
    """How one path answers.

    Args:
        body: the file.
        cut_after: bytes of the body after which the connection ends, for each answer in turn; none left: no cut.
        ranges: whether ranges are honoured.
        etag: the version; ``None`` for no ETag.
        length: whether the size is stated; without, the body ends with the connection.
        status: another status than 200.
        location: for redirects.
        headers: sent besides.
        gate: called in the middle of the body, to hold the answer or to look at things.
    """

    body: bytes = b""
    cut_after: list[int] = field(default_factory=list)
    ranges: bool = True
    etag: str | None = None
    length: bool = True
    status: int | None = None
    location: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    gate: Callable[[], None] | None = None


@dataclass
class Request:
    """One request: its path, its headers of interest, and how many bytes lay on disk when it came."""

    path: str
    range: str | None
    if_range: str | None
    on_disk: int | None


class Server:
    """What the test sees of the server: set ``paths``, read ``requests``."""

    def __init__(self, part: Callable[[str], Path] | None = None) -> None:
        self.paths: dict[str, Behaviour] = {}
        self.requests: list[Request] = []
        self.part = part
        self.port = 0

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/{path}"

    def of(self, path: str) -> list[Request]:
        return [request for request in self.requests if request.path == path]


def handler_for(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.lstrip("/")
            part = server.part(path) if server.part else None
            on_disk = part.stat().st_size if part is not None and part.exists() else None
            asked, if_range = self.headers.get("Range"), self.headers.get("If-Range")
            server.requests.append(Request(path, asked, if_range, on_disk))
            how = server.paths.get(path, Behaviour(status=404))
            start = self._start(how, asked, if_range)
            if start is not None and start > len(how.body):
                self._head(416, {"Content-Range": f"bytes */{len(how.body)}", "Content-Length": "0"})
                return
            body = how.body[start or 0 :]
            headers = dict(how.headers)
            if how.etag:
                headers["ETag"] = how.etag
            if how.location:
                headers["Location"] = how.location
            if how.length:
                headers.setdefault("Content-Length", str(len(body)))
            if start is not None:
                headers["Content-Range"] = f"bytes {start}-{len(how.body) - 1}/{len(how.body)}"
            self._head(how.status or (206 if start is not None else 200), headers)
            end = how.cut_after.pop(0) if how.cut_after else len(body)
            try:
                self.wfile.write(body[: end // 2])
                self.wfile.flush()
                if how.gate is not None:
                    how.gate()
                self.wfile.write(body[end // 2 : end])
                self.wfile.flush()
            except OSError:
                pass  # the client left; some tests are about that
            self.close_connection = True

        def _start(self, how: Behaviour, asked: str | None, if_range: str | None) -> int | None:
            found = re.fullmatch(r"bytes=(\d+)-", asked or "")
            if not found or not how.ranges or (if_range is not None and if_range != how.etag):
                return None
            return int(found[1])

        def _head(self, status: int, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, format: str, *arguments: Any) -> None:
            del format, arguments

    return Handler


@contextmanager
def serving(part: Callable[[str], Path] | None = None) -> Iterator[Server]:
    """Run a server for the block."""
    server = Server(part)
    http = ThreadingHTTPServer(("127.0.0.1", 0), handler_for(server))
    http.daemon_threads = True
    server.port = http.server_address[1]
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def noise(count: int, seed: int = 0) -> bytes:
    """Return bytes that don't compress and differ by seed."""
    blocks = (hashlib.sha256(f"{seed}:{index}".encode()).digest() for index in range(count // 32 + 1))
    return b"".join(blocks)[:count]


def role(file: str, body: bytes, *urls: str, **changes: Any) -> dict[str, Any]:
    """Return a manifest's entry for ``body``; a change to ``None`` leaves the key out."""
    entry = {"file": file, "sha256": sha256(body), "bytes": len(body), "licence": "MIT", "urls": list(urls), **changes}
    return {key: value for key, value in entry.items() if value is not None}


def manifest(folder: Path, roles: dict[str, dict[str, Any]], **more: Any) -> Path:
    """Write a set of backbones and return its path."""
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump({"name": "mine", "title": "Mine", "roles": roles, **more}), encoding="utf-8")
    return path
