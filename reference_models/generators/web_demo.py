"""A web service as a generator: it is sent a sample's inputs and answers with a video."""

from __future__ import annotations

import http.client
import json
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from evalkit.errors import UsageError
from evalkit.reference_models.generators.base import (
    GenerationError,
    GenerationRequest,
    Generator,
    GeneratorOption,
    GeneratorRecord,
)
from evalkit.text import escape_for_display

MOST_ANSWER = 1 << 30  # bytes of a video
_CHUNK = 1 << 20
_SHOWN = 300  # bytes of an answer that is no video
_OK, _REDIRECTS = 200, range(300, 400)


class WebDemo(Generator):
    """Sends ``multipart/form-data`` by POST to one address, and takes the body of the answer as the video.

    The form has the files ``image`` and ``audio`` where the sample has them, and the fields ``text``, ``timeline``,
    ``id``, ``seed``, ``fps``, ``seconds``, ``frames``, ``width`` and ``height``. Nothing is sent anywhere else: no
    redirect is followed and no proxy is used.
    """

    record = GeneratorRecord(
        "url",
        "a web service that takes image and audio by POST and answers with a video",
        options=(
            GeneratorOption("address", "", "http:// or https:// address"),
            GeneratorOption("time_limit", 600.0, "seconds for one answer", 0),
        ),
    )

    def __init__(self, options: Mapping[str, Any] | None = None, backbones: str = "published") -> None:
        super().__init__(options, backbones)
        self._address = _checked(str(self.options["address"]))
        self._seconds = float(self.options["time_limit"])

    def generate(self, request: GenerationRequest) -> Path:
        """Send the sample, write the answer to ``request.output`` and return that path."""
        body, kind = _form(request)
        kinds = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
        address, deadline = self._address, time.monotonic() + self._seconds
        connection = kinds[address.scheme](str(address.hostname), address.port, timeout=self._seconds)
        target = (address.path or "/") + (f"?{address.query}" if address.query else "")
        try:
            connection.request("POST", target, body, {"Content-Type": kind, "Accept": "video/mp4, video/*"})
            self._save(connection.getresponse(), request.output, deadline)
        except TimeoutError:
            raise GenerationError("The web service took too long.", expected=f"{self._seconds:g} seconds") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            found = f"{type(error).__name__}: {error}"
            raise GenerationError("The web service does not answer.", found=found) from None
        finally:
            connection.close()
        return request.output

    def _save(self, answer: http.client.HTTPResponse, output: Path, deadline: float) -> None:
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
        if (answer.length or 0) > MOST_ANSWER:
            raise _too_large(f"{answer.length} bytes")
        total = 0
        with output.open("wb") as stream:
            while chunk := answer.read1(_CHUNK):
                total += len(chunk)
                if total > MOST_ANSWER:
                    raise _too_large(f"more than {MOST_ANSWER} bytes")
                if time.monotonic() > deadline:
                    raise TimeoutError
                stream.write(chunk)
        if answer.length:
            raise GenerationError("The answer is cut off.", found=f"{total} bytes, {answer.length} are missing")
        if total == 0:
            raise GenerationError("The answer is empty.", expected="a video")


def _checked(text: str) -> SplitResult:
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


def _too_large(found: str) -> GenerationError:
    return GenerationError("The answer is too large.", found=found, expected=f"at most {MOST_ANSWER} bytes")


def _form(request: GenerationRequest) -> tuple[bytes, str]:
    """Return the body of a form and its content type."""
    target = request.target
    fields = {
        "id": request.sample,
        "text": request.text or "",
        "timeline": json.dumps([event.model_dump() for event in request.timeline or ()]),
        "seed": str(request.seed % 2**32),
        "fps": f"{float(target.fps):g}",
        "seconds": f"{target.seconds:.6f}",
        "frames": str(target.frames),
        "width": str(target.width),
        "height": str(target.height),
    }
    files = {"image": next(iter(request.reference_images), None), "audio": request.audio}
    boundary = f"evalkit{secrets.token_hex(16)}"
    parts = [f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}'.encode() for name, value in fields.items()]
    for name, path in files.items():
        if path is not None:
            head = f'Content-Disposition: form-data; name="{name}"; filename="{name}{path.suffix}"\r\n'
            parts.append(f"{head}Content-Type: application/octet-stream\r\n\r\n".encode() + path.read_bytes())
    whole = b"".join(b"--%s\r\n%s\r\n" % (boundary.encode(), part) for part in parts)
    return whole + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"
