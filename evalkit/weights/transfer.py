"""Ask one address for a file, or for the rest of it, and write what it sends.

HTTP is spoken by `requests`: ranges, retries, redirects to http and https only, and no more bytes than the file may
have.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.response import BaseHTTPResponse
from urllib3.util import Retry

from evalkit._version import __version__
from evalkit.errors import StorageError
from evalkit.progress import Progress
from evalkit.text import escape_for_display
from evalkit.weights.records import unwritable_error

CHUNK = 64 * 1024
MOST_WAIT = 60.0  # seconds between two tries, when a server asks for a pause
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_PAGES = ("text/html", "application/xhtml+xml")


class MirrorError(Exception):
    """This address can't give the file."""


class StalePartError(MirrorError):
    """The server can't continue where the bytes on disk end; it may still send the whole file."""


class CutError(Exception):
    """The connection broke in the middle; asking for the rest may help."""


@dataclass(frozen=True)
class RetryPolicy:
    """How long to wait, and how often to try again.

    Args:
        connect_seconds: longest wait for a connection.
        read_seconds: longest silence in the middle of a file.
        retries: how often a connection that fails, or a server that is busy (429, 5xx), is asked again.
        pause: seconds before the second of these tries; doubled with each.
        cuts: number of consecutive broken connections without a new byte before giving up.
        unknown_limit: most bytes of a file whose size is not stated.
    """

    connect_seconds: float = 15.0
    read_seconds: float = 60.0
    retries: int = 3
    pause: float = 0.5
    cuts: int = 3
    unknown_limit: int = 2 * 1024**3


@dataclass(frozen=True)
class RemoteFile:
    """A file to get.

    Args:
        name: its name in the weights folder.
        urls: where it can be had, in the order to try.
        size: bytes, where known.
        sha256: the digest it must have, where that is known in full.
        prefix: the first digits of its digest otherwise.
    """

    name: str
    urls: Sequence[str]
    size: int | None
    sha256: str | None
    prefix: str = ""


class Session(requests.Session):
    """Follows redirects to http and https only, and never from https down to http."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Return where the answer leads, as `requests` does, but never to an address that must not be followed."""
        target = super().get_redirect_target(resp)
        if target is None:
            return None
        to = urljoin(resp.url, target)
        if urlsplit(to).scheme not in {"http", "https"}:
            raise MirrorError(f"it redirects to {to}, which is neither http nor https")
        if urlsplit(resp.url).scheme == "https" and urlsplit(to).scheme != "https":
            raise MirrorError(f"it redirects from https to {to}, where anybody could change the file")
        return target


class _PatientRetry(Retry):
    """Waits as a server asks, but no longer than a minute; urllib3 before 2.7 has no option for that."""

    def get_retry_after(self, response: BaseHTTPResponse) -> float | None:
        """Return the seconds to wait; ``None`` when the server asks for none."""
        seconds = super().get_retry_after(response)
        return None if seconds is None else min(seconds, MOST_WAIT)


def open_session(policy: RetryPolicy) -> requests.Session:
    """Return a session with the policy's retries; it honours the environment's proxies."""
    session = Session()
    retry = _PatientRetry(
        total=policy.retries,
        backoff_factor=policy.pause,
        backoff_max=30,
        status_forcelist=(429, 500, 502, 503, 504),
        allowed_methods=("GET",),
        raise_on_status=False,
    )
    session.max_redirects = 10
    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(max_retries=retry))
    # As stored: a server that compresses on the way would make ranges and lengths mean something else.
    session.headers.update({"Accept-Encoding": "identity", "User-Agent": f"evalkit/{__version__}"})
    return session


