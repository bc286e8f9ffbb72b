"""One GET over HTTP that goes on where an earlier one stopped, and writes no more than it was allowed to.

What is asked of a server: status 200 with the whole file, or 206 with the rest of it (RFC 9110, 13.1.5 and 14).
`MirrorError` means that this address is of no use now; `CutError` means that the connection broke and the bytes that
came are worth keeping.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from evalkit._version import __version__
from evalkit.errors import StorageError
from evalkit.progress import Progress
from evalkit.text import escape_for_display
from evalkit.weights.records import unwritable_error

CHUNK = 64 * 1024
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_PAGES = ("text/html", "application/xhtml+xml")


class MirrorError(Exception):
    """This address can't give the file."""


class StalePartError(MirrorError):
    """The server does not go on where the bytes on disk end; the whole file may still be had from it."""


class CutError(Exception):
    """The connection broke in the middle; asking for the rest may help."""


@dataclass(frozen=True)
class RetryPolicy:
    """How patient to be.

    Args:
        connect_seconds: longest wait for a connection.
        read_seconds: longest silence in the middle of a file.
        retries: how often a connection that fails, or a server that is busy (429, 5xx), is asked again.
        pause: seconds before the second of these tries; doubled with each.
        cuts: number of consecutive broken connections without a new byte before giving up.
        unknown_limit: most bytes of a file whose size nobody stated.
    """

    connect_seconds: float = 15.0
    read_seconds: float = 60.0
    retries: int = 3
    pause: float = 0.5
    cuts: int = 3
    unknown_limit: int = 2 * 1024**3


