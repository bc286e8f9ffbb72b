"""The bytes of a reference pack, and what writes them.

    magic      17 bytes: "evalkit refpack 1"
    data       the arrays of entry 0, 1, ..., those of an entry in the order of their names: C order, little-endian
    header     JSON (`Header`)
    footer     length of the header (8 bytes, little-endian), SHA-256 of everything before it (32 bytes)

The header states dtype and shape of each array. Their lengths must add up to the data, so nothing in a pack points
anywhere, and nothing in it is compressed or pickled. The same content gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from typing import Annotated, Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from evalkit.media.limits import MAX_FRAMES
from evalkit.metrics.base import FeatureData

MAGIC = b"evalkit refpack 1"
FOOTER = 8 + 32
MAX_HEADER_BYTES = 1 << 26
MAX_PACK_BYTES = 1 << 36
MAX_ENTRY_BYTES = 1 << 31
MAX_DETAIL = 10_000  # characters
_MAX_ARRAYS, _MAX_AXES = 64, 6
_DTYPE = re.compile(r"\|b1|\|[iu]1|<[iu][248]|<f[248]|<U[1-9][0-9]{0,3}")
_DIGEST = r"^[0-9a-f]{64}$"

Digest = Annotated[str, Field(pattern=_DIGEST)]
Count = Annotated[int, Field(ge=0)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def _dtype(text: str) -> str:
    if not _DTYPE.fullmatch(text):
        raise ValueError("is not the dtype of numbers or text")
    return text


class ArrayEntry(_Part):
    """One array: its dtype as NumPy writes it, and its shape."""

    dtype: Annotated[str, AfterValidator(_dtype)]
    shape: Annotated[list[Annotated[int, Field(ge=0, le=MAX_FRAMES)]], Field(max_length=_MAX_AXES)]

    @model_validator(mode="after")
    def _bounded(self) -> ArrayEntry:
        # An axis of length 0 may hide others that NumPy can't hold.
        if np.dtype(self.dtype).itemsize * math.prod(max(1, length) for length in self.shape) > MAX_ENTRY_BYTES:
            raise ValueError(f"an array may have {MAX_ENTRY_BYTES} bytes at most")
        return self

    @property
    def bytes(self) -> int:
        """Its length in the data."""
        return int(np.dtype(self.dtype).itemsize) * math.prod(self.shape)


class Entry(_Part):
    """A feature of certain files: its arrays, or why there is none."""

    feature: Annotated[str, Field(min_length=1, max_length=100)]
    arrays: Annotated[dict[str, ArrayEntry] | None, Field(max_length=_MAX_ARRAYS)] = None
    reason: Annotated[str | None, Field(min_length=1, max_length=100)] = None
    detail: Annotated[str, Field(max_length=MAX_DETAIL)] = ""

    @property
    def bytes(self) -> int:
        """Its length in the data."""
        return sum(array.bytes for array in (self.arrays or {}).values())


class WeightsEntry(_Part):
    """The file that a role had."""

    sha256: Digest
    options: dict[str, Any]


class FeatureEntry(_Part):
    """What identifies a feature's result, as `evalkit.metrics.features.base.FeatureRecord` has it."""

    version: int
    options: dict[str, Any]
    needs: list[str]
    weights: dict[str, WeightsEntry]


class FileEntry(_Part):
    """A file of the test set."""

    bytes: Count
    sha256: Digest


class Length(_Part):
    """How long the sample's video should be, what says so, and the size of the reference video."""

    seconds: Annotated[float, Field(ge=0, le=1e6)]
    source: Literal["speech", "reference video"]
    size: Annotated[list[Annotated[int, Field(ge=1, le=1 << 20)]] | None, Field(min_length=2, max_length=2)] = None


class FingerprintEntry(_Part):
    """The fingerprint of a reference video, and the digest of the file."""

    entry: Count
    sha256: Digest


class SampleEntry(_Part):
    """What the pack has of one sample; ``sha256`` is of its record in the test set."""

    sha256: Digest
    features: dict[str, Count]
    fingerprint: FingerprintEntry | None = None
    length: Length | None = None


class TestSetEntry(_Part):
    """The test set that the pack is of."""

    __test__ = False

    sha256: Digest
    format: str


class Challenge(_Part):
    """The challenge whose metrics chose the features. None of its rules changes one, so it is for the reader only."""

    id: str
    sha256: Digest


class Header(_Part):
    """What a pack says of itself.

    Args:
        evalkit, device: what computed it; for the reader only.
        readers: version of each way of reading files that is no feature.
        features: name -> what identifies its result.
        fingerprint: the same of the fingerprint of reference videos, when there are any.
        files: path in the test set -> the file that was read.
        samples: id -> what there is of it.
        entries: in the order of their data.
    """

    schema_: Literal[1] = Field(alias="schema")
    evalkit: str
    device: str
    testset: TestSetEntry
    challenge: Challenge
    readers: dict[str, int]
    features: dict[str, FeatureEntry]
    fingerprint: FeatureEntry | None
    files: dict[str, FileEntry]
    samples: dict[str, SampleEntry]
    entries: list[Entry]


class PackWriter:
    """Writes a pack from its first byte to its last.

    Args:
        stream: where to; at its start.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._digest = hashlib.sha256()
        self.entries: list[Entry] = []
        self.bytes = 0
        self._write(MAGIC)

    def add(self, feature: str, data: FeatureData) -> int:
        """Write a feature's arrays; return the number of the entry."""
        entry = Entry(feature=feature, reason=data.reason or "unavailable", detail=data.detail[:MAX_DETAIL])
        if data.arrays is not None:
            arrays = {name: _plain(data.arrays[name]) for name in sorted(data.arrays)}
            stated = {name: ArrayEntry(dtype=a.dtype.str, shape=list(a.shape)) for name, a in arrays.items()}
            entry = Entry(feature=feature, arrays=stated)
            for array in arrays.values():
                self._write(array.tobytes())
        self.entries.append(entry)
        return len(self.entries) - 1

    def finish(self, facts: Mapping[str, Any]) -> str:
        """Write header and footer; return the SHA-256 of the whole file. ``facts`` has the fields but ``entries``."""
        header = Header(schema=1, entries=self.entries, **facts)
        document = header.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        text = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
        self._write(text)
        self._write(len(text).to_bytes(8, "little"))
        self._write(self._digest.digest())
        return self._digest.hexdigest()

    def _write(self, data: bytes) -> None:
        self._stream.write(data)
        self._digest.update(data)
        self.bytes += len(data)


def _plain(array: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).reshape(array.shape)