class Transfer:
    """One answer of a server. Use it as a context manager and call `save` once.

    Attributes:
        start: the first byte that the server sends.
        total: bytes of the whole file; ``None`` when not known.
        validator: the ETag or date of the version that the server has.
    """

    def __init__(  # noqa: PLR0917
        self,
        session: requests.Session,
        source: RemoteFile,
        url: str,
        have: int,
        validator: str | None,
        policy: RetryPolicy,
    ) -> None:
        """Ask for the file after its first ``have`` bytes, which are of the version ``validator``."""
        self._source, self._policy = source, policy
        headers = {"Range": f"bytes={have}-"} if have else {}
        if have and validator:
            headers["If-Range"] = validator  # the server sends the whole file when it has another version
        timeout = (policy.connect_seconds, policy.read_seconds)
        try:
            self._response = session.get(url, headers=headers, stream=True, timeout=timeout)
        except (requests.RequestException, ValueError) as error:  # ValueError: a redirect to an invalid address
            raise MirrorError(_reason(error)) from None
        try:
            self.start, self.total = self._check_response(have)
        except BaseException:
            self._response.close()
            raise
        self.validator = _validator(self._response.headers)

    def __enter__(self) -> Transfer:
        return self

    def __exit__(self, *details: object) -> None:
        self._response.close()

    def _check_response(self, have: int) -> tuple[int, int | None]:
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
        size = self._source.size
        if total is not None and size is not None and total != size:
            raise MirrorError(f"its file has {total:,} bytes and not {size:,}")
        if total is not None and size is None and total > self._policy.unknown_limit:
            raise MirrorError(f"its file has {total:,} bytes, more than {self._policy.unknown_limit:,}")
        return start, total if size is None else size

    def save(self, part: Path, progress: Progress) -> None:
        """Write what comes to ``part``, after its first ``start`` bytes.

        Raises:
            CutError: when the connection broke; what came is on disk.
            MirrorError: when more comes than the file may have; ``part`` is of no use.
            StorageError: when ``part`` can't be written; what fits is on disk.
        """
        limit = self.total if self.total is not None else self._policy.unknown_limit
        require_space(part.parent, limit - self.start if self.total is not None else 0)
        done = self.start
        with _writing(part):
            flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | (0 if done else os.O_CREAT | os.O_TRUNC)
            target = open(os.open(part, flags, 0o666), "r+b", buffering=0)  # noqa: PTH123, SIM115 - not through a link
        with target:
            with _writing(part):
                target.seek(done)
                target.truncate()
            for block in self._blocks():
                done += len(block)
                if done > limit:
                    raise MirrorError(f"it sends more than {limit:,} bytes")
                view = memoryview(block)
                with _writing(part):
                    while view:
                        view = view[target.write(view) :]
                progress.advance(len(block))
            with _writing(part):
                os.fsync(target.fileno())
        if self.total is not None and done < self.total:
            raise CutError(f"the connection ended after {done:,} of {self.total:,} bytes")

    def _blocks(self) -> Iterator[bytes]:
        try:
            yield from self._response.iter_content(CHUNK)
        except requests.RequestException as error:
            raise CutError(_reason(error)) from None


@contextmanager
def _writing(part: Path) -> Iterator[None]:
    """Report an error of the system as one of the weights folder."""
    try:
        yield
    except OSError as error:
        raise unwritable_error(part.parent.parent, error) from error


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


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) <= 18 else None


def _validator(headers: requests.structures.CaseInsensitiveDict[str]) -> str | None:
    tag = headers.get("ETag", "")
    if tag.startswith('"'):  # a weak one (W/"...") does not promise the same bytes
        return tag
    return headers.get("Last-Modified") or None


def _reason(error: Exception) -> str:
    """Return the message of the innermost error of a chain."""
    inner: BaseException = error
    for _ in range(6):
        reason = getattr(inner, "reason", None)
        if not isinstance(reason, BaseException):
            reason = inner.args[0] if inner.args and isinstance(inner.args[0], BaseException) else None
        if reason is None:
            break
        inner = reason
    return escape_for_display(str(inner) or type(inner).__name__, limit=300)
