"""The file that a shard writes: what its share of the run computed, bounded and checked when it is read.

A part is a header, one record after the other, a table of the records, and an end of fixed length. The header and the
table are JSON. A record is an answer as workers send it (`evalkit.workers.messages`): plain data, no pickles. The end
has the digest of header and table, and the table has that of each record. Digests find damage and mistakes; who can
write a part can forge numbers, as who can write a scorecard.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evalkit.cluster.shares import MOST_SHARDS, Shard
from evalkit.errors import InputError
from evalkit.files import atomic_write
from evalkit.jsonio import parse_json
from evalkit.model_faults import first_fault
from evalkit.scoring.jobs import VideoAnswer
from evalkit.text import escape_for_display
from evalkit.workers import messages

SUFFIX = ".part.evalkit"
Phase = Literal["video", "references", "reference video"]
Failure = Literal["crashed", "timeout", "memory", "error", "total-timeout"]
_MAGIC = b"evalkit part 1\n"
_LENGTH = struct.Struct("<Q")
_END = struct.Struct("<Q32s")  # length of the table; SHA-256 of header and table
_MOST_JSON = 8 << 20  # bytes of the header or of the table: some 200 for each record, and fifty times that in memory
_MOST_RECORD = messages.MOST_TEXT_BYTES + messages.MOST_DATA_BYTES + (1 << 10)
_MOST_DETAIL = 100_000  # characters of a failure's traceback
_FIX = "Run the shard again: it writes its part anew."
_Text = Annotated[str, Field(max_length=10_000)]


@dataclass(frozen=True)
class Record:
    """What became of one job.

    Args:
        keys: feature -> cache key where it was computed; they say from which inputs.
        answer: as a worker gives it, with everything that is cached; ``None`` after a failure.
        failure: as in `evalkit.workers.pool.JobResult`.
        detail: of the failure.
    """

    keys: Mapping[str, str]
    answer: VideoAnswer | None
    failure: Failure | None = None
    detail: str = ""


class _Header(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)

    index: int = Field(ge=1, le=MOST_SHARDS)
    count: int = Field(ge=1, le=MOST_SHARDS)
    samples: list[_Text]
    identity: dict[_Text, str]


class _Entry(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)

    phase: Phase
    sample: _Text
    failure: Failure | None
    offset: int = Field(ge=0)
    length: int = Field(ge=1, le=_MOST_RECORD)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class _Table(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)

    records: list[_Entry]


def write_part(
    path: Path,
    shard: Shard,
    samples: Iterable[str],
    identity: Mapping[str, str],
    records: Iterable[tuple[Phase, str, Record]],
) -> int:
    """Write a part; a reader sees all of it or what was there before. Return its size in bytes.

    Raises:
        StorageError: when it can't be written.
        ValueError: when a record is larger than one may be.
    """
    header = _json({"index": shard.index, "count": shard.count, "samples": sorted(samples), "identity": dict(identity)})
    table: list[dict[str, Any]] = []
    with atomic_write(path) as stream:
        stream.write(_MAGIC + _LENGTH.pack(len(header)) + header)
        for phase, sample, record in records:
            offset, digest = stream.tell(), hashlib.sha256()
            value = (dict(record.keys), record.failure, record.detail[:_MOST_DETAIL], record.answer)
            for piece in messages.encode(("ok", value, False)):
                digest.update(piece)
                stream.write(piece)
            place = {"offset": offset, "length": stream.tell() - offset, "sha256": digest.hexdigest()}
            table.append({"phase": phase, "sample": sample, "failure": record.failure, **place})
        content = _json({"records": table})
        stream.write(content + _END.pack(len(content), hashlib.sha256(header + content).digest()))
        return stream.tell()


class PartFile:
    """A part that was opened: its header and table are checked, its records when they are read.

    Attributes:
        path: of the file.
        shard: which one it is.
        samples: what the shard says its share was.
        identity: what it computed with, see `evalkit.cluster.identity`.
        failures: the samples whose video or reference video could not be read, with the kind of failure.

    Raises:
        InputError: when it is no part, or a damaged one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open("rb") as stream:
                header, self._entries = _read_outline(stream, os.fstat(stream.fileno()).st_size)
        except FileNotFoundError:
            raise InputError(f"The part {path} does not exist.", fix="Wait for the shard, or run it again.") from None
        except OSError as error:
            raise InputError(f"The part {path} can't be read.", found=error.strerror or str(error)) from None
        except ValueError as error:
            raise self.damaged(str(error)) from None
        self.shard = Shard(header.index, header.count)
        self.samples = frozenset(header.samples)
        self.identity = header.identity
        self.failures = {
            sample: entry.failure for (_, sample), entry in self._entries.items() if entry.failure is not None
        }

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[tuple[Phase, str]]:
        return iter(self._entries)

    def __contains__(self, place: object) -> bool:
        return place in self._entries

    def read(self, phase: Phase, sample: str) -> Record:
        """Return one record.

        Raises:
            InputError: when there is none, or a damaged one.
        """
        entry = self._entries.get((phase, sample))
        if entry is None:
            raise self.damaged(f"it has nothing about the {phase} of '{escape_for_display(sample)}'")
        try:
            with self.path.open("rb") as stream:
                stream.seek(entry.offset)
                content = stream.read(entry.length)
        except OSError as error:
            raise InputError(f"The part {self.path} can't be read.", found=error.strerror or str(error)) from None
        if hashlib.sha256(content).hexdigest() != entry.sha256:
            raise self.damaged(f"the record of '{escape_for_display(sample)}' is not what its digest says")
        try:
            return _record(content, entry)
        except ValueError as error:
            raise self.damaged(f"the record of '{escape_for_display(sample)}': {error}") from None

    def damaged(self, found: str) -> InputError:
        """Return the error for a part that can't be used."""
        return InputError(
            f"{self.path} is no part of a run, or a damaged one.",
            found=found,
            expected="what 'evalkit score --shard' wrote",
            fix=_FIX,
        )


