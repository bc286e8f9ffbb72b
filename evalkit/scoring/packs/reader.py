"""Open a reference pack without trusting it, and give out what is in it.

The whole file is hashed when it is opened, so damage is found before anything is used. Afterwards only the parts that
are asked for are read; a file that is written over meanwhile ends the run.
"""

from __future__ import annotations

import hashlib
import os
import stat
import threading
from collections.abc import Mapping
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from evalkit.errors import ReferencePackError
from evalkit.jsonio import parse_json
from evalkit.metrics.base import FeatureData
from evalkit.model_faults import first_fault
from evalkit.scoring.packs.format import (
    FOOTER,
    MAGIC,
    MAX_ENTRY_BYTES,
    MAX_HEADER_BYTES,
    MAX_PACK_BYTES,
    ArrayEntry,
    Entry,
    Header,
)

_CHUNK = 1 << 20
_FIX = "Get the pack again from the organizer, or leave it out: its features are computed from the test set then."


class ReferencePack:
    """A pack that is undamaged and consistent; whose it is `evalkit.scoring.packs.use` decides.

    Args:
        path: the file; kept open.

    Attributes:
        header: what it says of itself.
        sha256: of the whole file.

    Raises:
        ReferencePackError: it can't be read, is no pack, damaged, or contradicts itself.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        try:
            self._stream = open(path, "rb", buffering=0, opener=_open)  # noqa: SIM115 - kept
        except OSError as error:
            raise self._fault("can't be read", found=error.strerror or str(error)) from None
        try:
            self._state = _state(self._stream.fileno())
            self.header, self.sha256 = self._opened()
        except OSError as error:
            self.close()
            raise self._fault("can't be read", found=error.strerror or str(error)) from None
        except BaseException:
            self.close()
            raise
        self._starts = list(accumulate((entry.bytes for entry in self.header.entries), initial=len(MAGIC)))

    def __enter__(self) -> ReferencePack:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def entry(self, number: int) -> FeatureData:
        """Return an entry's arrays, or the reason why there are none.

        Raises:
            ReferencePackError: the file was changed after it was opened, or has bytes that are no numbers or text.
        """
        entry = self.header.entries[number]
        if entry.arrays is None:
            return FeatureData(None, entry.reason, entry.detail)
        try:
            with self._lock:
                data = self._read(self._starts[number], entry.bytes)
                if _state(self._stream.fileno()) != self._state:
                    raise self._fault("was changed while it was in use")
            return FeatureData(_arrays(entry.arrays, data))
        except OSError as error:
            raise self._fault("can't be read", found=error.strerror or str(error)) from None
        except ValueError as error:
            raise self._fault("has a value that can't be", found=str(error)) from None

    def _opened(self) -> tuple[Header, str]:
        size = self._state[1]
        if not stat.S_ISREG(os.fstat(self._stream.fileno()).st_mode):
            raise self._fault("is not a file")  # a pipe, a device
        if size > MAX_PACK_BYTES:
            raise self._fault("is too large", found=f"{size} bytes", expected=f"at most {MAX_PACK_BYTES} bytes")
        start = self._read(0, min(size, len(MAGIC)))
        if start != MAGIC:
            other = start[:-1] == MAGIC[:-1] and len(start) == len(MAGIC)
            raise self._fault("is of another version of evalkit" if other else "is not a reference pack")
        if size < len(MAGIC) + FOOTER:
            raise self._fault("is cut off", found=f"{size} bytes")
        length = int.from_bytes(self._read(size - FOOTER, 8), "little")
        digest, whole = self._digests(size)
        if self._read(size - 32, 32) != digest or length > size - len(MAGIC) - FOOTER:
            raise self._fault("is damaged or cut off", found="bytes that don't have the SHA-256 that it states")
        if length > MAX_HEADER_BYTES:
            raise self._fault("has too long a header", found=f"{length} bytes", expected=f"at most {MAX_HEADER_BYTES}")
        header = self._header(self._read(size - FOOTER - length, length))
        self._check(header, size - FOOTER - length - len(MAGIC))
        return header, whole

    def _digests(self, size: int) -> tuple[bytes, str]:
        """Return the digest of everything before the stated one, and of the whole file."""
        digest, left = hashlib.sha256(), size - 32
        self._stream.seek(0)
        while left:
            chunk = self._stream.read(min(left, _CHUNK))
            if not chunk:
                raise self._fault("was changed while it was in use")
            digest.update(chunk)
            left -= len(chunk)
        before = digest.digest()
        digest.update(self._stream.read(32))
        return before, digest.hexdigest()

    def _header(self, data: bytes) -> Header:
        try:
            return Header.model_validate(parse_json(data.decode(), finite=True))
        except ValidationError as error:
            raise self._fault("has a header that is none", found=first_fault(Header, error)) from None
        except ValueError as error:
            raise self._fault("has a header that is none", found=str(error)) from None

    def _check(self, header: Header, data: int) -> None:
        total = 0
        for entry in header.entries:
            if (entry.arrays is None) == (entry.reason is None):
                raise self._fault("contradicts itself", found="an entry with both or none of arrays and reason")
            if entry.bytes > MAX_ENTRY_BYTES:
                raise self._fault("has too large an entry", found=f"{entry.bytes} bytes of '{entry.feature}'")
            total += entry.bytes
        if total != data:
            raise self._fault("contradicts itself", found=f"{data} bytes of data", expected=f"{total} bytes")
        for sample, found in header.samples.items():
            if set(found.features) != set(header.features):
                raise self._fault("contradicts itself", found=f"other features of the sample '{sample}'")
            numbers = dict(found.features)
            if found.fingerprint is not None:
                numbers["fingerprint"] = found.fingerprint.entry
            for feature, number in numbers.items():
                if number >= len(header.entries) or header.entries[number].feature != feature:
                    raise self._fault("contradicts itself", found=f"no entry for '{feature}' of the sample '{sample}'")

    def _read(self, start: int, length: int) -> bytes:
        self._stream.seek(start)
        parts = bytearray()
        while len(parts) < length:
            chunk = self._stream.read(length - len(parts))
            if not chunk:
                raise self._fault("was changed while it was in use")
            parts += chunk
        return bytes(parts)

    def _fault(self, what: str, found: str | None = None, expected: str | None = None) -> ReferencePackError:
        return ReferencePackError(f"The reference pack {self.path} {what}.", found=found, expected=expected, fix=_FIX)


def _open(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # a pipe that nobody writes to would keep us waiting


def _state(descriptor: int) -> tuple[int, int, int, int]:
    facts = os.fstat(descriptor)
    return facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns


def _arrays(stated: Mapping[str, ArrayEntry], data: bytes) -> dict[str, NDArray[Any]]:
    """Return the arrays that lie one after the other in ``data``, in the order of their names.

    Raises:
        ValueError: a truth value that is neither 0 nor 1, or text that is none.
    """
    found, at = {}, 0
    for name in sorted(stated):
        one = stated[name]
        dtype = np.dtype(one.dtype)
        raw = data[at : at + one.bytes]
        at += one.bytes
        if dtype.kind == "b" and raw.strip(b"\x00\x01"):
            raise ValueError(f"'{name}' has bytes that are neither true nor false")
        array = np.frombuffer(raw, dtype).reshape(one.shape) if raw else np.zeros(one.shape, dtype)
        if dtype.kind == "U" and (raw and np.frombuffer(raw, "<u4").max() > 0x10FFFF):
            raise ValueError(f"'{name}' has text that is none")
        found[name] = array.copy()
    return found


def placeholder(entry: Entry) -> dict[str, NDArray[Any]]:
    """Return arrays with the dtypes and shapes that an entry states, which take no memory."""
    return {
        name: np.broadcast_to(np.zeros((), np.dtype(one.dtype)), one.shape)
        for name, one in sorted((entry.arrays or {}).items())
    }
