"""A test set: the samples that every submission must answer, with their references.

The native form is ``samples.jsonl``, one JSON object a line, paths relative to the file. `load_testset` also reads the
directory of IPVG 2025 and the ``eval.json`` of IPVG 2026 (see `evalkit.testset_ipvg`).
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from evalkit.errors import TestSetError, did_you_mean
from evalkit.yamlio import read_text

Format = Literal["native", "ipvg2025", "ipvg2026-facial", "ipvg2026-sequential"]
SAMPLES_FILE = "samples.jsonl"


class TimelineEvent(BaseModel):
    """One action of a sequential prompt, from ``start`` to ``end`` seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    start: float = Field(ge=0)
    end: float
    description: str

    @model_validator(mode="after")
    def _forward(self) -> TimelineEvent:
        if not self.end > self.start:
            raise ValueError(f"an event must end after it starts, found {self.start} to {self.end}")
        return self


def _relative(value: Any) -> Any:
    """Refuse paths that leave the test set's folder."""
    if isinstance(value, str) and (Path(value).is_absolute() or ".." in Path(value).parts or "\x00" in value):
        raise ValueError("a path must be relative and stay inside the test set's folder")
    return value


RelativePath = Annotated[str, BeforeValidator(_relative)]


class Sample(BaseModel):
    """One thing to generate: a reference face, speech, a prompt, and the truth where it is known.

    Args:
        id: unique in the test set.
        reference_images: paths of the faces to keep, one or several.
        audio: path of the speech (WAV), or ``None``.
        text: caption or prompt, or ``None``.
        timeline: actions with their times, or ``None``.
        reference_video: path of the real video, or ``None``.
        groups: attributes for breakdowns, as in ``{"ethnicity": ...}``.
        identity, prompt: parts of the id, for layouts that put them in folders.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(min_length=1, max_length=200)
    reference_images: tuple[RelativePath, ...] = ()
    audio: RelativePath | None = None
    text: str | None = None
    timeline: tuple[TimelineEvent, ...] | None = None
    reference_video: RelativePath | None = None
    groups: dict[str, str] = Field(default_factory=dict)
    identity: str | None = None
    prompt: str | None = None


@dataclass(frozen=True)
class TestSet:
    """Samples in their published order, and the folder that their paths start from."""

    __test__ = False

    root: Path
    samples: tuple[Sample, ...]
    format: Format = "native"

    def __len__(self) -> int:
        return len(self.samples)

    def __iter__(self) -> Iterator[Sample]:
        return iter(self.samples)

    def path(self, relative: str) -> Path:
        """Return where a sample's file lies."""
        return self.root / relative

    def limited(self, count: int | None) -> TestSet:
        """Return the test set with its first ``count`` samples only."""
        return self if count is None else TestSet(self.root, self.samples[:count], self.format)

    @cached_property
    def sha256(self) -> str:
        """Digest of the samples' records (not of the media: features carry the digests of what they read)."""
        records = [sample.model_dump(mode="json") for sample in self.samples]
        return hashlib.sha256(json.dumps(records, sort_keys=True).encode()).hexdigest()


def load_testset(path: str | Path) -> TestSet:
    """Return the test set in a folder, or of its ``samples.jsonl`` or ``eval.json``.

    Raises:
        TestSetError: when nothing is there, when it is empty, or naming the line that is malformed.
    """
    from evalkit.testset_ipvg import read_eval_json, read_ipvg2025

    place = Path(path)
    if not place.exists():
        raise TestSetError(f"The test set {place} does not exist.", fix="Check --testset.")
    if place.is_file():
        testset = read_eval_json(place) if place.suffix == ".json" else _read_native(place)
    elif (place / SAMPLES_FILE).is_file():
        testset = _read_native(place / SAMPLES_FILE)
    elif (place / "eval.json").is_file():
        testset = read_eval_json(place / "eval.json")
    else:
        testset = read_ipvg2025(place)
    if not testset.samples:
        raise TestSetError(f"The test set {place} is empty.", expected="at least one sample")
    _check_unique(testset.samples, place)
    return testset


def _read_native(file: Path) -> TestSet:
    text = read_text(file, kind=TestSetError, what="The test set", limit=256 * 1024 * 1024)
    samples = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        place = f"{file}, line {number}"
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise TestSetError(f"{place}: not a JSON object.", found=str(error)) from None
        samples.append(make_sample(record, place))
    return TestSet(file.parent, tuple(samples))


def make_sample(record: Any, place: str) -> Sample:
    """Return ``record`` as a `Sample`.

    Raises:
        TestSetError: naming ``place`` and the key at fault.
    """
    if not isinstance(record, dict):
        raise TestSetError(f"{place}: not a JSON object.", found=type(record).__name__)
    try:
        return Sample.model_validate(record)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in fault["loc"])
        hint = did_you_mean(key, Sample.model_fields) if fault["type"] == "extra_forbidden" else ""
        message = str(fault["msg"]).removeprefix("Value error, ")
        raise TestSetError(f"{place}: '{key}': {message}.{hint}") from None


def _check_unique(samples: Sequence[Sample], place: Path) -> None:
    name, count = Counter(sample.id for sample in samples).most_common(1)[0]
    if count > 1:
        raise TestSetError(f"The test set {place} has the sample '{name}' {count} times.", expected="unique ids")