def _json(value: Any) -> bytes:
    content = json.dumps(value, ensure_ascii=True, allow_nan=False).encode("ascii")
    if len(content) > _MOST_JSON:
        raise ValueError(f"{len(content)} bytes of JSON, at most {_MOST_JSON} are read; use more shards")
    return content


def _read_outline(stream: BinaryIO, size: int) -> tuple[_Header, dict[tuple[Phase, str], _Entry]]:
    if stream.read(len(_MAGIC)) != _MAGIC:
        raise ValueError("it does not begin like one")
    first = len(_MAGIC) + _LENGTH.size
    if size < first + _END.size:
        raise ValueError("it is cut off")
    (length,) = _LENGTH.unpack(stream.read(_LENGTH.size))
    if length > min(_MOST_JSON, size - first - _END.size):
        raise ValueError("its header is longer than it may be")
    header = stream.read(length)
    begin = first + length  # of the records
    stream.seek(size - _END.size)
    length, digest = _END.unpack(stream.read(_END.size))
    end = size - _END.size - length
    if length > _MOST_JSON or end < begin:
        raise ValueError("its table is longer than it may be, or it is cut off")
    stream.seek(end)
    table = stream.read(length)
    if hashlib.sha256(header + table).digest() != digest:
        raise ValueError("its header or table is not what its digest says, or it is cut off")
    try:
        head = _Header.model_validate(parse_json(header.decode("ascii")))
        entries = _Table.model_validate(parse_json(table.decode("ascii"))).records
    except ValidationError as error:
        raise ValueError(first_fault(_Header, error)) from None
    if head.index > head.count:
        raise ValueError(f"it is shard {head.index} of {head.count}")
    found: dict[tuple[Phase, str], _Entry] = {}
    at = begin
    for entry in entries:
        if entry.offset != at or (entry.phase, entry.sample) in found or entry.sample not in head.samples:
            raise ValueError("its table lists a record twice, of another share, or not where it lies")
        at += entry.length
        found[entry.phase, entry.sample] = entry
    if at != end:
        raise ValueError("it has bytes that belong to no record")
    return head, found


def _record(content: bytes, entry: _Entry) -> Record:
    stream = io.BytesIO(content)
    try:
        kind, value, _ = messages.receive_answer(stream)
    except (EOFError, messages.BadAnswerError) as error:
        raise ValueError(str(error) or "it is cut off") from None
    if kind != "ok" or not isinstance(value, tuple) or len(value) != 4 or stream.read(1):
        raise ValueError("it is no record")
    keys, failure, detail, answer = value
    texts = isinstance(keys, dict) and all(isinstance(one, str) for pair in keys.items() for one in pair)
    fits = isinstance(answer, VideoAnswer) if failure is None else answer is None
    if not texts or not isinstance(detail, str) or failure != entry.failure or not fits:
        raise ValueError("it is no record")
    return Record(keys, answer, entry.failure, detail)
