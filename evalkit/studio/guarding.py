"""What every request and response of the studio goes through: headers, limits, errors without details."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from evalkit.jsonio import parse_json

MOST_BODY = 128 * 1024  # bytes of a request; an answer has some hundred
_BODY_SECONDS = 15.0
_MOST_KEPT = 10_000  # rate limits kept at once
HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=()",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
_log = logging.getLogger("evalkit.studio")


class SafeHeaders:
    """Adds the headers of safety to every response; those that a page sets itself stay."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-store")
                headers.setdefault("content-security-policy", POLICY)
            await send(message)

        await self._app(scope, receive, sending)


class Rates:
    """Token buckets: so many requests per second and name, with a reserve.

    Args:
        per_second: that a name may have in the long run.
        burst: that it may have at once.
    """

    def __init__(self, per_second: float, burst: float) -> None:
        self._per_second = per_second
        self._burst = burst
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def check(self, name: str) -> None:
        """Count a request.

        Raises:
            HTTPException: 429 when there are too many.
        """
        now = time.monotonic()
        left, then = self._left.pop(name, (self._burst, now))
        left = min(self._burst, left + (now - then) * self._per_second)
        self._left[name] = (max(0.0, left - 1), now)
        if len(self._left) > _MOST_KEPT:
            self._left.popitem(last=False)
        if left < 1:
            raise HTTPException(429, "Too many requests.", headers={"retry-after": "2"})


async def read_body(request: Request) -> bytes:
    """Return the body of a request.

    Raises:
        HTTPException: it is too large, or does not come.
    """
    length = request.headers.get("content-length", "0")
    if not length.isdecimal() or int(length[:12]) > MOST_BODY:
        raise HTTPException(413, "The request is too large.")
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MOST_BODY:
                    raise HTTPException(413, "The request is too large.")
    except TimeoutError:
        raise HTTPException(408, "The request did not come in time.") from None
    except ClientDisconnect:
        raise HTTPException(400, "The request is not whole.") from None
    return bytes(body)


async def read_json(request: Request) -> dict[str, Any]:
    """Return the object in a request's body.

    Raises:
        HTTPException: there is none.
    """
    body = await read_body(request)
    try:
        found = parse_json(body.decode("utf-8"), finite=True)
    except ValueError:  # of numbers, too: a whole number with thousands of digits
        raise HTTPException(400, "The request is not JSON.") from None
    if not isinstance(found, dict):
        raise HTTPException(400, "The request is not a JSON object.")
    return found


def log_failure(error: BaseException) -> None:
    """Tell the organizer's terminal of an error that the studio expects; the browser hears nothing of it."""
    _log.error("%s", error)
