"""Serve a file as a whole or a part of it (RFC 9110, section 14), and tell how much of it was sent."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Awaitable, Callable
from functools import partial

from anyio import to_thread
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from evalkit.studio.library import ServedFile

CHUNK = 256 * 1024
MOST_PARTS = 200
_RANGE = re.compile(r"bytes=\s*([0-9]{0,18})-([0-9]{0,18})\s*")
Sent = Callable[[int, int], Awaitable[None]]


def wanted_range(text: str, size: int) -> tuple[int, int] | None:
    """Return the first byte and the one after the last that ``text``, a header ``Range``, asks for.

    Returns:
        ``None`` for the whole file: also for several ranges and for what is no range, both of which a server may
        ignore. A first byte that is not before the end means that the file has no such bytes.
    """
    found = _RANGE.fullmatch(text)
    if found is None or found.group() == "bytes=-" or not any(found.groups()):
        return None
    first, last = found.groups()
    if not first:
        return (size, size) if int(last) == 0 else (max(0, size - int(last)), size)
    if last and int(last) < int(first):
        return None
    return int(first), min(size, int(last) + 1) if last else size


class FileParts:
    """The response with a file, or with the part that the request asks for.

    Args:
        file: what to serve.
        tag: identifies its content; in quotes.
        sent: is awaited with the first byte and the one after the last that were sent, before the response ends; also
            when the browser goes away.
    """

    def __init__(self, file: ServedFile, tag: str, sent: Sent) -> None:
        self._file = file
        self._tag = tag
        self._sent = sent

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        headers = Headers(scope=scope)
        size = self._file.size
        common = [
            (b"content-type", self._file.kind.encode()),
            (b"accept-ranges", b"bytes"),
            (b"etag", self._tag.encode()),
            (b"cache-control", b"private, max-age=86400"),
        ]
        if self._tag in {word.strip() for word in headers.get("if-none-match", "").split(",")}:
            await _head(send, 304, common, None)
            return
        asked = wanted_range(headers["range"], size) if "range" in headers else None
        if headers.get("if-range", self._tag) != self._tag:
            asked = None  # the browser has a part of another file
        if asked is not None and asked[0] >= size:
            await _head(send, 416, [*common, (b"content-range", f"bytes */{size}".encode())], 0)
            return
        start, end = asked if asked is not None else (0, size)
        if asked is not None:
            common.append((b"content-range", f"bytes {start}-{end - 1}/{size}".encode()))
        status = 200 if asked is None else 206
        if scope["method"] == "HEAD":
            await _head(send, status, common, end - start)
            return
        await send({"type": "http.response.start", "status": status, "headers": [*common, _length(end - start)]})
        gone = asyncio.ensure_future(_until_gone(receive))
        try:
            await self._body(send, start, end, gone.done)
        finally:
            gone.cancel()

    async def _body(self, send: Send, start: int, end: int, gone: Callable[[], bool]) -> None:
        handle = await to_thread.run_sync(partial(os.open, self._file.path, os.O_RDONLY))
        at = start
        try:
            while at < end and not gone():
                data = await to_thread.run_sync(os.pread, handle, min(CHUNK, end - at), at)
                if not data:
                    break
                last = at + len(data) >= end
                if last:
                    await self._sent(start, end)  # noted before the browser can say that it played it
                await send({"type": "http.response.body", "body": data, "more_body": not last})
                if not last and gone():  # servers throw away what nobody takes
                    break
                at += len(data)
        finally:
            os.close(handle)
            if start < at < end:
                await self._sent(start, at)


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _head(send: Send, status: int, headers: list[tuple[bytes, bytes]], length: int | None) -> None:
    more = [] if length is None else [_length(length)]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *more]})
    await send({"type": "http.response.body", "body": b""})


def _length(length: int) -> tuple[bytes, bytes]:
    return b"content-length", str(length).encode()


def merged(parts: list[tuple[int, int]], new: tuple[int, int]) -> list[tuple[int, int]]:
    """Return the parts of a file with another one, sorted and without overlaps.

    One that would be one too many, with gaps between all of them, is left out: players ask for a few.
    """
    joined: list[tuple[int, int]] = []
    for start, end in sorted([*parts, new]):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined if len(joined) <= MOST_PARTS else parts