class _Session(requests.Session):
    """Follows redirects to http and https only, and never from https down to http."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        target = super().get_redirect_target(resp)
        if target is None:
            return None
        to = urljoin(resp.url, target)
        if urlsplit(to).scheme not in {"http", "https"}:
            raise MirrorError(f"it redirects to {to}, which is neither http nor https")
        if urlsplit(resp.url).scheme == "https" and urlsplit(to).scheme != "https":
            raise MirrorError(f"it redirects from https to {to}, where anybody could change the file")
        return target


def open_session(policy: RetryPolicy) -> requests.Session:
    """Return a session with the policy's retries; it honours the environment's proxies."""
    session = _Session()
    retry = Retry(
        total=policy.retries,
        backoff_factor=policy.pause,
        backoff_max=30,
        status_forcelist=(429, 500, 502, 503, 504),
        allowed_methods=("GET",),
        raise_on_status=False,
        retry_after_max=60,
    )
    session.max_redirects = 10
    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(max_retries=retry))
    # As stored: a server that compresses on the way would make ranges and lengths mean something else.
    session.headers.update({"Accept-Encoding": "identity", "User-Agent": f"evalkit/{__version__}"})
    return session


@dataclass(frozen=True)
class FileRequest:
    """What to get.

    Args:
        name: for messages.
        url: from where.
        size: bytes of the whole file, where known.
        validator: the ETag or date of the version that the bytes on disk belong to; the server sends the whole file
            when it has another one.
    """

    name: str
    url: str
    size: int | None
    validator: str | None = None


@dataclass(frozen=True)
class ResponseStart:
    """How a server answered: from which byte on it sends, how long the whole file is, and which version it is."""

    start: int
    total: int | None
    validator: str | None


class Transfer:
    """An answer that is open. Use it as a context manager; read `started`, then call `save` once."""

    def __init__(self, session: requests.Session, wanted: FileRequest, have: int, policy: RetryPolicy) -> None:
        self._wanted, self._policy = wanted, policy
        headers = {"Range": f"bytes={have}-"} if have else {}
        if have and wanted.validator:
            headers["If-Range"] = wanted.validator
        timeout = (policy.connect_seconds, policy.read_seconds)
        try:
            self._response = session.get(wanted.url, headers=headers, stream=True, timeout=timeout)
        except (requests.RequestException, ValueError) as error:  # ValueError: a redirect to what is no address
            raise MirrorError(_reason(error)) from None
        try:
            self.started = self._check_response(have)
        except BaseException:
            self._response.close()
            raise

    def __enter__(self) -> Transfer:
        return self

    def __exit__(self, *details: object) -> None:
        self._response.close()

    def _check_response(self, have: int) -> ResponseStart:
        response, headers = self._response, self._response.headers
        if response.status_code == 416 and have:
            raise StalePartError("its file ends before the bytes on disk do")
        if response.status_code not in {200, 206}:
            raise MirrorError(f"HTTP {response.status_code} {response.reason or ''}".strip())
        if headers.get("Content-Type", "").lower().startswith(_PAGES):
            raise MirrorError("it answers with a web page, not with a file")
        if headers.get("Content-Encoding", "identity").lower() not in {"identity", ""}:
            raise MirrorError(f"it sends the file as {headers['Content-Encoding']}")
        start, total = 0, _number(headers.get("Content-Length"))
        if response.status_code == 206:
            found = _RANGE.fullmatch(headers.get("Content-Range", ""))
            if not have or found is None or int(found[1]) != have:
                raise StalePartError(f"it sends another range: {headers.get('Content-Range', 'none')}")
            start, total = have, _number(found[3])
        self._fits(total)
        return ResponseStart(start, total if self._wanted.size is None else self._wanted.size, _validator(headers))

    def _fits(self, total: int | None) -> None:
        size = self._wanted.size
        if total is not None and size is not None and total != size:
            raise MirrorError(f"its file has {total:,} bytes and not {size:,}")
        if total is not None and size is None and total > self._policy.unknown_limit:
            raise MirrorError(f"its file has {total:,} bytes, more than {self._policy.unknown_limit:,}")

    def save(self, part: Path, progress: Progress) -> None:
        """Write what comes to ``part``, after its first ``started.start`` bytes.

        Raises:
            CutError: when the connection broke; what came is on disk.
            MirrorError: when more comes than the file may have; ``part`` is of no use.
            StorageError: when ``part`` can't be written; what fits is on disk.
        """
        limit = self.started.total if self.started.total is not None else self._policy.unknown_limit
        require_space(part.parent, limit - self.started.start if self.started.total is not None else 0)
        done = self.started.start
        with _open_part(part, done) as target:
            for block in self._blocks():
                done += len(block)
                if done > limit:
                    raise MirrorError(f"it sends more than {limit:,} bytes")
                _write(target, block, part)
                progress.advance(len(block))
            _flush(target, part)
        if self.started.total is not None and done < self.started.total:
            raise CutError(f"the connection ended after {done:,} of {self.started.total:,} bytes")

    def _blocks(self) -> Iterator[bytes]:
        try:
            yield from self._response.iter_content(CHUNK)
        except requests.RequestException as error:
            raise CutError(_reason(error)) from None


def require_space(folder: Path, needed: int) -> None:
    """Make sure that ``needed`` bytes fit on the disk of ``folder``.

    Raises:
        StorageError: naming how much there is.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise StorageError(
            f"There is no space left for the weights in {folder}.",
            found=f"{free:,} bytes free",
            expected=f"{needed:,} bytes more",
            fix="Free some disk space, or set EVALKIT_WEIGHTS to a folder on another disk.",
        )


def _open_part(part: Path, start: int) -> BinaryIO:
    try:
        target = part.open("r+b" if start else "wb", buffering=0)
        target.seek(start)
        target.truncate()
    except OSError as error:
        raise _unsaved(part, error) from error
    return target


def _write(target: BinaryIO, block: bytes, part: Path) -> None:
    view = memoryview(block)
    try:
        while view:
            view = view[target.write(view) :]
    except OSError as error:
        raise _unsaved(part, error) from error


def _flush(target: BinaryIO, part: Path) -> None:
    try:
        os.fsync(target.fileno())
    except OSError as error:
        raise _unsaved(part, error) from error


def _unsaved(part: Path, error: OSError) -> StorageError:
    return unwritable_error(part.parent.parent, error)


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) <= 18 else None


def _validator(headers: requests.structures.CaseInsensitiveDict[str]) -> str | None:
    tag = headers.get("ETag", "")
    if tag.startswith('"'):  # a weak one (W/"...") does not promise the same bytes
        return tag
    return headers.get("Last-Modified") or None


def _reason(error: Exception) -> str:
    """Return the innermost words of a chain of wrapped errors."""
    inner: BaseException = error
    for _ in range(6):
        reason = getattr(inner, "reason", None)
        if not isinstance(reason, BaseException):
            reason = inner.args[0] if inner.args and isinstance(inner.args[0], BaseException) else None
        if reason is None:
            break
        inner = reason
    return escape_for_display(str(inner) or type(inner).__name__, limit=300)
