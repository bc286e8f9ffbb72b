"""Download one file from the first of its mirrors that has it; an interrupted download continues where it stopped.

The bytes received so far are in ``.parts`` of the weights folder, with a note of where they are from. The caller holds
the file's lock and gets a path whose content has the expected digest; only then may the file get its name. HTTP is
spoken by `requests`: ranges, retries, redirects to http and https only, and no more bytes than the file may have.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from evalkit._version import __version__
from evalkit.errors import StorageError, WeightsError
from evalkit.progress import Progress
from evalkit.text import escape_for_display
from evalkit.weights.records import read_record, unwritable_error, write_record
from evalkit.weights.store import file_sha256
from evalkit.weights.trust import non_weights_content

PARTS = ".parts"
CHUNK = 64 * 1024
_MOST_TRIES = 200  # of one mirror, however few bytes each of them brings
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


@dataclass(frozen=True)
class FetchedFile:
    """A downloaded file: its temporary place, its digest, and the address that had it."""

    part: Path
    sha256: str
    url: str


def parts_folder(folder: Path) -> Path:
    """Return the folder of unfinished files, made when it is not there.

    Raises:
        StorageError: when it can't be made.
    """
    try:
        (folder / PARTS).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable_error(folder, error) from error
    return folder / PARTS


def note_of(part: Path) -> Path:
    """Return the path of the note that says where an unfinished file is from."""
    return part.with_name(f"{part.name}.json")


def discard_part(part: Path) -> None:
    """Forget an unfinished file and its note; only the note when the file has got its name."""
    part.unlink(missing_ok=True)
    note_of(part).unlink(missing_ok=True)


def fetch(source: RemoteFile, folder: Path, progress: Progress, policy: RetryPolicy) -> FetchedFile:
    """Get ``source`` from the first mirror that has it.

    Raises:
        WeightsError: when no mirror has it, naming each with its reason.
        StorageError: when the disk is full or the folder can't be written; what came is kept.
        KeyboardInterrupt: what came is kept, and ``progress`` says how to continue.
    """
    part = parts_folder(folder) / source.name
    failures: list[str] = []
    with open_session(policy) as session:
        for url in source.urls:
            mirror = _Mirror(session, url, source, part, progress, policy)
            try:
                return FetchedFile(part, mirror.get(), url)
            except MirrorError as error:
                failures.append(f"{url}: {error}")
                progress.message(f"{source.name}: {escape_for_display(failures[-1], limit=500)}")
            except KeyboardInterrupt:
                kept = f"{_size(part):,} bytes"
                progress.message(f"{source.name}: stopped, {kept} are kept; run the same command to continue.")
                raise
    what = f"The weights file '{source.name}' could not be fetched"
    if not failures:
        raise WeightsError(
            f"{what}: no address is known.", fix="Copy it from another machine with 'evalkit weights import FOLDER'."
        )
    raise WeightsError(
        f"{what} from any of its {len(failures)} addresses.",
        found="; ".join(failures),
        fix="Try again later, or copy the file from another machine with 'evalkit weights import FOLDER'.",
    )


@dataclass
class _Mirror:
    """One address and the part of the file that is on disk."""

    session: requests.Session
    url: str
    source: RemoteFile
    part: Path
    progress: Progress
    policy: RetryPolicy

    def get(self) -> str:
        """Download the whole file to ``part`` and return its digest, which is the expected one.

        Raises:
            MirrorError: when this address can't give it; ``part`` is removed when its content is wrong.
        """
        continued = self._download()
        while True:
            digest = file_sha256(self.part)
            fault = self._fault(digest)
            if fault is None:
                return digest
            discard_part(self.part)
            if not continued:
                raise MirrorError(f"{fault}; it was removed")
            # The part may mix the bytes of two versions.
            self.progress.message(f"{self.source.name}: {fault}; it is fetched again from the start.")
            self._download()
            continued = False

    def _fault(self, digest: str) -> str | None:
        if self.source.sha256 is not None:
            right, expected = digest == self.source.sha256, self.source.sha256
        else:
            right, expected = digest.startswith(self.source.prefix), f"{self.source.prefix}..."
        if not right:
            return f"the file received has the SHA-256 {digest} and not {expected}"
        content = None if self.source.sha256 else non_weights_content(self.part)
        return f"the file received is {content}" if content else None

    def _download(self) -> bool:
        """Fetch until ``part`` is whole; return whether it holds bytes from before."""
        have = self._usable()
        continued = have > 0
        cuts = 0
        for _ in range(_MOST_TRIES):
            if have and have == self.source.size:
                return continued
            try:
                continued = self._transfer(have)
            except StalePartError as error:
                if not have:
                    raise
                self.progress.message(f"{self.source.name}: {error}; it is fetched again from the start.")
                discard_part(self.part)
            except CutError as error:
                cuts = 0 if _size(self.part) > have else cuts + 1
                if cuts >= self.policy.cuts:
                    raise MirrorError(str(error)) from None
                self.progress.message(f"{self.source.name}: {error}; continuing.")
                time.sleep(self.policy.pause * 2**cuts)
            else:
                return continued
            have, continued = self._usable(), True
        raise MirrorError(f"the connection broke {_MOST_TRIES} times")

    def _transfer(self, have: int) -> bool:
        """Write one answer to ``part``; return whether it was the rest of the file and not all of it."""
        name, note = self.source.name, self._note()
        validator = note.get("validator") if note.get("url") == self.url else None
        with _Transfer(self.session, self.source, self.url, have, validator, self.policy) as transfer:
            if have and not transfer.start:
                self.progress.message(f"{name}: the server starts from the beginning.")
            new = {"url": self.url, "validator": transfer.validator, "sha256": self.source.sha256}
            write_record(note_of(self.part), new)
            try:
                with self.progress.stage(name, transfer.total, transfer.start, "bytes") as progress:
                    transfer.save(self.part, progress)
            except MirrorError:
                discard_part(self.part)
                raise
            return transfer.start > 0

    def _usable(self) -> int:
        """Return how many bytes on disk the download can continue from; remove them when their version is not known.

        With a pinned digest any address may continue, because the digest decides at the end. Without one only the same
        version of the same address may.
        """
        have = _size(self.part)
        note = self._note()
        if self.source.sha256 is not None:
            known = note.get("sha256") == self.source.sha256
        else:
            known = note.get("url") == self.url and bool(note.get("validator"))
        if have and known and (self.source.size is None or have <= self.source.size):
            return have
        discard_part(self.part)
        return 0

    def _note(self) -> dict[str, str | None]:
        try:
            return read_record(note_of(self.part))
        except WeightsError:
            return {}


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


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


class _Transfer:
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

    def __enter__(self) -> _Transfer:
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
            target = part.open("r+b" if done else "wb", buffering=0)
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
