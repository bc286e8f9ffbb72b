"""Requests to a web service that is not trusted: no redirect, no proxy, bounds on sizes and time."""

from __future__ import annotations

import http.client
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from evalkit.errors import UsageError
from evalkit.reference_models.generators.base import GenerationError
from evalkit.text import escape_for_display

MOST_ANSWER = 1 << 30  # bytes of a video
_CHUNK = 1 << 20
_SHOWN = 300  # bytes of an answer that is no video
_OK, _REDIRECTS = 200, range(300, 400)


@dataclass(frozen=True)
class WebService:
    """A checked address, and the seconds that one generation may take."""

    address: SplitResult
    seconds: float

    @property
    def target(self) -> str:
        """Path and query of the address."""
        return (self.address.path or "/") + (f"?{self.address.query}" if self.address.query else "")

    def deadline(self) -> float:
        """Return the moment, by ``time.monotonic``, at which a generation that starts now took too long."""
        return time.monotonic() + self.seconds

    @contextmanager
    def exchange(
        self,
        method: str,
        target: str,
        deadline: float,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Iterator[http.client.HTTPResponse]:
        """Send one request to the service's host and give its answer, which has status 200.

        Raises:
            GenerationError: the service can't be reached, takes too long, or answers with anything else.
        """
        kinds = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
        left = max(deadline - time.monotonic(), 0.001)
        connection = kinds[self.address.scheme](str(self.address.hostname), self.address.port, timeout=left)
        try:
            connection.request(method, target, body, dict(headers or {}))
            answer = connection.getresponse()
            _refuse_errors(answer)
            yield answer
        except TimeoutError:
            raise GenerationError("The web service took too long.", expected=f"{self.seconds:g} seconds") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            found = f"{type(error).__name__}: {error}"
            raise GenerationError("The web service does not answer.", found=found) from None
        finally:
            connection.close()


def checked_address(text: str) -> SplitResult:
    """Return the parts of an address.

    Raises:
        UsageError: when it is none that a sample can be sent to.
    """
    expected = "http://HOST:PORT/PATH or https://..., without a user name"
    try:
        parts = urlsplit(text)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError as error:
        raise UsageError("This is no address of a web service.", found=f"{text}: {error}", expected=expected) from None
    if not good or parts.username is not None or parts.password is not None or not text.isascii() or " " in text:
        raise UsageError("This is no address of a web service.", found=text, expected=expected)
    return parts


def save_answer(answer: http.client.HTTPResponse, output: Path, deadline: float) -> None:
    """Write the body of an answer to a file.

    Raises:
        GenerationError: it is empty, cut off or larger than `MOST_ANSWER`.
        TimeoutError: the deadline has passed.
    """
    with output.open("wb") as stream:
        for chunk in _chunks(answer, MOST_ANSWER, deadline):
            stream.write(chunk)


def read_answer(answer: http.client.HTTPResponse, limit: int, deadline: float) -> bytes:
    """Return the body of an answer of at most ``limit`` bytes; raises as `save_answer`."""
    return b"".join(_chunks(answer, limit, deadline))


def multipart(fields: Mapping[str, str], files: Sequence[tuple[str, Path]]) -> tuple[bytes, str]:
    """Return the body of a form and its content type; a file is called as its field, with its own suffix."""
    boundary = f"evalkit{secrets.token_hex(16)}"
    parts = [f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}'.encode() for name, value in fields.items()]
    for name, path in files:
        head = f'Content-Disposition: form-data; name="{name}"; filename="{name}{path.suffix}"\r\n'
        parts.append(f"{head}Content-Type: application/octet-stream\r\n\r\n".encode() + path.read_bytes())
    whole = b"".join(b"--%s\r\n%s\r\n" % (boundary.encode(), part) for part in parts)
    return whole + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


def _refuse_errors(answer: http.client.HTTPResponse) -> None:
    if answer.status in _REDIRECTS:
        raise GenerationError(
            "The web service answers with another address; no redirect is followed.",
            found=answer.headers.get("Location", "no address"),
            fix="Give the address that serves the video.",
        )
    if answer.status != _OK:
        begin = answer.read(_SHOWN).decode("utf-8", "replace")
        found = f"status {answer.status}: {escape_for_display(' '.join(begin.split()), _SHOWN)}"
        raise GenerationError("The web service answers with an error.", found=found, expected="status 200")


def _chunks(answer: http.client.HTTPResponse, limit: int, deadline: float) -> Iterator[bytes]:
    if (answer.length or 0) > limit:
        raise _too_large(f"{answer.length} bytes", limit)
    total = 0
    while chunk := answer.read1(_CHUNK):
        total += len(chunk)
        if total > limit:
            raise _too_large(f"more than {limit} bytes", limit)
        if time.monotonic() > deadline:
            raise TimeoutError
        yield chunk
    if answer.length:
        raise GenerationError("The answer is cut off.", found=f"{total} bytes, {answer.length} are missing")
    if total == 0:
        raise GenerationError("The answer is empty.", expected="a video")


def _too_large(found: str, limit: int) -> GenerationError:
    return GenerationError("The answer is too large.", found=found, expected=f"at most {limit} bytes")
